"""What happened to message templates."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from frontdesk.messaging.incoming_items import Item, Origin, Severity, TemplateEvent
from frontdesk.messaging.incoming_reading import identifier, mapping, moment, spoken, text

_FIELDS = frozenset(
    {
        "message_template_status_update",
        "message_template_quality_update",
        "message_template_components_update",
        "template_category_update",
    }
)
# The template can't be sent, or soon can't be.
_WORRYING = frozenset({"REJECTED", "PAUSED", "DISABLED", "FLAGGED", "LOCKED", "LIMIT_EXCEEDED"})
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2,4}))?")


def is_template_event(field: str, value: dict[str, Any]) -> bool:
    """Whether a change is about a template."""
    return field in _FIELDS or "new_quality_score" in value


def normal_language(value: object) -> str:
    """A template language as the send call wants it: `en-us` and `en_US` both give `en_US`."""
    written = text(value)[:50]
    found = _LANGUAGE.fullmatch(written)
    if found is None:
        return written
    region = found[2]
    return found[1].lower() + (
        f"_{region.upper() if len(region) < 3 else region}" if region else ""
    )


def read_template_event(
    origin: Origin, value: dict[str, Any], at: datetime | None
) -> Iterator[Item]:
    """The one event of a template field."""
    kind, event = _kind(origin.field, value)
    name = text(value.get("message_template_name"))[:512]
    reason = _reason(value)
    quality = text(value.get("new_quality_score"))[:50] or None
    category = value.get("new_category") or value.get("message_template_category")
    correct = text(value.get("correct_category"))[:50] or None
    changes_at = moment(value.get("category_update_timestamp"))
    severity: Severity = "info"
    if kind == "status":
        words = f"was reported as {spoken(event)}" + (f": {reason.rstrip('.')}" if reason else "")
        severity = "warning" if event in _WORRYING else "info"
    elif kind == "quality":
        words = f"now has the quality {spoken(quality)}"
        severity = "info" if quality == "GREEN" else "warning"
    elif kind == "category":
        severity = "warning"  # The price changes with the category.
        if correct:
            on = f" on {changes_at:%Y-%m-%d %H:%M} UTC" if changes_at else ""
            words = f"will move to the category {spoken(correct)}{on}"
        else:
            words = f"moved to the category {spoken(category)}"
    else:
        words = "was edited"
    language = normal_language(value.get("message_template_language"))
    yield TemplateEvent(
        origin=origin,
        kind=kind,
        template_id=identifier(value.get("message_template_id")),
        name=name,
        language=language,
        event=event,
        reason=reason,
        quality=quality,
        previous_quality=text(value.get("previous_quality_score"))[:50] or None,
        category=text(category)[:50] or None,
        previous_category=text(value.get("previous_category"))[:50] or None,
        correct_category=correct,
        category_changes_at=changes_at,
        words=f"The template {name or 'without a name'} ({language or 'no language'}) {words}.",
        severity=severity,
        provider_at=at,
    )


Kind = Literal["status", "quality", "category", "components"]


def _kind(field: str, value: dict[str, Any]) -> tuple[Kind, str]:
    # Quality is known by its score: Meta's own example of it carries the field of the status.
    if "new_quality_score" in value:
        return "quality", "QUALITY"
    if field == "template_category_update":
        return "category", "CATEGORY"
    if field == "message_template_components_update":
        return "components", "COMPONENTS"
    return "status", text(value.get("event")).upper()[:50]


def _reason(value: dict[str, Any]) -> str | None:
    rejection = mapping(value.get("rejection_info"))
    explained = " ".join(
        filter(None, (text(rejection.get("reason")), text(rejection.get("recommendation"))))
    )
    code = text(value.get("reason"))
    return (explained or (spoken(code) if code not in {"", "NONE"} else ""))[:1000] or None
