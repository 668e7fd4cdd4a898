"""Calls to the Graph API about accounts, numbers and tokens; each is made once and is bounded.

What Meta refuses, and that it did not answer, are exceptions of two kinds: the first says something
about what was asked, the second only about the moment.
"""

from pathlib import Path
from typing import Any, cast

from frontdesk.core.http import FormPart, NoAnswer, NotConnected
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.messaging.graph_errors import (
    FailureClass,
    GraphError,
    SendFailure,
    classify,
    parse_graph_error,
)

# Of each of up to a hundred numbers only what choosing one needs: an answer is read up to 64 kB.
_FEW_FIELDS = "id,display_phone_number,is_on_biz_app,status"
_FIELDS = (
    "id,display_phone_number,verified_name,name_status,code_verification_status,quality_rating,"
    "status,platform_type,is_on_biz_app,throughput,health_status,"
    "whatsapp_business_manager_messaging_limit"
)
_TEMPLATE_FIELDS = "id,name,language,category,status,quality_score,components"
_TEMPLATES_A_PAGE = 100
# An account of a verified business may have so many (WhatsApp Cloud API: templates).
_MOST_TEMPLATES = 6_000
_MOST_BYTES = 4 * 1024 * 1024
# Longer than this, a wait that Meta asks for is a refusal to whoever sits before a screen.
_LONGEST_WAIT_SECONDS = 300

Json = dict[str, Any]


class MetaRefused(Exception):
    """Meta answered with an error that asking again will not change."""

    def __init__(self, error: GraphError) -> None:
        super().__init__(f"code {error.code}, trace {error.fbtrace_id}")
        self.error = error
        self.failure: SendFailure = classify(error)


class MetaUnavailable(Exception):
    """No answer, or one that says "not now": the same call may succeed later."""


async def exchange_code(resources: Resources, code: str) -> str:
    """The business token for a code of Embedded Signup, which lives 30 s and works once.

    As a form, which OAuth allows besides Meta's example with a query: an address is written into
    logs on its way, a body is not.

    Raises:
        MetaRefused, MetaUnavailable
    """
    settings = resources.settings.whatsapp
    form = {
        "client_id": settings.app_id or "",
        "client_secret": settings.app_secrets[0].get_secret_value(),
        "grant_type": "authorization_code",
        "code": code,
    }
    answer = await _ask(
        resources,
        "POST",
        "oauth/access_token",
        # A wrong app secret comes as code 1, which elsewhere is Meta's own trouble; and a code
        # does not live long enough to wait.
        is_patient=False,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        data=form,
    )
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise MetaUnavailable("Meta's answer holds no token.")
    return token


async def inspect_token(resources: Resources, token: str) -> Json:
    """What Meta says of a token: its app, its scopes with their targets, when it ends.

    The app vouches for the question in the header; Meta takes the token itself in the query only.

    Raises:
        MetaRefused, MetaUnavailable
    """
    settings = resources.settings.whatsapp
    vouched = f"{settings.app_id}|{settings.app_secrets[0].get_secret_value()}"
    answer = await _ask(
        resources, "GET", "debug_token", token=vouched, params={"input_token": token}
    )
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


async def list_numbers(resources: Resources, waba_id: str, token: str) -> list[Json]:
    """The first hundred numbers of an account: id, number, state, whether on the phone app too.

    Raises:
        MetaRefused, MetaUnavailable
    """
    answer = await _ask(
        resources,
        "GET",
        f"{waba_id}/phone_numbers",
        token=token,
        params={"fields": _FEW_FIELDS, "limit": "100"},
    )
    data = answer.get("data")
    return [number for number in data if isinstance(number, dict)] if isinstance(data, list) else []


async def read_number(resources: Resources, phone_number_id: str, token: str) -> Json:
    """What Meta says of a number: name, quality, limit, whether it can send and why not.

    Raises:
        MetaRefused, MetaUnavailable
    """
    return await _ask(resources, "GET", phone_number_id, token=token, params={"fields": _FIELDS})


async def is_subscribed(resources: Resources, waba_id: str, token: str) -> bool:
    """Whether any app gets the account's webhooks; with our token Meta lists ours.

    Raises:
        MetaRefused, MetaUnavailable
    """
    answer = await _ask(resources, "GET", f"{waba_id}/subscribed_apps", token=token)
    return bool(answer.get("data"))


async def subscribe(resources: Resources, waba_id: str, token: str) -> None:
    """Let the account's webhooks come to us; again changes nothing.

    Raises:
        MetaRefused, MetaUnavailable
    """
    await _ask(resources, "POST", f"{waba_id}/subscribed_apps", token=token, body={})


async def unsubscribe(resources: Resources, waba_id: str, token: str) -> None:
    """Let the account's webhooks, those of all its numbers, come to us no more.

    Raises:
        MetaRefused, MetaUnavailable
    """
    await _ask(resources, "DELETE", f"{waba_id}/subscribed_apps", token=token)


