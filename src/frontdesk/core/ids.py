"""Identifiers: UUIDv7, so that rows of one moment lie together, and random enough to be public."""

from uuid import UUID

from uuid_utils.compat import uuid7

NIL = UUID(int=0)


def later(than: UUID, seconds: int) -> UUID:
    """The id that one made so many seconds later comes before: ids of a time are a range of them."""
    return UUID(int=min(than.int + (seconds * 1000 << 80), (1 << 128) - 1))


def new() -> UUID:
    """A new UUIDv7: ordered by time to the millisecond, unguessable beyond it."""
    return uuid7()
