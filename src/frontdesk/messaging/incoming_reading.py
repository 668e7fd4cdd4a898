"""Reading of JSON that others wrote: every function takes anything and raises nothing."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from frontdesk.core.text import clean
from frontdesk.messaging.incoming_items import ContactKey, ErrorDetail

# Real bodies nest about a dozen deep. What lies deeper is cut, because whoever walks the stored
# value later (Postgres, a JSON encoder) recurses too.
MAX_DEPTH = 64
# Ids of WhatsApp are opaque and about a hundred characters long. Postgres can't index a value of
# several thousand bytes, so an absurd one is no id.
MAX_ID_CHARACTERS = 512
# The longest text a person can send is 65,536 characters; more can't be searched or prompted with.
MAX_TEXT_CHARACTERS = 65_536

# WhatsApp Cloud API: business-scoped user ids. `ENT.` marks the parent form.
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE = re.compile(r"[0-9]{5,20}")
_PHONE_DECORATION = re.compile(r"[\s+().-]")
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def storable(value: Any, depth: int = 0) -> Any:
    """The value as Postgres can keep it in jsonb.

    Texts are cleaned, also in keys; infinite numbers become text; what is nested deeper than
    `MAX_DEPTH` becomes None.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [storable(part, depth + 1) for part in value]
    return {clean(key): storable(part, depth + 1) for key, part in value.items()}


def mapping(value: object) -> dict[str, Any]:
    """The object itself, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """The list itself, none for a missing value, and a list of one for anything else."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(value: object) -> str:
    """The text without surrounding space; numbers as digits; '' for anything else."""
    if isinstance(value, str):
        return value.strip()[:MAX_TEXT_CHARACTERS]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def identifier(value: object) -> str | None:
    """An id as text, since numbers beyond 2^53 do not survive elsewhere; None if there is none."""
    found = text(value)
    return found if 0 < len(found) <= MAX_ID_CHARACTERS else None


def phone(value: object) -> str | None:
    """The digits of a phone number, however it is formatted; None for anything else."""
    bare = _PHONE_DECORATION.sub("", text(value))
    return bare if _PHONE.fullmatch(bare) else None


def integer(value: object) -> int | None:
    """A whole number, also when it came as text; None for anything else."""
    found = text(value)
    return int(found) if _INTEGER.fullmatch(found) else None


def moment(value: object) -> datetime | None:
    """A time given as Unix seconds, as text or number; None when it can't be read."""
    seconds = integer(value)
    if seconds is None or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # Beyond the year 9999.
        return None


def is_bsuid(value: str) -> bool:
    """Whether the text has the form of a business-scoped user id."""
    return _BSUID.fullmatch(value) is not None


def contact_key(number: object, user_id: object, parent_user_id: object = None) -> ContactKey:
    """The key of a person from the two fields that may name one.

    A user id in the field of the phone number is taken for what it is: senders have been seen
    there.
    """
    named = text(number)
    bsuid = identifier(user_id)
    if bsuid is None and is_bsuid(named):
        bsuid = named
    return ContactKey(wa_id=phone(number), bsuid=bsuid, parent_bsuid=identifier(parent_user_id))


def errors(value: object) -> tuple[ErrorDetail, ...]:
    """The entries of an `errors` list."""
    return tuple(
        ErrorDetail(
            code=integer(error.get("code")),
            title=text(error.get("title")) or text(error.get("message")),
            details=text(mapping(error.get("error_data")).get("details")),
        )
        for error in map(mapping, listed(value))
        if error
    )


def spoken(word: object) -> str:
    """One of the API's upper-case words as people write it: `LOW_QUALITY` gives `low quality`."""
    return text(word).strip("[]").replace("|", " or ").replace("_", " ").lower()[:200]
