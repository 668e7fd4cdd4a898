"""The whole examination: every check, one after the other, none of which can end it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from frontdesk.core.settings import Settings
from frontdesk.doctor import configuration
from frontdesk.doctor.diagnosis import Diagnosis, Patient, broken
from frontdesk.doctor.machine import look_at_disks, look_at_python
from frontdesk.doctor.outside import (
    look_at_mail,
    look_at_numbers,
    look_at_providers,
    look_at_signatures,
    look_at_webhook_url,
)
from frontdesk.doctor.postgres import look_at_postgres
from frontdesk.doctor.redis import look_at_redis
from frontdesk.doctor.running import look_at_readiness

# Longer than any check waits for what does not answer.
_CHECK_SECONDS = 30

Look: TypeAlias = Callable[[Patient], Awaitable[list[Diagnosis]]]


async def _look_at_settings(patient: Patient) -> list[Diagnosis]:
    """All that can be told from the settings alone."""
    return look_at_settings(patient.resources.settings)


def look_at_settings(settings: Settings) -> list[Diagnosis]:
    """What complete settings say that they had better not."""
    return [
        *configuration.look_at_secrets(settings),
        *configuration.look_at_addresses(settings),
        *configuration.look_at_cookies(settings),
        *configuration.look_at_proxies(settings),
        *configuration.look_at_whatsapp_settings(settings),
    ]


# In the order of the report: what the rest needs comes first. By name, for a check that fails itself.
LOOKS: dict[str, Look] = {
    "python": look_at_python,
    "settings": _look_at_settings,
    "database": look_at_postgres,
    "redis": look_at_redis,
    "readiness": look_at_readiness,
    "webhook_signature": look_at_signatures,
    "webhook_url": look_at_webhook_url,
    "whatsapp_numbers": look_at_numbers,
    "model_keys": look_at_providers,
    "mail": look_at_mail,
    "disk": look_at_disks,
}


async def examine(patient: Patient) -> AsyncIterator[Diagnosis]:
    """Every finding, as soon as it is made. Changes nothing that lasts, and never raises."""
    for name, look in LOOKS.items():
        for diagnosis in await _bounded(name, look, patient):
            yield diagnosis


async def _bounded(name: str, look: Look, patient: Patient) -> list[Diagnosis]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await look(patient)
    except TimeoutError:
        return [broken(name, f"no answer in {_CHECK_SECONDS} seconds", "See what comes before it.")]
    except Exception as error:  # One check that can't be made must not hide the others.
        return [
            broken(
                name,
                f"could not be looked at: {error or type(error).__name__}",
                "Mend what comes before it, then look again.",
            )
        ]
