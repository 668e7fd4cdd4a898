"""The content of one message, whatever its type: words to read, a file, a tapped button."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from frontdesk.messaging.incoming_items import MediaRef
from frontdesk.messaging.incoming_reading import (
    identifier,
    is_bsuid,
    listed,
    mapping,
    phone,
    storable,
    text,
)

MEDIA_TYPES = frozenset({"image", "video", "audio", "document", "sticker"})

# Cards, order lines and flow fields beyond this many say nothing more to a reader or a model.
_MAX_LINES = 100
_NOT_IN_A_FILE_NAME = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in a message. `is_known` is False for a type, or subtype, new to us."""

    type: str
    subtype: str | None = None
    text: str = ""
    media: MediaRef | None = None
    button_id: str | None = None
    shared_wa_id: str | None = None
    is_known: bool = True


def content_of(message: dict[str, Any]) -> Content:
    """The content of a message, an echo, a history message or the new form of an edited one."""
    kind = text(message.get("type")).lower()[:50]
    body = message.get(kind)
    if kind in MEDIA_TYPES:
        part = mapping(body)
        return Content(kind, text=text(part.get("caption")), media=media_ref(part))
    read = _READERS.get(kind)
    if read is not None:
        return read(body)
    return Content(kind or "unknown", text=_any_words(mapping(body)), is_known=False)


def media_ref(part: dict[str, Any]) -> MediaRef | None:
    """The file of a media message, or None when it has no id to fetch it by."""
    media_id = identifier(part.get("id"))
    if media_id is None:
        return None
    url = text(part.get("url"))
    return MediaRef(
        id=media_id,
        mime_type=text(part.get("mime_type")).lower()[:200] or None,
        sha256=text(part.get("sha256"))[:200] or None,
        filename=file_name(part.get("filename")),
        voice=part.get("voice") is True,
        url=url if url.startswith("https://") else None,
    )


def file_name(value: object) -> str | None:
    """The name its sender gave a file, without folders and without what is invisible and makes `exe`
    look like `pdf`; None when nothing is left."""
    bare = _NOT_IN_A_FILE_NAME.sub("", text(value))
    return re.split(r"[/\\]", bare)[-1].strip()[:200] or None


def _text(body: object) -> Content:
    return Content("text", text=text(mapping(body).get("body")))


def _location(body: object) -> Content:
    part = mapping(body)
    point = ", ".join(filter(None, (text(part.get("latitude")), text(part.get("longitude")))))
    place = [text(part.get("name")), text(part.get("address")), f"({point})" if point else ""]
    # A place without a name is where the person stands right now.
    words = "Location: " + " – ".join(filter(None, place)) if any(place) else ""
    return Content("location", text=words)


def _contacts(body: object) -> Content:
    cards = [mapping(card) for card in listed(body)[:_MAX_LINES]]
    shared = None
    lines = []
    for card in cards:
        phones = [mapping(entry) for entry in listed(card.get("phones"))[:_MAX_LINES]]
        own = text(card.get("origin")) == "contact_request"
        if own:
            # Only a card that answers our request proves the number; others are forwarded.
            numbers = (phone(entry.get("wa_id")) or phone(entry.get("phone")) for entry in phones)
            shared = shared or next(filter(None, numbers), None)
        name = mapping(card.get("name"))
        words = [
            text(name.get("formatted_name")) or text(name.get("first_name")),
            text(mapping(card.get("org")).get("company")),
            *(text(entry.get("phone")) or text(entry.get("wa_id")) for entry in phones),
            *(
                text(mapping(entry).get("email"))
                for entry in listed(card.get("emails"))[:_MAX_LINES]
            ),
        ]
        if any(words):
            lines.append(("Own number: " if own else "Contact: ") + ", ".join(filter(None, words)))
    subtype = "contact_request" if shared else None
    return Content("contacts", subtype, text="\n".join(lines), shared_wa_id=shared)


def _button(body: object) -> Content:
    part = mapping(body)
    payload = text(part.get("payload"))
    return Content("button", text=text(part.get("text")) or payload, button_id=payload or None)


def _interactive(body: object) -> Content:
    part = mapping(body)
    subtype = text(part.get("type"))[:50]
    reply = mapping(part.get(subtype))
    words = ""
    is_known = True
    if subtype in {"button_reply", "list_reply"}:
        parts = (text(reply.get("title")), text(reply.get("description")))
        words = " – ".join(filter(None, parts))
    elif subtype == "nfm_reply":
        words = _flow_words(reply)
    elif subtype == "call_permission_reply":
        words = f"Call permission: {text(reply.get('response')) or 'not said'}"
    else:
        is_known = False
        words = _any_words(reply)
    return Content(
        "interactive",
        subtype or None,
        text=words,
        button_id=text(reply.get("id")) or None,
        is_known=is_known,
    )


def _flow_words(reply: dict[str, Any]) -> str:
    """A submitted form as lines of `field: value`; its JSON is made by others and may be broken."""
    try:
        answer = storable(json.loads(text(reply.get("response_json"))))
    except (ValueError, RecursionError):
        answer = None
    lines = [text(reply.get("body"))]
    for field, value in list(mapping(answer).items())[:_MAX_LINES]:
        if field == "flow_token":  # It ties the answer to our form and says nothing to a reader.
            continue
        words = text(value) if isinstance(value, str | int | float) else json.dumps(value)
        if isinstance(value, bool):
            words = "yes" if value else "no"
        lines.append(f"{field}: {words}")
    return "\n".join(filter(None, lines))


def _order(body: object) -> Content:
    part = mapping(body)
    lines = [text(part.get("text"))]
    for item in map(mapping, listed(part.get("product_items"))[:_MAX_LINES]):
        quantity = text(item.get("quantity")) or "1"
        price = f"{text(item.get('item_price'))} {text(item.get('currency'))}".strip()
        product = text(item.get("product_retailer_id")) or "a product"
        lines.append(f"{quantity} × {product}" + (f" at {price}" if price else ""))
    return Content("order", text="\n".join(filter(None, lines)))


def _reaction(body: object) -> Content:
    # No emoji, or an empty one: the reaction was taken away.
    return Content("reaction", text=text(mapping(body).get("emoji")))


def _system(body: object) -> Content:
    part = mapping(body)
    return Content("system", text(part.get("type"))[:50] or None, text=text(part.get("body")))


def _unsupported(body: object) -> Content:
    return Content("unsupported", text(mapping(body).get("type"))[:50] or None)


def _request_welcome(_: object) -> Content:
    return Content("request_welcome")


def _media_placeholder(_: object) -> Content:
    # History tells of a file before it sends it.
    return Content("media_placeholder")


def _any_words(part: dict[str, Any]) -> str:
    """The words of a type we do not know, so that at least a person can read them."""
    keys = ("body", "text", "caption", "title", "name")
    found = (text(part.get(key)) for key in keys)
    return next((words for words in found if words and not is_bsuid(words)), "")


_READERS: dict[str, Callable[[object], Content]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
    "reaction": _reaction,
    "system": _system,
    "unsupported": _unsupported,
    "request_welcome": _request_welcome,
    "media_placeholder": _media_placeholder,
}
