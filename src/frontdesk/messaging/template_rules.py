"""What a template needs to be sent, whether it can be, and what the contact will read."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from frontdesk.messaging.outgoing import Template, TemplateButton, flat

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,60})\s*\}\}")
_MAX_VALUE_CHARACTERS = 1024
# WhatsApp Cloud API: a button that copies a code of an offer.
_COPY_CODE, _MAX_CODE_CHARACTERS = "COPY_CODE", 15


@dataclass(frozen=True)
class Placeholder:
    """A place in a template that needs a value.

    Attributes:
        key: its part and name, as in `body.1`, `body.customer`, `header.1`, `button.0`.
        example: what the template's author gave as one.
    """

    key: str
    example: str | None = None


class Unfit(ValueError):
    """The values are not the template's: some are missing, unknown or empty."""


@dataclass(frozen=True)
class Filled:
    """A template with its values."""

    content: Template
    text: str


def placeholders(components: Sequence[Mapping[str, Any]]) -> list[Placeholder]:
    """What a template needs, in the order in which it is read."""
    found: list[Placeholder] = []
    for part, text, examples in _texts(components):
        for place, name in enumerate(dict.fromkeys(_PLACEHOLDER.findall(text))):
            example = examples.get(name) or examples.get(str(place + 1))
            found.append(Placeholder(f"{part}.{name}", example))
    for index, button in enumerate(_buttons(components)):
        if _PLACEHOLDER.search(str(button.get("url") or "")) or _is_code(button):
            given = button.get("example")
            first = given[0] if isinstance(given, list) and given else given or None
            found.append(Placeholder(f"button.{index}", _short(first)))
    return found


class Unsendable(StrEnum):
    """What keeps a template from being sent from here."""

    STATUS = "status"  # Meta has not approved it, or no longer.
    SIGN_IN_CODE = "sign_in_code"
    HEADER_FILE = "header_file"
    HEADER_PLACE = "header_place"
    FLOW_BUTTON = "flow_button"
    BUTTON = "button"
    PART = "part"
    NO_TEXT = "no_text"


@dataclass(frozen=True)
class Problem:
    """Why a template can't be sent from here: which part of it, and in a sentence."""

    part: Unsendable
    words: str


def problem_of(
    status: str, category: str, components: Sequence[Mapping[str, Any]]
) -> Problem | None:
    """Why a template can't be sent from here; None when it can."""
    if status != "APPROVED":
        words = f"WhatsApp has it as {status.lower().replace('_', ' ')}."
        return Problem(Unsendable.STATUS, words)
    if category == "AUTHENTICATION":
        words = "Codes for signing in are not sent from a desk."
        return Problem(Unsendable.SIGN_IN_CODE, words)
    return _problem_of_parts(components)


def _problem_of_parts(components: Sequence[Mapping[str, Any]]) -> Problem | None:
    parts = {str(component.get("type")).upper() for component in components}
    if strange := parts - {"HEADER", "BODY", "FOOTER", "BUTTONS"}:
        words = f"It has a part that can't be filled in here: {_listed(strange)}."
        return Problem(Unsendable.PART, words)
    header = str((_component(components, "HEADER") or {}).get("format") or "TEXT").upper()
    if header != "TEXT":
        words = f"Its header is of a kind that can't be given here: {_listed({header})}."
        is_place = header == "LOCATION"
        return Problem(Unsendable.HEADER_PLACE if is_place else Unsendable.HEADER_FILE, words)
    kinds = {str(button.get("type")).upper() for button in _buttons(components)}
    if strange := kinds - {"QUICK_REPLY", "URL", "PHONE_NUMBER", _COPY_CODE}:
        words = f"It has a button that can't be filled in here: {_listed(strange)}."
        is_flow = strange == {"FLOW"}
        return Problem(Unsendable.FLOW_BUTTON if is_flow else Unsendable.BUTTON, words)
    if _component(components, "BODY") is None:
        return Problem(Unsendable.NO_TEXT, "It has no text.")
    return None


def _listed(kinds: Collection[str]) -> str:
    return ", ".join(sorted(kinds)).lower().replace("_", " ")


