"""The Graph API client: one send, and the four ways it can end."""

from dataclasses import dataclass
from typing import Any

import structlog

from frontdesk.core.http import Answer, NoAnswer, NotConnected
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.messaging.graph_errors import GraphError, SendFailure, classify, parse_graph_error

log = structlog.get_logger(__name__)

MARK_TIMEOUT_SECONDS = 5.0


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
    timeout_seconds = resources.settings.whatsapp.send_timeout_seconds
    try:
        answer = await _post(resources, phone_number_id, token, body, timeout_seconds)
    except NotConnected as error:
        return NotSent(str(error))
    except NoAnswer as error:
        return SendUnknown(str(error))
    if answer.is_success and (accepted := _accepted(answer)):
        return accepted
    # WhatsApp's codes decide, not the status, which has been seen to say something else.
    if graph_error := parse_graph_error(answer.status, answer.content):
        return Refused(graph_error, classify(graph_error))
    return SendUnknown(f"HTTP {answer.status} without an answer of WhatsApp's")


async def mark_read(
    resources: Resources, phone_number_id: str, token: str, body: dict[str, Any]
) -> None:
    """Mark messages read, perhaps showing that we are typing. It is a courtesy: failures are logged.

    WhatsApp refuses it for old and unknown messages, which changes nothing for us.
    """
    try:
        answer = await _post(resources, phone_number_id, token, body, MARK_TIMEOUT_SECONDS)
    except (NotConnected, NoAnswer) as error:
        log.info("read_mark_failed", error=str(error))
    else:
        if not answer.is_success:
            log.info("read_mark_refused", status=answer.status)


async def _post(
    resources: Resources,
    phone_number_id: str,
    token: str,
    body: dict[str, Any],
    timeout_seconds: float,
) -> Answer:
    settings = resources.settings.whatsapp
    url = f"{settings.api_base}/{settings.api_version}/{phone_number_id}/messages"
    return await resources.http.post(
        url, dumps_bytes(body), token=token, timeout_seconds=timeout_seconds
    )


def _accepted(answer: Answer) -> Accepted | None:
    try:
        told = loads(answer.content)
        wamid = str(told["messages"][0]["id"])
        contacts = told.get("contacts") or [{}]
        return Accepted(wamid=wamid, wa_id=contacts[0].get("wa_id"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
