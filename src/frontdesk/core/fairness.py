"""Whose row is next when many tenants want the same room: everybody's first before anyone's second."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

# So many rows in hand are no crowd.
FEW = 5
# For how long a tenant is thought to be there after a row of its was begun.
THERE_SECONDS = 60
# A process that wakes late from a short sleep has more to do than it can: where tenants share it, the
# next of a crowd then waits for so many times as long, but no longer than that.
PATIENCE, MOST_PATIENCE_SECONDS = 50, 0.5


def take_turns(
    rows: Iterable[T],
    tenant_of: Callable[[T], UUID],
    in_hand: Mapping[UUID, int] | None = None,
) -> list[T]:
    """The rows in the order in which they are to be served; a tenant's own keep their order.

    What a tenant has in hand already counts as served. Otherwise the one whose oldest row is the
    oldest of all would get each place that becomes free, one at a time, and nobody else any.
    """
    places = Counter(in_hand or {})
    numbered = []
    for row in rows:
        tenant_id = tenant_of(row)
        numbered.append((places[tenant_id], row))
        places[tenant_id] += 1
    return [row for _, row in sorted(numbered, key=lambda pair: pair[0])]


def patience_seconds(late_seconds: float) -> float:
    """How long the next of a crowd waits in a process that woke so many seconds late."""
    return min(PATIENCE * max(late_seconds, 0), MOST_PATIENCE_SECONDS)


class Room:
    """The room for rows of one kind in this process, and the rows that wait for it.

    A tenant may fill `tenant_at_once` of `at_once` places, so that one whose rows take long never
    keeps everybody else out. Rows of a crowd begin one after the other, or they would
    all want the processor before anybody else's next step. What waits here is only a reminder:
    Postgres has the row.
    """

    def __init__(self, at_once: int, tenant_at_once: int) -> None:
        self._at_once = at_once
        self._tenant_at_once = tenant_at_once
        self._in_hand: Counter[UUID] = Counter()
        # When a row of each tenant was begun last, the longest ago first.
        self._there: dict[UUID, float] = {}
        # By tenant, the one served longest ago first; rows in the order in which they came.
        self._waiting: dict[UUID, dict[UUID, None]] = {}

    @property
    def is_full(self) -> bool:
        """Whether there is no place for anybody."""
        return self._in_hand.total() >= self._at_once

    @property
    def somebody_waits(self) -> bool:
        """Whether any row waits here."""
        return bool(self._waiting)

    def is_shared(self, now: float) -> bool:
        """Whether more than one tenant had rows begun here of late; `now` is in seconds."""
        gone = now - THERE_SECONDS
        while self._there and next(iter(self._there.values())) < gone:
            del self._there[next(iter(self._there))]
        return len(self._there) > 1

    def has_place_for(self, tenant_id: UUID) -> bool:
        """Whether a row of this tenant may be begun."""
        return not self.is_full and self._in_hand[tenant_id] < self._tenant_at_once

    def is_crowd(self, tenant_id: UUID) -> bool:
        """Whether this tenant has more than a few rows in hand, and more than all others together."""
        mine = self._in_hand[tenant_id]
        return mine >= FEW and 2 * mine > self._in_hand.total()

    def enter(self, tenant_id: UUID, now: float) -> None:
        """A row of this tenant is in hand since `now`."""
        self._in_hand[tenant_id] += 1
        self._there.pop(tenant_id, None)
        self._there[tenant_id] = now

    def leave(self, tenant_id: UUID) -> None:
        """A row of this tenant no longer is."""
        self._in_hand[tenant_id] -= 1
        if not self._in_hand[tenant_id]:
            del self._in_hand[tenant_id]

    def wait(self, tenant_id: UUID, row_id: UUID) -> None:
        """Remember a row for when there is a place; of one tenant no more than could ever be here."""
        rows = self._waiting.setdefault(tenant_id, {})
        if len(rows) < self._at_once:
            rows[row_id] = None

    def next_waiting(self) -> tuple[UUID, UUID] | None:
        """The row that has waited for its turn, of the tenant with the fewest in hand, if any."""
        having = [tenant_id for tenant_id in self._waiting if self.has_place_for(tenant_id)]
        if not having:
            return None
        tenant_id = min(having, key=self._in_hand.__getitem__)
        rows = self._waiting.pop(tenant_id)
        row_id = next(iter(rows))
        del rows[row_id]
        if rows:
            self._waiting[tenant_id] = rows
        return tenant_id, row_id

    def in_turn(self, rows: Iterable[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
        """(tenant, row) pairs in the order in which they are to be begun."""
        return take_turns(rows, lambda row: row[0], self._in_hand)
