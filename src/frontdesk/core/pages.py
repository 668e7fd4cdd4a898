"""What is asked and answered over HTTP: bodies, pages of lists with their cursors, versions."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer

from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid, PreconditionFailed, PreconditionRequired
from frontdesk.core.json import dumps_bytes, loads

# A sum as JSON text, never with an exponent: Postgres' zero would be told as `0E-9`.
Exact = Annotated[Decimal, PlainSerializer("{:f}".format, return_type=str, when_used="json")]


class Schema(BaseModel):
    """A body that clients send: what it does not declare is refused."""

    model_config = ConfigDict(extra="forbid")


class PublicSchema(BaseModel):
    """A body that we answer with: built from a table row, holding only what it declares."""

    # Built at first use: a worker reads hardly any of them.
    model_config = ConfigDict(from_attributes=True, defer_build=True)


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*values: Any) -> str:
    """An opaque cursor that holds these values."""
    return base64.urlsafe_b64encode(dumps_bytes(values)).decode().rstrip("=")


async def newest_page(
    session: Session,
    query: Any,
    row_id: Any,
    public: Callable[[Any], T],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """A page of what a query finds, newest first: our ids rise with time.

    Args:
        query: an ORM select without an order.
        row_id: the column `id` of what it lists.
        public: makes of a row what is shown.

    Raises:
        Invalid: the cursor is none of ours.
    """
    query = query.order_by(row_id.desc()).limit(limit + 1)
    if values := decode_cursor(cursor, 1):
        query = query.where(row_id < cursor_uuid(values[0]))
    return page_of((await session.exec(query)).all(), public, limit=limit)


def page_of(rows: Sequence[Any], public: Callable[[Any], T], *, limit: int) -> Page[T]:
    """The page that begins a list of rows, one more than `limit` of which were read if there are."""
    return Page(
        items=[public(row) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1].id) if len(rows) > limit else None,
    )


def decode_cursor(cursor: str | None, length: int) -> list[Any] | None:
    """The values of a cursor of ours; None without one.

    Raises:
        Invalid: it is not a cursor that we gave out for this list.
    """
    if cursor is None:
        return None
    try:
        values = loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise Invalid("The cursor is not one of ours.") from None
    if not isinstance(values, list) or len(values) != length:
        raise Invalid("The cursor belongs to another list.")
    return values


def cursor_time(value: Any) -> datetime:
    """A time out of a cursor; raises `Invalid` when it is none."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise Invalid("The cursor is not one of ours.") from None


def cursor_uuid(value: Any) -> UUID:
    """An id out of a cursor; raises `Invalid` when it is none."""
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        raise Invalid("The cursor is not one of ours.") from None


def check_version(if_match: str | None, version: int) -> None:
    """Compare `If-Match` with the present version.

    Raises:
        PreconditionRequired: the caller did not say which version it changes.
        PreconditionFailed: it has changed since.
    """
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag you read.")
    if if_match.strip().removeprefix("W/").strip('"') not in (str(version), "*"):
        raise PreconditionFailed(f"The present version is {version}.", version=version)
