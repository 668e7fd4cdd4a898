"""Contact details hidden from human agents: what is shown of them, and the one place that hides it.

A tenant may say that human agents see of a contact's phone number, user id, user name and e-mail
only an end. Routes know nothing of that: identity says of whom it is so, and what is answered to
them passes here on its way out, so that no answer, present or to come, forgets it.
"""

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontdesk.core.json import dumps_bytes, loads

# In a request's scope: whether its caller is to see contact details masked.
MASKED = "frontdesk.masked"
_HIDDEN = "•••"
# Values that are nothing but a contact detail, by the name they go under.
_DETAILS = frozenset({"wa_id", "bsuid", "parent_bsuid", "username", "phone", "phone_number"})
# What these answer with is the tenant's own: its people, its number, what its agent says and knows.
_NOT_OF_CONTACTS = frozenset(
    {"auth", "users", "api keys", "agents", "prompts", "knowledge", "channels"}
)

_EMAIL = re.compile(r"([\w.+-])[\w.+%-]*@[\w-]+(?:\.[\w-]+)+")
# A wamid holds the contact's phone number in base64; a user id begins with a country.
_IDS = re.compile(r"\bwamid\.[\w+/=-]+|\b[A-Z]{2}\.(?:ENT\.)?\d{6,}\b")
# Nine to fifteen digits (E.164) in groups, no part of an id, a time or a fraction.
_NUMBER = re.compile(
    r"(?<![\w.:@-])(?!-?\d+\.\d+(?![\d.]))\+?\(?\d(?:[\s().\-/]{0,2}\d){8,14}(?![\w-]|[.:]\d)"
)
# With groups between, only what begins like a phone number is one: dates and prices have groups too.
_GROUPED = re.compile(r"[\s().\-/]")
_DIALLED = re.compile(r"\+|\(?0|\(?\d{3}\)?[\s.-]?\d{3}[\s.-]\d{4}$")


def mask_contacts(value: Any, name: str = "") -> Any:
    """A JSON value in which contact details, wherever they stand, are shown by an end at most.

    Args:
        name: the member of an object that the value is.
    """
    if isinstance(value, str):
        return _masked_detail(value) if name in _DETAILS and value else mask_text(value)
    if isinstance(value, dict):
        return {key: mask_contacts(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_contacts(item, name) for item in value]
    return value


def mask_text(text: str) -> str:
    """Text with e-mail addresses, user ids and what looks like a phone number masked.

    Ten digits in a row may be an order's number as well; of them, too, the last four stay.
    """
    if "@" in text:
        text = _EMAIL.sub(lambda found: f"{found[1]}{_HIDDEN}@{_HIDDEN}", text)
    text = _IDS.sub(lambda found: _masked_detail(found[0]), text)
    return _NUMBER.sub(_masked_number, text)


def mask_json(body: bytes) -> bytes:
    """The same of a JSON text; one in which there is nothing to hide comes back as it is."""
    plain = loads(body)
    masked = mask_contacts(plain)
    return body if masked == plain else dumps_bytes(masked)


def _masked_number(found: re.Match[str]) -> str:
    number = found[0]
    if _GROUPED.search(number) and not _DIALLED.match(number):
        return number
    return _masked_detail(number)


def _masked_detail(value: str) -> str:
    if value.startswith("wamid."):
        return f"wamid.{_HIDDEN}"
    shown = 4 if len(value) > 8 else 2
    return _HIDDEN + value[-shown:] if len(value) > shown else _HIDDEN


class Masking:
    """Masks the JSON answers to those who may not see contact details, as plain ASGI middleware.

    Streams pass: the feed masks its events itself, once for all who watch.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; its route has said by then who asks."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def answer(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_masked(scope, message):
                start = message
            elif start is None:
                await send(message)
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_masked(start, b"".join(parts), send)

        await self._app(scope, receive, answer)


def _is_masked(scope: MutableMapping[str, Any], start: Message) -> bool:
    if not scope.get(MASKED):
        return False
    kind = dict(start.get("headers", ())).get(b"content-type", b"").partition(b";")[0]
    if not kind.endswith(b"json"):
        return False
    return _NOT_OF_CONTACTS.isdisjoint(getattr(scope.get("route"), "tags", ()))


async def _send_masked(start: Message, body: bytes, send: Send) -> None:
    masked = mask_json(body) if body else body
    headers = [header for header in start["headers"] if header[0] != b"content-length"]
    headers.append((b"content-length", str(len(masked)).encode()))
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": masked})
