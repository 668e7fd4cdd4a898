"""Identifiers: UUIDv7, so that rows of one moment lie together, and random enough to be public."""

from uuid import UUID

from uuid_utils.compat import uuid7

NIL = UUID(int=0)


def new() -> UUID:
    """A new UUIDv7: ordered by time to the millisecond, unguessable beyond it."""
    return uuid7()
