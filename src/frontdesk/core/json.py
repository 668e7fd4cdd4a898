"""JSON as Frontdesk writes it: orjson, with UUIDs, times and Decimals as text."""

from decimal import Decimal
from typing import Any

import orjson
from pydantic import BaseModel


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps_bytes(value: Any) -> bytes:
    """The value as UTF-8 JSON."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def dumps(value: Any) -> str:
    """The value as JSON text, the form in which statements on `Transaction.sql` take jsonb."""
    return dumps_bytes(value).decode()


def loads(data: bytes | str) -> Any:
    """The value of a JSON text; raises `ValueError` where it is none."""
    return orjson.loads(data)
