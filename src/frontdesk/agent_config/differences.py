"""What differs between two configurations, field by field and in words: pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontdesk.core.json import dumps
from frontdesk.core.text import excerpt
from frontdesk.observability import whole_changes

LONGEST_QUOTE = 60


@dataclass(frozen=True)
class FieldChange:
    """A field that is not what it was; one inside another is named as `tools.max_steps`."""

    field: str
    before: Any
    after: Any
    message: str


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """What differs between two configurations as JSON, by the fields' names."""
    return [
        FieldChange(field, old, new, in_words(field, old, new))
        for field, (old, new) in whole_changes(before, after).items()
    ]


def in_words(field: str, before: Any, after: Any) -> str:
    """One change as a sentence."""
    name = field.replace(".", ", ").replace("_", " ").capitalize()
    match before, after:
        case True, False:
            return f"{name}: switched off."
        case False, True:
            return f"{name}: switched on."
        case list(), list():
            return f"{name}: {_of_lists(before, after)}."
        case (None, _) if after is not None:
            return f"{name}: set to {_quoted(after)}."
        case _, None:
            return f"{name}: no longer set; it was {_quoted(before)}."
        case _:
            return f"{name}: from {_quoted(before)} to {_quoted(after)}."


def _of_lists(before: list[Any], after: list[Any]) -> str:
    parts = []
    if came := [_quoted(item) for item in after if item not in before]:
        parts.append(f"{', '.join(came)} came")
    if went := [_quoted(item) for item in before if item not in after]:
        parts.append(f"{', '.join(went)} went")
    return "; ".join(parts) or "in another order"


def _quoted(value: Any) -> str:
    """A value as it stands in a sentence; what is long is told by its beginning."""
    if isinstance(value, str):
        return f"“{excerpt(value, LONGEST_QUOTE)}”"
    return excerpt(dumps(value), LONGEST_QUOTE)