async def register(resources: Resources, phone_number_id: str, token: str, pin: str) -> None:
    """Register a number for the Cloud API; the PIN becomes, or must be, its two-step PIN.

    Raises:
        MetaRefused, MetaUnavailable
    """
    body = {"messaging_product": "whatsapp", "pin": pin}
    await _ask(resources, "POST", f"{phone_number_id}/register", token=token, body=body)


async def deregister(resources: Resources, phone_number_id: str, token: str) -> None:
    """Take a number off the Cloud API. Not for one that is on the phone app as well.

    Raises:
        MetaRefused, MetaUnavailable
    """
    await _ask(resources, "POST", f"{phone_number_id}/deregister", token=token, body={})


async def sync_phone_app(
    resources: Resources, phone_number_id: str, token: str, sync_type: str
) -> None:
    """Ask once for the phone app's contacts (`smb_app_state_sync`) or its `history`.

    Raises:
        MetaRefused, MetaUnavailable
    """
    body = {"messaging_product": "whatsapp", "sync_type": sync_type}
    await _ask(resources, "POST", f"{phone_number_id}/smb_app_data", token=token, body=body)


async def describe_media(
    resources: Resources, media_id: str, phone_number_id: str, token: str
) -> Json:
    """What Meta says of a file: `url`, good for 5 minutes, `mime_type`, `sha256`, `file_size`.

    Raises:
        MetaRefused, MetaUnavailable
    """
    params = {"phone_number_id": phone_number_id}
    return await _ask(resources, "GET", media_id, token=token, params=params)


async def upload_media(
    resources: Resources,
    phone_number_id: str,
    token: str,
    file: Path,
    mime_type: str,
    filename: str | None,
) -> str:
    """Give Meta a file to send; the id it has there for 30 days.

    Raises:
        MetaRefused, MetaUnavailable
    """
    with file.open("rb") as content:
        answer = await _ask(
            resources,
            "POST",
            f"{phone_number_id}/media",
            token=token,
            timeout_seconds=resources.settings.whatsapp.media_timeout_seconds,
            form=(
                FormPart("messaging_product", "whatsapp"),
                FormPart("type", mime_type),
                FormPart("file", content, filename or file.name, mime_type),
            ),
        )
    media_id = answer.get("id")
    if not isinstance(media_id, str | int):
        raise MetaUnavailable("Meta's answer holds no id.")
    return str(media_id)


async def list_templates(resources: Resources, waba_id: str, token: str) -> list[Json]:
    """All message templates of an account, with what they are made of.

    Raises:
        MetaRefused, MetaUnavailable
    """
    found: list[Json] = []
    params = {"fields": _TEMPLATE_FIELDS, "limit": str(_TEMPLATES_A_PAGE)}
    while len(found) < _MOST_TEMPLATES:
        answer = await _ask(
            resources,
            "GET",
            f"{waba_id}/message_templates",
            token=token,
            params=params,
            most_bytes=_MOST_BYTES,
        )
        data = answer.get("data")
        found += [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
        paging = answer.get("paging")
        paging = paging if isinstance(paging, dict) else {}
        cursors = paging.get("cursors")
        after = cursors.get("after") if isinstance(cursors, dict) else None
        if not data or not isinstance(after, str) or "next" not in paging:
            break
        params = {**params, "after": after}
    return found


async def _ask(
    resources: Resources,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: Json | None = None,
    headers: dict[str, str] | None = None,
    is_patient: bool = True,
    timeout_seconds: float | None = None,
    **how: Any,
) -> Json:
    settings = resources.settings.whatsapp
    if body is not None:
        how["data"] = dumps_bytes(body)
    vouching = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = await resources.http.request(
            method,
            f"{settings.api_base}/{settings.api_version}/{path}",
            timeout_seconds=timeout_seconds or settings.account_timeout_seconds,
            headers={**vouching, **(headers or {})},
            **how,
        )
    except (NotConnected, NoAnswer) as error:
        raise MetaUnavailable(f"Meta can't be reached ({error}).") from None
    if answer.is_success:
        try:
            told = loads(answer.content)
        except ValueError:
            told = None
        if isinstance(told, dict):
            return cast(Json, told)
    told_error = parse_graph_error(answer.status, answer.content)
    if told_error is None:
        raise MetaUnavailable(f"Meta answered HTTP {answer.status} and nothing that makes sense.")
    refused = MetaRefused(told_error)
    if is_patient and _passes(refused.failure):
        raise MetaUnavailable(refused.failure.words) from None
    raise refused


def _passes(failure: SendFailure) -> bool:
    passing = failure.failure_class in (FailureClass.TRANSIENT, FailureClass.THROTTLED)
    return passing and (failure.wait_seconds or 0) <= _LONGEST_WAIT_SECONDS
