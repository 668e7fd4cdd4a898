"""A tenant's books, kept hourly: storage of the day that ended, sums of days, a look at the hours."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.billing.anomalies import look_at_hours
from frontdesk.billing.rollups import roll_up
from frontdesk.billing.storage import record_storage
from frontdesk.core.db import Connection
from frontdesk.core.resources import Resources

BOOK = "billing.book"
# Whoever was killed at it has to be given up before another tries.
_LEASE_SECONDS = 900
# A tenant gets its book an hour after it was made, when there may be something to write into it.
_DUE = """
SELECT t.id FROM tenant t LEFT JOIN usage_book b ON b.tenant_id = t.id
WHERE coalesce(b.due_at, t.created_at + interval '1 hour') <= now()
ORDER BY coalesce(b.due_at, t.created_at) LIMIT $1
"""
_CLAIM = """
INSERT INTO usage_book AS b (due_at) VALUES (now() + make_interval(secs => $1))
ON CONFLICT (tenant_id) DO UPDATE SET due_at = excluded.due_at WHERE b.due_at <= now()
RETURNING stored_day, (now() AT TIME ZONE 'UTC')::date - 1 AS yesterday
"""
# Some minutes past the hour, when what was written in it is to be seen; not all tenants at once.
_DONE = """
UPDATE usage_book SET due_at = date_trunc('hour', now()) + interval '1 hour'
    + make_interval(secs => 360 + floor(random() * 600)), stored_day = $1
"""


async def list_due_books(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Tenants whose books are to be looked after, longest due first."""
    return [(row["id"], row["id"]) for row in await connection.fetch(_DUE, limit)]


async def keep_books(resources: Resources, tenant_id: UUID, _: UUID) -> None:
    """Bring a tenant's books up to now. Each step is safe to run twice, and so is all of it."""
    async with resources.db.transaction(tenant_id) as tx:
        book = await tx.sql.fetchrow(_CLAIM, float(_LEASE_SECONDS))
    if book is None:
        return
    if book["stored_day"] != book["yesterday"]:
        async with resources.db.transaction(tenant_id) as tx:
            await record_storage(tx, book["yesterday"])
    await roll_up(resources, tenant_id)
    await look_at_hours(resources, tenant_id)
    async with resources.db.transaction(tenant_id) as tx:
        await tx.sql.execute(_DONE, book["yesterday"])
