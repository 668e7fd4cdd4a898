"""Reading the feed, each time in a short transaction of its own: a stream lives for hours."""

from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Database, Transaction
from frontdesk.core.json import loads
from frontdesk.feed.models import Audience
from frontdesk.feed.rules import Extent, start_at
from frontdesk.feed.schemas import FeedEventPublic, FeedPage

MOST_ROWS = 500

_EXTENT = """
SELECT coalesce((SELECT n FROM feed_counter), 0) AS last,
    (SELECT min(seq) FROM feed_event) AS first
"""
# The time as JSON writes it, so that a frame is put together without parsing anything.
_AFTER = """
SELECT seq, kind, audience, payload::text AS payload,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
FROM feed_event WHERE seq > $1 ORDER BY seq LIMIT $2
"""
_PAGE = """
SELECT seq, kind, payload::text AS payload, at FROM feed_event
WHERE seq > $1 AND seq <= $2 AND audience = ANY ($3) ORDER BY seq LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Row:
    """An event as stored; `payload` is JSON text, `at` its time in ISO 8601."""

    seq: int
    kind: str
    audience: str
    payload: str
    at: str


def audiences_of(who: Principal) -> frozenset[str]:
    """Whose events somebody may see: everyone's, their own, and as an admin those for admins."""
    audiences = {Audience.EVERYONE.value, str(who.user_id)}
    return frozenset(audiences | {Audience.ADMINS.value} if who.role is Role.ADMIN else audiences)


async def read_extent(tx: Transaction) -> Extent:
    """Which events of the tenant are still there."""
    row = await tx.sql.fetchrow(_EXTENT)
    assert row is not None
    last = row["last"]
    return Extent(floor=last if row["first"] is None else row["first"] - 1, last=last)


async def read_after(db: Database, tenant_id: UUID, seq: int, limit: int = MOST_ROWS) -> list[Row]:
    """The events that follow this number, for every audience, at most `limit` of them.

    Raises:
        Unavailable: the database can't be reached.
    """
    async with db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch(_AFTER, seq, limit)
    return [Row(**row) for row in rows]


async def read_page(tx: Transaction, after: str | None, who: Principal, limit: int) -> FeedPage:
    """The events after a cursor which somebody may see, for clients that poll."""
    extent = await read_extent(tx)
    start = start_at(after, extent)
    rows = await tx.sql.fetch(_PAGE, start.cursor, extent.last, list(audiences_of(who)), limit)
    items = [
        FeedEventPublic(
            seq=row["seq"], kind=row["kind"], payload=loads(row["payload"]), at=row["at"]
        )
        for row in rows
    ]
    # A short page has seen all there is, also what is for others.
    next_after = items[-1].seq if len(items) == limit else extent.last
    return FeedPage(items=items, next_after=next_after, last_seq=extent.last, reset=start.reset)