def fill(
    name: str,
    language: str,
    components: Sequence[Mapping[str, Any]],
    values: Mapping[str, str],
    taps: Sequence[str] = (),
) -> Filled:
    """The template with these values, by the keys of its placeholders.

    Args:
        taps: what its quick replies send back when they are tapped, in their order; without any they
            send their own text.

    Raises:
        Unfit: a value is missing, unknown, empty or too long, and the message names which; or it has
            another number of quick replies.
    """
    replies = [
        index
        for index, button in enumerate(_buttons(components))
        if str(button.get("type")).upper() == "QUICK_REPLY"
    ]
    if taps and len(taps) != len(replies):
        raise Unfit(f"it has {len(replies)} quick replies, not {len(taps)}")
    wanted = [placeholder.key for placeholder in placeholders(components)]
    given = {key: flat(value) for key, value in values.items()}
    problems = {
        "missing": [key for key in wanted if not given.get(key)],
        "unknown": [key for key in given if key not in wanted],
        "too long": [key for key, value in given.items() if len(value) > _MAX_VALUE_CHARACTERS],
    }
    codes = {f"button.{i}" for i, button in enumerate(_buttons(components)) if _is_code(button)}
    problems["too long"] += [key for key in codes if len(given.get(key, "")) > _MAX_CODE_CHARACTERS]
    told = [f"{what}: {', '.join(keys)}" for what, keys in problems.items() if keys]
    if told:
        raise Unfit("; ".join(told))
    try:
        content = Template(
            name=name,
            language=language,
            header=_ordered("header", wanted, given),
            body=_ordered("body", wanted, given),
            buttons=(
                *(
                    TemplateButton(
                        index=int(key.partition(".")[2]),
                        **{"code" if key in codes else "url_suffix": given[key]},
                    )
                    for key in wanted
                    if key.startswith("button.")
                ),
                *(
                    TemplateButton(index=index, payload=tap)
                    for index, tap in zip(replies, taps, strict=False)
                ),
            ),
        )
    except ValidationError as error:
        raise Unfit(f"not as WhatsApp wants it: {error.errors()[0]['msg']}") from None
    lines = [_filled_in(part, text, given) for part, text, _ in _texts(components)]
    footer = _component(components, "FOOTER")
    if footer is not None:
        lines.append(str(footer.get("text") or ""))
    buttons = [f"[{button.get('text')}]" for button in _buttons(components) if button.get("text")]
    return Filled(content, "\n\n".join(filter(None, [*lines, " ".join(buttons)])))


def _is_code(button: Mapping[str, Any]) -> bool:
    return str(button.get("type")).upper() == _COPY_CODE


def shown_text(components: Sequence[Mapping[str, Any]]) -> str:
    """What is read of a template, its placeholders as they are written."""
    return "\n\n".join(text for _, text, _ in _texts(components) if text)


def _ordered(
    part: str, wanted: Sequence[str], given: Mapping[str, str]
) -> tuple[str, ...] | dict[str, str]:
    """The values of a part: by number, or by name where the placeholders have names."""
    named = {key.partition(".")[2]: given[key] for key in wanted if key.startswith(f"{part}.")}
    if all(name.isdigit() for name in named):
        return tuple(named[name] for name in sorted(named, key=int))
    return named


def _filled_in(part: str, text: str, given: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: given.get(f"{part}.{found[1]}", found[0]), text)


def _texts(
    components: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str, dict[str, str]]]:
    """(part, text, examples by name or number) of header and body."""
    found = []
    for kind in ("HEADER", "BODY"):
        component = _component(components, kind)
        if component is not None and isinstance(component.get("text"), str):
            found.append((kind.lower(), component["text"], _examples(kind.lower(), component)))
    return found


def _examples(part: str, component: Mapping[str, Any]) -> dict[str, str]:
    example = component.get("example")
    if not isinstance(example, dict):
        return {}
    named = example.get(f"{part}_text_named_params")
    if isinstance(named, list):
        return {
            str(item.get("param_name")): str(item.get("example"))[:200]
            for item in named
            if isinstance(item, dict)
        }
    plain = example.get(f"{part}_text")
    if isinstance(plain, list) and plain and isinstance(plain[0], list):
        plain = plain[0]
    listed = plain if isinstance(plain, list) else []
    return {str(place): str(text)[:200] for place, text in enumerate(listed, 1)}


def _component(components: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    return next((c for c in components if str(c.get("type")).upper() == kind), None)


def _buttons(components: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    component = _component(components, "BUTTONS") or {}
    listed = component.get("buttons")
    return [b for b in listed if isinstance(b, dict)] if isinstance(listed, list) else []


def _short(value: object) -> str | None:
    return str(value)[:200] if value is not None else None
