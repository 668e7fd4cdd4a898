"""What Meta accepts as a message: the limits of the Cloud API, each with its error code."""

import re
from typing import Any

from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.threads import Channel
from frontdesk.simulator.world import Json

BSUID = re.compile(r"^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$")
WINDOW_SECONDS = 24 * 3600  # Cloud API: customer service window.
PAIR_BURST = 45  # Cloud API: messages that may be borrowed from the future…
PAIR_SECONDS = 6.0  # …at one message every six seconds to the same user.

_TYPES = (
    "text", "template", "interactive", "image", "audio", "video", "document", "sticker",
    "location", "contacts", "reaction",
)  # fmt: skip
MEDIA_TYPES = ("image", "audio", "video", "document", "sticker")
_CAPTIONED = ("image", "video", "document")


def problem(body: Any, channel: Channel) -> GraphError | None:
    """Why Meta would refuse this body, or None when it is fit to send.

    Limits: Cloud API, send messages, per type. Characters are counted as code points; how Meta
    counts astral ones is not documented.
    """
    if not isinstance(body, dict):
        return GraphError(100, "The body must be a JSON object.")
    if body.get("messaging_product") != "whatsapp":
        return GraphError(100, "The parameter messaging_product is required.")
    return _addressing(body) or _content(body, channel)


def _addressing(body: Json) -> GraphError | None:
    to, recipient, context = body.get("to"), body.get("recipient"), body.get("context")
    number = isinstance(to, str) and re.fullmatch(r"\+?[\d\s().-]{5,30}", to)
    # A BSUID in `to` passes here and never arrives (Cloud API: business-scoped user ids).
    bsuid = BSUID.match(str(to or recipient))
    checks = (
        (bool(to or recipient), 100, "The parameter to is required."),
        (
            body.get("recipient_type", "individual") == "individual",
            100,
            "Param recipient_type must be one of {individual}.",
        ),
        (bool(number or bsuid), 131009, "This is neither a phone number nor a user id."),
        (
            len(str(body.get("biz_opaque_callback_data", ""))) <= 512,
            100,
            "Param biz_opaque_callback_data must be at most 512 characters.",
        ),
        (
            context is None or bool(_text(context, "message_id")),
            131008,
            "context.message_id is required.",
        ),
    )
    return next((GraphError(code, said) for holds, code, said in checks if not holds), None)


def _content(body: Json, channel: Channel) -> GraphError | None:
    kind = body.get("type", "text")
    if kind not in _TYPES:
        return GraphError(100, f"Param type must be one of {{{', '.join(_TYPES).upper()}}}.")
    part = body.get(kind)
    wanted: type = list if kind == "contacts" else dict
    if not isinstance(part, wanted):
        return GraphError(131008, f"The parameter {kind} is required.")
    if kind == "template":
        return _template(body["template"], channel)
    if kind == "interactive":
        return _interactive(body["interactive"])
    if kind in MEDIA_TYPES:
        return _media(kind, body[kind])
    return _small(kind, part)


def _small(kind: str, part: Any) -> GraphError | None:
    if kind == "text":
        return _sized(part, "body", "text", 4096)
    if kind == "location" and not all(
        isinstance(part.get(name), int | float) for name in ("latitude", "longitude")
    ):
        return GraphError(131008, "location needs latitude and longitude.")
    if kind == "reaction":
        if not _text(part, "message_id"):
            return GraphError(131008, "reaction.message_id is required.")
        if not isinstance(part.get("emoji"), str):
            return GraphError(131008, "reaction.emoji is required; an empty one removes.")
    return None


def _media(kind: str, part: Json) -> GraphError | None:
    if not _text(part, "id") and not _text(part, "link"):
        return GraphError(131008, f"{kind} needs an id or a link.")
    if "caption" in part and kind not in _CAPTIONED:
        return GraphError(100, f"Unexpected key caption on param {kind}.")
    if len(str(part.get("caption", ""))) > 1024:
        return GraphError(131009, "caption must be at most 1024 characters.")
    return None


def _template(part: Json, channel: Channel) -> GraphError | None:
    language = part.get("language")
    if not _text(part, "name") or not isinstance(language, dict) or not _text(language, "code"):
        return GraphError(131008, "template needs a name and a language code.")
    given = [
        parameter
        for component in dicts(part.get("components"))
        if str(component.get("type")).lower() == "body"
        for parameter in dicts(component.get("parameters"))
    ]
    if any(re.search(r"[\n\t]| {5,}", str(item.get("text", ""))) for item in given):
        return GraphError(
            132018, "Parameters must not have new lines, tabs or more than 4 consecutive spaces."
        )
    return _approved(part["name"], language["code"], len(given), channel)


def _approved(name: str, language: str, given: int, channel: Channel) -> GraphError | None:
    """Whether the account has this template and takes so many parameters."""
    if not channel.templates:
        return None
    known = {(template.name, template.language): template for template in channel.templates}
    template = known.get((name, language))
    if template is None or template.status == "REJECTED":
        return GraphError(132001, f"Template {name} does not exist in {language}.")
    if template.status in ("PAUSED", "DISABLED"):
        return GraphError(132015 if template.status == "PAUSED" else 132016)
    if given != template.parameters:
        return GraphError(
            132000,
            f"body: number of parameters ({given}) does not match the expected number "
            f"of params ({template.parameters}).",
        )
    return None


