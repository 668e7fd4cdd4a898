"""How long files are kept, and how those of a contact or of a tenant go with them."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.core.storage import storage_of
from frontdesk.messaging.media import COLUMNS, FORGET, MEDIA, media_key
from frontdesk.messaging.schemas import MediaPublic

# What was uploaded and never sent is of no use to anybody.
UNSENT_DAYS = 1
# A tenant may keep files for fewer days than the deployment, not for more.
_OVERDUE = f"""
state = 'stored' AND (message_id IS NULL AND stored_at < now() - make_interval(days => {UNSENT_DAYS})
    OR stored_at < now() - make_interval(days => least($1::int, (SELECT r.media_days
        FROM tenant_retention r WHERE r.tenant_id = media.tenant_id))))
"""  # noqa: S608  # Ours.
# The same, found by three indexes: an OR would read all that is stored.
_FIRST = "state = 'stored' ORDER BY stored_at LIMIT $2"
_LIST = f"""
(SELECT tenant_id, id, stored_at FROM media WHERE message_id IS NULL
    AND stored_at < now() - make_interval(days => {UNSENT_DAYS}) AND {_FIRST})
UNION (SELECT tenant_id, id, stored_at FROM media
    WHERE stored_at < now() - make_interval(days => $1::int) AND {_FIRST})
UNION (SELECT m.* FROM tenant_retention r CROSS JOIN LATERAL (SELECT tenant_id, id, stored_at
    FROM media WHERE media.tenant_id = r.tenant_id
    AND stored_at < now() - make_interval(days => r.media_days) AND {_FIRST}) m
    WHERE r.media_days < $1::int)
ORDER BY stored_at LIMIT $2
"""  # noqa: S608  # Ours.
_DELETE = f"UPDATE media SET {FORGET} WHERE id = $2 AND {_OVERDUE} RETURNING id"  # noqa: S608  # Ours.
_OF_CONTACT = """
SELECT id FROM media
WHERE conversation_id IN (SELECT id FROM conversation WHERE contact_id = $1)
"""


async def list_overdue(
    connection: Connection, limit: int, days: int
) -> Sequence[tuple[UUID, UUID]]:
    """Files whose days are over, over all tenants."""
    rows = await connection.fetch(_LIST, days, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def forget_overdue(resources: Resources, tenant_id: UUID, media_id: UUID) -> None:
    """Let a file go whose days are over; its message stays. Run twice, nothing is left to do."""
    async with resources.db.hot(tenant_id) as tx:
        days = resources.settings.retention.media_days
        if await tx.sql.fetchval(_DELETE, days, media_id):
            tx.ring(MEDIA, media_id)


async def list_files(tx: Transaction, contact_id: UUID | None) -> list[MediaPublic]:
    """The files that are here of a contact, or of the whole tenant (None)."""
    rows = await tx.sql.fetch(
        f"SELECT {COLUMNS} FROM media WHERE state = 'stored' AND ($1::uuid IS NULL OR "  # noqa: S608  # Ours.
        "conversation_id IN (SELECT id FROM conversation WHERE contact_id = $1)) ORDER BY id",
        contact_id,
    )
    return [MediaPublic.model_validate(dict(row)) for row in rows]


async def delete_files(resources: Resources, tenant_id: UUID, contact_id: UUID | None) -> int:
    """Delete the files of a contact, or all of a tenant's (None), whose rows are erased already.

    How many rows there were. A worker that is just fetching a file finds its row changed
    afterwards, and deletes it itself.
    """
    storage = storage_of(resources)
    if contact_id is None:
        await storage.delete_all(str(tenant_id))
        return 0
    async with resources.db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch(_OF_CONTACT, contact_id)
    for row in rows:
        await storage.delete(media_key(tenant_id, row["id"]))
    return len(rows)
