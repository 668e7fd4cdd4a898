"""JSON as Frontdesk writes it: orjson, with UUIDs, times and Decimals as text."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    # asyncpg's UUID is a subclass, which orjson does not take for one.
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"  # Postgres' zero would be `0E-9` else.
    # arq stores the error of a ring that expired unheard.
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps_bytes(value: Any) -> bytes:
    """The value as UTF-8 JSON."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def dumps(value: Any) -> str:
    """The value as JSON text, the form in which statements on `Transaction.sql` take jsonb."""
    return dumps_bytes(value).decode()


def loads(data: bytes | str | list[Any] | dict[str, Any]) -> Any:
    """The value of a JSON text; raises `ValueError` where it is none.

    jsonb comes out as text on a connection of our own, and decoded on the one beneath an ORM
    session, where SQLAlchemy installs a codec. Functions that serve both doors need not care.
    """
    return data if isinstance(data, list | dict) else orjson.loads(data)