def _interactive(part: Json) -> GraphError | None:
    kind = part.get("type")
    limit = 4096 if kind == "list" else 1024
    text, action = part.get("body"), part.get("action")
    if not isinstance(text, dict) or not isinstance(action, dict):
        return GraphError(131008, "interactive.body and interactive.action are required.")
    if error := _sized(text, "text", "interactive.body", limit):
        return error
    for name in ("header", "footer"):
        edge = part.get(name)
        if isinstance(edge, dict) and len(str(edge.get("text", ""))) > 60:
            return GraphError(131009, f"{name} text is longer than 60 characters.")
    return _action(str(kind), action)


def _action(kind: str, action: Json) -> GraphError | None:
    if kind == "button":
        return _buttons(action.get("buttons"))
    if kind == "list":
        return _list(action)
    if kind == "cta_url":
        shown = (action.get("parameters") or {}).get("display_text", "")
        fits = 1 <= len(str(shown)) <= 20
        return None if fits else GraphError(131009, "display_text: 1 to 20 characters.")
    known = kind in ("location_request_message", "request_contact_info")
    return None if known else GraphError(131009, f"Unknown interactive type {kind}.")


def _buttons(buttons: Any) -> GraphError | None:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        return GraphError(131009, "There must be 1 to 3 buttons.")
    replies = [button.get("reply") or {} for button in dicts(buttons)]
    titles = [str(reply.get("title", "")) for reply in replies]
    ids = [str(reply.get("id", "")) for reply in replies]
    if any(not 1 <= len(title) <= 20 for title in titles):
        return GraphError(131009, "Button title length invalid. Min length: 1, Max length: 20.")
    if any(not 1 <= len(each) <= 256 for each in ids):
        return GraphError(131009, "Button id length invalid. Min length: 1, Max length: 256.")
    if len(set(titles)) < len(titles) or len(set(ids)) < len(ids):
        return GraphError(131009, "Duplicate button titles or ids.")
    return None


def _list(action: Json) -> GraphError | None:
    if not 1 <= len(str(action.get("button", ""))) <= 20:
        return GraphError(131009, "action.button must have 1 to 20 characters.")
    sections = dicts(action.get("sections"))
    if not 1 <= len(sections) <= 10:
        return GraphError(131009, "There must be 1 to 10 sections.")
    for section in sections:
        title = str(section.get("title", ""))
        if len(title) > 24 or (len(sections) > 1 and not title):
            return GraphError(131009, "Section titles must have 1 to 24 characters.")
    rows = [row for section in sections for row in dicts(section.get("rows"))]
    if not 1 <= len(rows) <= 10:
        return GraphError(131009, "There must be 1 to 10 rows in total.")
    for row in rows:
        fits = (
            1 <= len(str(row.get("id", ""))) <= 200
            and 1 <= len(str(row.get("title", ""))) <= 24
            and len(str(row.get("description", ""))) <= 72
        )
        if not fits:
            return GraphError(131009, "Row limits: id 1 to 200, title 1 to 24, description 72.")
    return None


def _quick_replies(part: Json, channel: Channel) -> list[tuple[str, str]]:
    """What each sends back, which is its own text unless the send says otherwise, and its text."""
    language = part["language"]["code"]
    texts = next(
        (
            t.quick_replies
            for t in channel.templates
            if (t.name, t.language) == (part["name"], language)
        ),
        (),
    )
    payloads = {
        str(component.get("index")): str(parameter.get("payload"))
        for component in dicts(part.get("components"))
        if component.get("sub_type") == "quick_reply"
        for parameter in dicts(component.get("parameters"))
    }
    return [(payloads.get(str(index), text), text) for index, text in enumerate(texts)]


def dicts(value: Any) -> list[Json]:
    """The objects of a list; nothing of anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(part: Any, name: str) -> str:
    value = part.get(name) if isinstance(part, dict) else None
    return value if isinstance(value, str) else ""


def _sized(part: Json, name: str, label: str, limit: int) -> GraphError | None:
    value = part.get(name)
    if value is None or value == "":
        return GraphError(100, f"The parameter {label}['{name}'] is required.")
    if not isinstance(value, str):
        return GraphError(100, f"Param {label}['{name}'] must be a string.")
    if len(value) > limit:
        return GraphError(100, f"Param {label}['{name}'] must be at most {limit} characters long.")
    return None


def shown_text(body: Json) -> str:
    """What a person would read of a message, inbound or outbound."""
    kind = str(body.get("type", "text"))
    part = body.get(kind)
    if kind == "text":
        return _text(part, "body")
    if kind == "interactive" and isinstance(part, dict):
        reply = part.get("button_reply") or part.get("list_reply") or {}
        return _text(reply, "title") or _text(part.get("body"), "text")
    if kind == "template":
        return f"[template {_text(part, 'name')}]"
    if kind == "button":
        return _text(part, "text")
    if kind == "location" and isinstance(part, dict):
        place = part.get("name") or f"{part.get('latitude')}, {part.get('longitude')}"
        return f"[location {place}]"
    name, caption = _text(part, "filename"), _text(part, "caption")
    return f"[{kind} {name}] {caption}".rstrip() if name else f"[{kind}] {caption}".rstrip()


def shown_buttons(body: Json, channel: Channel) -> list[tuple[str, str]]:
    """Id and title of everything a person can tap in a message."""
    if body.get("type") == "template":
        return _quick_replies(body["template"], channel)
    part = body.get("interactive")
    if not isinstance(part, dict):
        return []
    action = part.get("action") or {}
    taps = [button.get("reply") or {} for button in dicts(action.get("buttons"))]
    for section in dicts(action.get("sections")):
        taps += dicts(section.get("rows"))
    return [(str(tap.get("id")), str(tap.get("title"))) for tap in taps]
