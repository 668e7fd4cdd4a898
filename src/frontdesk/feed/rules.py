"""Where a reader of the feed goes on: a pure decision over its cursor and what there is."""

import re
from dataclasses import dataclass

from frontdesk.feed.schemas import ResetReason

# Eighteen digits fit a bigint; more is not a number of ours.
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True)
class Extent:
    """Which events of a tenant there are: those after `floor`, up to `last`."""

    floor: int
    last: int


@dataclass(frozen=True)
class Start:
    """Events after `cursor` come next; with a `reset`, the reader has to load all else anew."""

    cursor: int
    reset: ResetReason | None = None


def start_at(cursor: str | None, extent: Extent) -> Start:
    """Where to go on after `cursor`, the number of the last event a reader has seen.

    Without one the reader is new and begins with what happens from now on. A number older than
    what is kept, from the future (another database was restored) or no number at all can't be
    honoured, and a gap must not pass in silence.
    """
    if cursor is None:
        return Start(extent.last)
    if not _NUMBER.fullmatch(cursor):
        return Start(extent.last, "malformed")
    seen = int(cursor)
    if seen > extent.last:
        return Start(extent.last, "future")
    if seen < extent.floor:
        return Start(extent.last, "expired")
    return Start(seen)
