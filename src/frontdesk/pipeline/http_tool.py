"""A call of a tenant's own HTTP service: filled in, sent through the safe fetch, and cut to size."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from frontdesk.agent_config import CONTACT, SECRET, HttpTool, open_secrets
from frontdesk.core.crypto import SealBroken
from frontdesk.core.http import FetchRefused, NoAnswer, NotConnected
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean, excerpt
from frontdesk.pipeline.tool_result import Result, Status
from frontdesk.pipeline.turn import Turn

MAX_ANSWER_BYTES = 256 * 1024
_CONTENT_TYPES = ("application/json", "application/problem+json", "text/plain")
_WITHOUT_BODY = ("GET", "DELETE")
# What asking again, or otherwise, will not change (RFC 9110 15.5, RFC 7725).
_FOR_PEOPLE = {
    401: "The service does not know us: its secret is wrong or has expired.",
    402: "The service wants to be paid first.",
    403: "The service does not allow it.",
    451: "The service may not do it, for legal reasons.",
}
_GONE = (404, 410)
_FILLED_IN = re.compile(f"{SECRET.pattern}|{CONTACT.pattern}")
_HIDDEN = "(a secret)"
# What is shorter is no secret, and stands in many a text.
_SHORTEST_SECRET = 6


async def call_http(
    resources: Resources,
    turn: Turn,
    tool: HttpTool,
    arguments: Mapping[str, Any],
    *,
    key: str,
    hosts: Collection[str],
) -> Result:
    """Ask a tenant's service; whatever happens is a result.

    Args:
        arguments: as the tool's schema wants them.
        key: sent as `Idempotency-Key` unless the tool may be called twice.
        hosts: the only ones that may be asked.
    """
    # Whatever the model has read, a poisoned document too, it can only propose these.
    if tool.is_for_people:
        return Result(Status.REQUIRES_HUMAN, message="It is for a person to do.")
    if turn.changes_nothing and tool.method != "GET":
        return Result(Status.OK, message="This is a rehearsal: nothing was done.")
    try:
        url, body = request_of(tool, arguments)
    except ValueError as error:
        return Result(Status.INVALID_ARGUMENTS, message=str(error))
    try:
        secrets = await open_secrets(resources, turn.claim.tenant_id, tool.secrets)
    except SealBroken:
        secrets = {}
    if missing := sorted(tool.secrets - set(secrets)):
        return Result(Status.REQUIRES_HUMAN, message=f"The secret {missing[0]} is not set.")
    headers = _headers(turn, tool, secrets)
    if body is not None:
        headers["Content-Type"] = "application/json"
    if not tool.repeatable:
        headers["Idempotency-Key"] = key
    return await _send(resources, turn, tool, url, hosts, headers, body, _worth_hiding(secrets))


def _worth_hiding(secrets: Mapping[str, str]) -> list[str]:
    """The longest first: else the rest of one that begins as another would be left."""
    told = {secret for secret in secrets.values() if len(secret) >= _SHORTEST_SECRET}
    return sorted(told, key=len, reverse=True)


def _headers(turn: Turn, tool: HttpTool, secrets: Mapping[str, str]) -> dict[str, str]:
    """The tool's headers, filled in; without those that tell of the contact what is not known."""
    contact_id = turn.billed_contact_id  # On paper there is nobody.
    contact = {"id": contact_id, "wa_id": turn.claim.contact_wa_id if contact_id else None}
    return {
        # In one go: what is put in is not looked through again.
        name: _FILLED_IN.sub(lambda at: secrets[at[1]] if at[1] else str(contact[at[2]]), value)
        for name, value in tool.headers.items()
        if all(contact[known] for known in CONTACT.findall(value))
    }


async def _send(
    resources: Resources,
    turn: Turn,
    tool: HttpTool,
    url: str,
    hosts: Collection[str],
    headers: Mapping[str, str],
    body: bytes | None,
    secrets: Collection[str],
) -> Result:
    left = turn.seconds_left(resources.settings.llm.deadline_seconds)
    try:
        answer = await resources.http.fetch_public(
            url,
            method=tool.method,
            headers=headers,
            body=body,
            hosts=hosts,
            content_types=_CONTENT_TYPES,
            max_bytes=MAX_ANSWER_BYTES,
            timeout_seconds=min(tool.timeout_seconds, left),
        )
    except FetchRefused as error:
        return Result(Status.FAILED, message=str(error))
    except NotConnected:
        return Result(Status.FAILED, message="The service can't be reached.")
    except NoAnswer as error:
        late = "TimeoutError" in str(error)
        return Result(
            Status.TIMED_OUT if late else Status.FAILED, message="The service did not answer."
        )
    return read_answer(tool, answer.status, answer.content_type, answer.content, secrets)


def request_of(tool: HttpTool, arguments: Mapping[str, Any]) -> tuple[str, bytes | None]:
    """The address and the body of a call.

    Each argument in the address is one piece of its path or query, whatever is in it.

    Raises:
        ValueError: an argument would lead elsewhere, or stands where only text and numbers can.
    """
    inside = {name: _piece(name, arguments[name]) for name in tool.placeholders}
    url = tool.url.format_map(inside)
    rest = {name: value for name, value in arguments.items() if name not in inside}
    if tool.method not in _WITHOUT_BODY:
        return url, dumps_bytes(rest)
    if not rest:
        return url, None
    query = urlencode({name: _plain(name, value) for name, value in rest.items()})
    return f"{url}{'&' if '?' in url else '?'}{query}", None


def _piece(name: str, value: Any) -> str:
    text = _plain(name, value)
    # Dots are not escaped, and a path is shortened by them.
    if not text or set(text) == {"."}:
        raise ValueError(f"{name} can't be {text or 'empty'}.")
    return quote(text, safe="")


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{name} must be a text or a number.")


def read_answer(
    tool: HttpTool, status: int, content_type: str, content: bytes, secrets: Collection[str] = ()
) -> Result:
    """What an answer tells the model: the parts the tool names, or why there are none.

    Args:
        secrets: taken out of it, since a service may echo the headers it was asked with.
    """
    if why := _FOR_PEOPLE.get(status):
        return Result(Status.REQUIRES_HUMAN, message=why, http_status=status)
    text = _without(secrets, clean(content.decode(errors="replace")))
    if not 200 <= status < 300:
        kind = Status.NOT_FOUND if status in _GONE else Status.FAILED
        said = excerpt(text, 300)
        return Result(
            kind, message=f"The service says {status}. {said}".strip(), http_status=status
        )
    if not text:
        return Result(Status.OK, http_status=status)
    data: Any = text
    if content_type != "text/plain":
        try:
            # Again when it is read: JSON has other ways to write a letter.
            data = _without(secrets, loads(text))
        except ValueError:
            return Result(Status.FAILED, message="The answer is no JSON.", http_status=status)
    if tool.result:
        data = {name: point(data, pointer) for name, pointer in tool.result.items()}
    return Result(Status.OK, data=data, http_status=status)


def _without(secrets: Collection[str], value: Any) -> Any:
    """A text, or JSON with its names, in which no secret stands."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, _HIDDEN)
            return value
        case dict():
            return {_without(secrets, k): _without(secrets, v) for k, v in value.items()}
        case list():
            return [_without(secrets, item) for item in value]
        case _:
            return value


def point(data: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901); None where nothing does."""
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        if isinstance(data, list) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        elif isinstance(data, dict):
            data = data.get(step)
        else:
            return None
    return data
