"""The Graph API client: one send, and the four ways it can end."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.messaging.graph_errors import GraphError, SendFailure, classify, parse_graph_error

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Accepted:
    """WhatsApp took the message; whether it arrives, statuses tell."""

    wamid: str
    wa_id: str | None  # As WhatsApp writes the recipient's number; may differ from ours.


@dataclass(frozen=True)
class Refused:
    """WhatsApp answered with an error of its own: the message was not taken."""

    error: GraphError
    failure: SendFailure


@dataclass(frozen=True)
class NotSent:
    """Nothing left us: no connection came about."""

    reason: str


@dataclass(frozen=True)
class SendUnknown:
    """No answer, or none that says anything: the message may or may not have been taken."""

    reason: str


SendResult = Accepted | Refused | NotSent | SendUnknown


async def post_message(
    resources: Resources, phone_number_id: str, token: str, body: dict[str, Any]
) -> SendResult:
    """Send one message and say how that ended. Never repeats a request by itself.

    There is no idempotency key: after a timeout, a reset, or a 5xx without a Graph error body the
    outcome is unknown, and only a status can tell.
    """
    try:
        async with asyncio.timeout(resources.settings.whatsapp.send_timeout_seconds):
            response = await _post(resources, phone_number_id, token, body)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return NotSent(type(error).__name__)
    except (httpx.HTTPError, TimeoutError) as error:
        return SendUnknown(type(error).__name__)
    if response.is_success:
        return _accepted(response)
    graph_error = parse_graph_error(response.status_code, response.content)
    if graph_error is None:
        return SendUnknown(f"HTTP {response.status_code} without a Graph error")
    return Refused(graph_error, classify(graph_error))


async def mark_read(
    resources: Resources, phone_number_id: str, token: str, body: dict[str, Any]
) -> None:
    """Mark messages read, perhaps showing that we are typing. It is a courtesy: failures are logged.

    WhatsApp refuses it for old and unknown messages, which changes nothing for us.
    """
    started = time.monotonic()
    try:
        async with asyncio.timeout(5):
            response = await _post(resources, phone_number_id, token, body)
        if response.is_error:
            log.info("read_mark_refused", status=response.status_code)
    except (httpx.HTTPError, TimeoutError) as error:
        log.info("read_mark_failed", error=type(error).__name__, after=time.monotonic() - started)


async def _post(
    resources: Resources, phone_number_id: str, token: str, body: dict[str, Any]
) -> httpx.Response:
    settings = resources.settings.whatsapp
    return await resources.http.post(
        f"{settings.api_base}/{settings.api_version}/{phone_number_id}/messages",
        content=dumps_bytes(body),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )


def _accepted(response: httpx.Response) -> SendResult:
    try:
        answer = loads(response.content)
        wamid = str(answer["messages"][0]["id"])
        contacts = answer.get("contacts") or [{}]
        return Accepted(wamid=wamid, wa_id=contacts[0].get("wa_id"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return SendUnknown("an answer that is not WhatsApp's")
