"""Human agents who are gone: whose window is shut goes away, and what they have returns in time."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from frontdesk.conversation import lock
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.escalation.happenings import ReturnedFor
from frontdesk.escalation.models import Presence
from frontdesk.escalation.presence import set_presence
from frontdesk.escalation.reassigning import put_back
from frontdesk.identity import last_seen

IDLE = "escalation.idle"
AWAY_RETURN = "escalation.away_return"

# A session is seen with every request and with every look of an open feed: to the minute or so.
# Whoever writes on their own WhatsApp is there as well.
_IDLE = """
SELECT a.tenant_id, a.user_id FROM assignment_policy p
JOIN availability a ON a.tenant_id = p.tenant_id
WHERE a.presence = 'online' AND a.presence_at < now() - make_interval(mins => p.away_after_minutes)
    AND NOT EXISTS (SELECT FROM user_session s WHERE s.tenant_id = a.tenant_id
        AND s.user_id = a.user_id AND s.revoked_at IS NULL
        AND s.seen_at > now() - make_interval(mins => p.away_after_minutes))
    AND NOT EXISTS (SELECT FROM bridge_heard b WHERE b.tenant_id = a.tenant_id
        AND b.user_id = a.user_id
        AND b.said_at > now() - make_interval(mins => p.away_after_minutes))
ORDER BY row_number() OVER (PARTITION BY a.tenant_id ORDER BY a.presence_at), a.presence_at LIMIT $1
"""
# Only where somebody waits: what is answered, from wherever, nobody need take.
_LEFT = """
FROM handoff h
JOIN assignment_policy p ON p.tenant_id = h.tenant_id
JOIN availability a ON a.tenant_id = h.tenant_id AND a.user_id = h.assigned_user_id
JOIN conversation k ON k.tenant_id = h.tenant_id AND k.id = h.conversation_id
WHERE h.state = 'assigned' AND a.presence = 'away' AND k.waiting_since IS NOT NULL
    AND greatest(a.presence_at, h.assigned_at) < now() - make_interval(mins => p.away_return_minutes)
    AND NOT EXISTS (SELECT FROM bridge_heard b WHERE b.tenant_id = a.tenant_id
        AND b.user_id = a.user_id
        AND b.said_at > now() - make_interval(mins => p.away_return_minutes))
"""


async def list_idle(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Human agents who are online and have not been seen for as long as their tenant allows."""
    rows = await connection.fetch(_IDLE, limit)
    return [(row["tenant_id"], row["user_id"]) for row in rows]


async def send_idle_away(resources: Resources, tenant_id: UUID, user_id: UUID) -> None:
    """Let somebody go away who has no open feed, has asked for nothing lately, and written nothing
    on their own WhatsApp.

    Nothing, if they have been seen since. Run twice, the second run finds them away.
    """
    seen_at = await last_seen(resources, tenant_id, user_id)
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(
            "SELECT p.away_after_minutes, now() AS now, greatest(a.presence_at, $2, "
            "(SELECT max(b.said_at) FROM bridge_heard b WHERE b.user_id = $1)) AS seen_at "
            "FROM availability a JOIN assignment_policy p ON p.tenant_id = a.tenant_id "
            "WHERE a.user_id = $1 AND a.presence = 'online' FOR UPDATE OF a",
            user_id,
            seen_at,
        )
        if row is None or row["away_after_minutes"] is None:
            return
        if row["now"] - row["seen_at"] > timedelta(minutes=row["away_after_minutes"]):
            await set_presence(tx, user_id, Presence.AWAY)
            await tx.sql.execute(
                "UPDATE availability SET sent_away = true WHERE user_id = $1", user_id
            )


async def come_back(tx: Transaction, user_id: UUID) -> None:
    """Whoever was sent away for their silence and writes on their own WhatsApp is online again; who
    went away on purpose stays so."""
    if await tx.sql.fetchval(
        "SELECT 1 FROM availability WHERE user_id = $1 AND sent_away", user_id
    ):
        await set_presence(tx, user_id, Presence.ONLINE)


async def list_left(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Handoffs of those who have been away for longer than their tenant lets them keep any."""
    rows = await connection.fetch(
        f"SELECT h.tenant_id, h.id {_LEFT} ORDER BY row_number() OVER "  # Ours.
        "(PARTITION BY h.tenant_id ORDER BY h.assigned_at), h.assigned_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def return_left(resources: Resources, tenant_id: UUID, handoff_id: UUID) -> None:
    """Put a handoff of somebody who is away back into the queue. Nothing, if they are back, or it is
    somebody else's by now."""
    async with resources.db.hot(tenant_id) as tx:
        conversation_id = await tx.sql.fetchval(
            "SELECT conversation_id FROM handoff WHERE id = $1", handoff_id
        )
        if conversation_id is None:
            return
        thread = await lock(tx, conversation_id)
        still = await tx.sql.fetchval(
            f"SELECT h.id {_LEFT} AND h.id = $1 FOR UPDATE OF h, a",  # Ours.
            handoff_id,
        )
        if still is not None:
            await put_back(tx, thread, handoff_id, why=ReturnedFor.AWAY)
