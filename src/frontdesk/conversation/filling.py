"""Variables in saved replies: which there are, and texts with them filled in."""

import re
from collections.abc import Mapping

VARIABLES = ("contact_name", "contact_first_name", "my_name", "business_name")
# A field of the tenant's own; whether there is one shows when it is filled in.
_FIELD = re.compile(r"field\.[a-z][a-z0-9_]*")
_VARIABLE = re.compile(r"\{\{\s*(.*?)\s*\}\}")


def must_be_fillable(text: str) -> str:
    """The text; raises `ValueError` when it names a variable that there is not."""
    named = {name for name in _VARIABLE.findall(text) if not _FIELD.fullmatch(name)}
    if strange := sorted(named - set(VARIABLES)):
        raise ValueError(f"no variable: {', '.join(strange)}; there are {', '.join(VARIABLES)}")
    return text


def fill(text: str, values: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """The text with its variables filled in, and the names of those that have no value.

    These stay as they are, so that nobody sends a gap without seeing it.
    """
    unknown = sorted({name for name in _VARIABLE.findall(text) if not values.get(name)})
    return _VARIABLE.sub(lambda found: values.get(found[1]) or found[0], text), unknown
