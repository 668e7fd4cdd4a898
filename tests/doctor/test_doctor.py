"""What is broken is told on a line of its own, with what to do; what is not, is not touched."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from tests.desk import Desk
from tests.feed.live import serving

from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings, with_user
from frontdesk.doctor import Diagnosis, Level, Patient, Wishes, examine, worst
from frontdesk.doctor.configuration import look_at_addresses, look_at_cookies, look_at_secrets
from frontdesk.doctor.outside import (
    look_at_mail,
    look_at_numbers,
    look_at_providers,
    look_at_webhook_url,
)
from frontdesk.doctor.postgres import clock, look_at_postgres
from frontdesk.doctor.redis import look_at_redis
from frontdesk.subscriptions import SUBSCRIPTIONS

NOWHERE = "127.0.0.1:9"  # The discard port: nothing listens, connections are refused.


def by_check(found: list[Diagnosis]) -> dict[str, Diagnosis]:
    return {diagnosis.check: diagnosis for diagnosis in found}


def with_section(settings: Settings, section: str, **changes: Any) -> Settings:
    changed = getattr(settings, section).model_copy(update=changes)
    return settings.model_copy(update={section: changed})


@asynccontextmanager
async def patient(settings: Settings, **wishes: Any) -> AsyncIterator[Patient]:
    async with open_resources(settings, SUBSCRIPTIONS) as opened:
        yield Patient(opened, Wishes(**wishes))


@pytest.fixture
async def upstart(settings: Settings, admin_sql: asyncpg.Connection) -> AsyncIterator[str]:
    """A role of this test's own, with the application's password; gives its name."""
    name = f"upstart_{uuid4().hex[:8]}"
    password = settings.database.url.get_secret_value().partition(":")[2].split("@")[0]
    secret = password.rpartition(":")[2]
    await admin_sql.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{secret}'")
    await admin_sql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    yield name
    await admin_sql.execute(f"DROP OWNED BY {name}")
    await admin_sql.execute(f"DROP ROLE {name}")


async def as_role(settings: Settings, name: str) -> dict[str, Diagnosis]:
    url = SecretStr(with_user(settings.database.app_dsn, name))
    system = SecretStr(settings.database.system_dsn)
    changed = with_section(settings, "database", url=url, system_url=system)
    # The cached addresses of the original are not copied along.
    for cached in ("app_dsn", "system_dsn"):
        changed.database.__dict__.pop(cached, None)
    async with patient(changed) as examined:
        return by_check(await look_at_postgres(examined))


async def test_a_whole_deployment_is_looked_at_and_every_trouble_says_what_to_do(
    resources: Resources,
) -> None:
    found = [diagnosis async for diagnosis in examine(Patient(resources))]
    checks = by_check(found)
    assert checks.keys() >= {
        "python", "secrets", "public_address", "cookies", "database", "durability", "connections",
        "extensions", "application_role", "system_role", "row_security", "database_clock", "redis",
        "redis_eviction", "redis_persistence", "redis_clock", "migrations", "workers", "overdue",
        "storage", "models", "webhook_signature", "whatsapp_numbers", "model_keys", "mail", "disk",
    }  # fmt: skip
    for well in ("extensions", "application_role", "system_role", "row_security", "redis"):
        assert checks[well].level is Level.OK, checks[well]
    for well in ("migrations", "storage", "webhook_signature", "model_keys", "database_clock"):
        assert checks[well].level is Level.OK, checks[well]
    assert all((found.level is Level.OK) == (found.fix is None) for found in checks.values())
    # The tests' Postgres does not wait for the disk.
    assert checks["durability"].level is Level.BROKEN
    assert "fsync" in checks["durability"].detail
    assert worst(found) is Level.BROKEN


async def test_a_check_that_cannot_be_made_does_not_hide_the_others(settings: Settings) -> None:
    url = SecretStr(f"postgresql://frontdesk_app@{NOWHERE}/x")
    database = type(settings.database)(url=url)
    async with patient(settings.model_copy(update={"database": database})) as examined:
        checks = by_check([diagnosis async for diagnosis in examine(examined)])
    assert checks["database"].level is Level.BROKEN
    assert "DATABASE__URL" in str(checks["database"].fix)
    assert checks["whatsapp_numbers"].detail.startswith("could not be looked at")
    assert checks["redis"].level is Level.OK


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} BYPASSRLS", "has BYPASSRLS"),
        ("GRANT frontdesk_system TO {}", "may become frontdesk_system"),
        ("CREATE TABLE taken_over (); ALTER TABLE taken_over OWNER TO {}", "owns tables"),
    ],
)
async def test_a_role_that_row_security_does_not_bind_is_told(
    settings: Settings, admin_sql: asyncpg.Connection, upstart: str, statement: str, words: str
) -> None:
    assert (await as_role(settings, upstart))["application_role"].level is Level.OK
    await admin_sql.execute(statement.format(upstart))
    told = (await as_role(settings, upstart))["application_role"]
    assert told.level is Level.BROKEN
    assert words in told.detail


async def test_a_tenant_table_without_its_policy_is_named(
    resources: Resources, admin_sql: asyncpg.Connection
) -> None:
    await admin_sql.execute("CREATE TABLE forgotten (tenant_id uuid)")
    await admin_sql.execute("GRANT SELECT ON forgotten TO frontdesk_app")
    try:
        told = by_check(await look_at_postgres(Patient(resources)))["row_security"]
    finally:
        await admin_sql.execute("DROP TABLE forgotten")
    assert told.level is Level.BROKEN
    assert told.detail.endswith("forgotten")


async def test_a_redis_that_forgets_and_one_that_is_down_are_told(
    settings: Settings, resources: Resources
) -> None:
    await resources.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        told = by_check(await look_at_redis(Patient(resources)))
    finally:
        await resources.redis.config_set("maxmemory-policy", "noeviction")
    assert told["redis"].level is Level.OK
    assert told["redis_eviction"].level is Level.WARNING
    url = SecretStr(f"redis://{NOWHERE}/0")
    async with patient(with_section(settings, "redis", url=url)) as examined:
        (down,) = await look_at_redis(examined)
    assert (down.check, down.level) == ("redis", Level.BROKEN)


def test_clocks_that_are_apart_are_told() -> None:
    now = datetime.now(UTC)
    for seconds, level in ((0.1, Level.OK), (-10, Level.WARNING), (300, Level.BROKEN)):
        assert clock("database_clock", now + timedelta(seconds=seconds), 0.0).level is level
    # What the question took is not the clock's fault.
    assert clock("database_clock", now - timedelta(seconds=3), 3.0).level is Level.OK


@pytest.mark.parametrize(
    ("public_url", "insecure", "address", "cookies"),
    [
        ("https://desk.example.com", False, Level.OK, Level.OK),
        ("https://desk.example.com", True, Level.OK, Level.BROKEN),
        ("http://desk.example.com", False, Level.BROKEN, Level.OK),
        ("http://localhost:8000", True, Level.WARNING, Level.WARNING),
        ("http://127.0.0.1:8000", False, Level.WARNING, Level.OK),
    ],
)
def test_an_address_that_nobody_can_reach_safely_is_told(
    settings: Settings, public_url: str, insecure: bool, address: Level, cookies: Level
) -> None:
    changed = with_section(settings, "web", public_url=public_url, insecure_cookies=insecure)
    assert look_at_addresses(changed)[0].level is address
    assert look_at_cookies(changed)[0].level is cookies


def test_a_secret_that_serves_twice_or_was_typed_is_told(settings: Settings) -> None:
    session = SecretStr("0b8f2f6a1c9e4d7d53aa6e1f0c2b9d84")
    good = with_section(settings, "security", session_secret=session)
    assert look_at_secrets(good)[0].level is Level.OK
    assert look_at_secrets(with_section(good, "whatsapp", verify_token=session))[0].detail == (
        "SECURITY__SESSION_SECRET is the same as WHATSAPP__VERIFY_TOKEN"
    )
    typed = with_section(settings, "security", session_secret=SecretStr("abcdefgh" * 4))
    assert look_at_secrets(typed)[0].level is Level.WARNING


async def test_the_address_that_whatsapp_calls_is_tried_with_and_without_a_signature(
    settings: Settings, resources: Resources, app: FastAPI
) -> None:
    async with serving(app) as url:
        wishes = Wishes(webhook_url=f"{url}/webhooks/whatsapp")
        (well,) = await look_at_webhook_url(Patient(resources, wishes))
        other = with_section(settings, "whatsapp", app_secrets=(SecretStr("another one's secret"),))
        stranger = Patient(replace(resources, settings=other), wishes)
        (refused,) = await look_at_webhook_url(stranger)
        (nothing,) = await look_at_webhook_url(Patient(resources, Wishes(webhook_url=url)))
    gone = Wishes(webhook_url=f"http://{NOWHERE}/webhooks/whatsapp")
    (silent,) = await look_at_webhook_url(Patient(resources, gone))
    assert well.level is Level.OK, well
    assert "refuses a signed webhook" in refused.detail
    assert "does not repeat Meta's challenge (404)" in nothing.detail
    assert "does not answer" in silent.detail
    assert not await look_at_webhook_url(Patient(resources))


async def test_models_and_numbers_are_only_called_on_request(
    resources: Resources, settings: Settings, desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    assert [found.check for found in await look_at_providers(Patient(resources))] == ["model_keys"]
    called = await look_at_providers(Patient(resources, Wishes(call_models=True)))
    assert [found.level for found in called] == [Level.OK] * 3
    keyless = settings.model_copy(update={"groq_api_key": None})
    async with patient(keyless, call_models=True) as examined:
        keys, groq, openai = await look_at_providers(examined)
    assert (keys.level, groq.level, openai.level) == (Level.WARNING, Level.BROKEN, Level.OK)

    # The number that was not looked at for longest comes first: of all, this one.
    await admin_sql.execute(
        "UPDATE channel SET token_checked_at = CASE WHEN tenant_id <> $1 THEN now() END", desk.id
    )
    (few,) = await look_at_numbers(Patient(resources))
    assert few.check == "whatsapp_numbers"
    _, *asked = await look_at_numbers(Patient(resources, Wishes(call_whatsapp=True)))
    told = {found.detail.partition(":")[0]: found for found in asked}
    assert told[desk.phone_number_id].level is Level.OK
    await desk.sql("UPDATE channel SET token_expires_at = now() + interval '2 days'")
    (ending,) = await look_at_numbers(Patient(resources))
    assert ending.level is Level.WARNING


async def test_a_mail_server_that_does_not_answer_is_told(settings: Settings) -> None:
    async with patient(settings) as examined:
        (none,) = await look_at_mail(examined)
    host, port = NOWHERE.split(":")
    changed = with_section(settings, "mail", smtp_host=host, smtp_port=int(port))
    async with patient(changed) as examined:
        (down,) = await look_at_mail(examined)
    assert (none.level, down.level) == (Level.WARNING, Level.BROKEN)
    assert "ConnectionRefusedError" in down.detail
