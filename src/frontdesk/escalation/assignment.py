"""Who gets a conversation: the available human agent who has been idle longest, within the limit.

Every race is decided by a row lock in the database: a human agent's `open_conversations` is only
changed under the lock of that row, so the limit can't be overrun.
"""

from collections.abc import Sequence
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation import lock
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.escalation.models import Presence
from frontdesk.escalation.schemas import AvailabilityPublic

HANDOFF = "escalation.handoff"


async def pick_human_agent(tx: Transaction) -> UUID | None:
    """Take a place with the available human agent who was assigned longest ago, or None."""
    picked: UUID | None = await tx.sql.fetchval(
        "UPDATE availability a SET open_conversations = open_conversations + 1, "
        "last_assigned_at = clock_timestamp() FROM (SELECT user_id FROM availability "
        "WHERE presence = 'online' AND open_conversations < max_conversations "
        "ORDER BY last_assigned_at NULLS FIRST, user_id LIMIT 1 FOR UPDATE SKIP LOCKED) free "
        "WHERE a.user_id = free.user_id RETURNING a.user_id"
    )
    return picked


async def take_place(tx: Transaction, user_id: UUID) -> None:
    """Count a conversation that a human agent took on purpose, over the limit or not."""
    await tx.sql.execute(
        "INSERT INTO availability (user_id, presence, open_conversations, last_assigned_at) "
        "VALUES ($1, 'away', 1, clock_timestamp()) ON CONFLICT (tenant_id, user_id) DO UPDATE "
        "SET open_conversations = availability.open_conversations + 1, "
        "last_assigned_at = clock_timestamp()",
        user_id,
    )


async def give_place_back(tx: Transaction, user_id: UUID) -> None:
    """A human agent has one conversation less; whoever waits may be assigned."""
    await tx.sql.execute(
        "UPDATE availability SET open_conversations = greatest(open_conversations - 1, 0) "
        "WHERE user_id = $1",
        user_id,
    )
    await ring_waiting(tx, 1)


async def ring_waiting(tx: Transaction, most: int) -> None:
    """Let the handoffs that have waited longest be looked at now."""
    for row in await tx.sql.fetch(
        "SELECT id FROM handoff WHERE state = 'waiting' ORDER BY id LIMIT $1", most
    ):
        tx.ring(HANDOFF, row["id"])


async def list_assignable(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Waiting handoffs of tenants that have a human agent with room, a turn for each tenant."""
    rows = await connection.fetch(
        "SELECT h.tenant_id, h.id FROM handoff h WHERE h.state = 'waiting' AND EXISTS ("
        "SELECT 1 FROM availability a WHERE a.tenant_id = h.tenant_id AND a.presence = 'online' "
        "AND a.open_conversations < a.max_conversations) "
        "ORDER BY row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.id), h.id LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def assign_waiting(resources: Resources, tenant_id: UUID, _handoff_id: UUID) -> None:
    """Assign a tenant's waiting handoffs while somebody has room, whichever of them was rung for.

    The longest waiting goes first, however many workers are at it. Run twice, the second run finds
    nobody waiting, or nobody free.
    """
    while await _assign_longest_waiting(resources, tenant_id):
        pass


async def _assign_longest_waiting(resources: Resources, tenant_id: UUID) -> bool:
    """One handoff assigned, or lost to another worker; False when there is nothing to do."""
    async with resources.db.hot(tenant_id) as tx:
        waiting = await tx.sql.fetchrow(
            "SELECT id, conversation_id FROM handoff WHERE state = 'waiting' ORDER BY id LIMIT 1"
        )
        if waiting is None:
            return False
        await lock(tx, waiting["conversation_id"])
        still = await tx.sql.fetchval(
            "SELECT 1 FROM handoff WHERE id = $1 AND state = 'waiting' FOR UPDATE", waiting["id"]
        )
        if not still:
            return True
        user_id = await pick_human_agent(tx)
        if user_id is None:
            return False
        await tx.sql.execute(
            "UPDATE handoff SET state = 'assigned', assigned_user_id = $2, assigned_at = now() "
            "WHERE id = $1",
            waiting["id"],
            user_id,
        )
        await tx.sql.execute(
            "UPDATE conversation SET assigned_user_id = $2 WHERE id = $1",
            waiting["conversation_id"],
            user_id,
        )
        feed.append(
            tx,
            "handoff.assigned",
            {
                "conversation_id": waiting["conversation_id"],
                "handoff_id": waiting["id"],
                "assigned_user_id": user_id,
            },
        )
        return True


async def set_presence(
    tx: Transaction, user_id: UUID, presence: Presence, max_conversations: int | None = None
) -> AvailabilityPublic:
    """Come online, go away, or change how many conversations to take; coming online gets the queue.

    Going away keeps the conversations one has.
    """
    row = await tx.sql.fetchrow(
        "INSERT INTO availability (user_id, presence, max_conversations) "
        "VALUES ($1, $2, coalesce($3, 5)) ON CONFLICT (tenant_id, user_id) DO UPDATE "
        "SET presence = $2, max_conversations = coalesce($3, availability.max_conversations) "
        "RETURNING user_id, presence, max_conversations, open_conversations, last_assigned_at",
        user_id,
        presence,
        max_conversations,
    )
    assert row is not None
    if presence is Presence.ONLINE:
        await ring_waiting(tx, row["max_conversations"])
    feed.append(
        tx,
        "availability.changed",
        {
            "user_id": user_id,
            "presence": presence,
            "max_conversations": row["max_conversations"],
            "open_conversations": row["open_conversations"],
        },
    )
    return AvailabilityPublic.model_validate(dict(row))


async def get_presence(tx: Transaction, user_id: UUID) -> AvailabilityPublic:
    """Whether a human agent takes conversations; away until they say otherwise."""
    row = await tx.sql.fetchrow(f"{_SELECT} WHERE user_id = $1", user_id)
    if row is None:
        return AvailabilityPublic(
            user_id=user_id,
            presence=Presence.AWAY,
            max_conversations=5,
            open_conversations=0,
            last_assigned_at=None,
        )
    return AvailabilityPublic.model_validate(dict(row))


async def list_presence(tx: Transaction) -> list[AvailabilityPublic]:
    """Everybody who has ever been available, those online first."""
    rows = await tx.sql.fetch(f"{_SELECT} ORDER BY presence DESC, user_id LIMIT 500")
    return [AvailabilityPublic.model_validate(dict(row)) for row in rows]


async def is_anybody_online(tx: Transaction) -> bool:
    """Whether any human agent of the tenant is online, with room or not."""
    found = await tx.sql.fetchval("SELECT 1 FROM availability WHERE presence = 'online' LIMIT 1")
    return found is not None


_SELECT = (
    "SELECT user_id, presence, max_conversations, open_conversations, last_assigned_at "
    "FROM availability"
)
