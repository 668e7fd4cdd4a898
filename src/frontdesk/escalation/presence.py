"""Who takes conversations, and how many: what human agents say of themselves."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.escalation.assignment import MAY_TAKE, ring_waiting
from frontdesk.escalation.happenings import tell_availability
from frontdesk.escalation.models import Presence
from frontdesk.escalation.schemas import AvailabilityPublic


async def set_presence(
    tx: Transaction, user_id: UUID, presence: Presence, max_conversations: int | None = None
) -> AvailabilityPublic:
    """Come online, go away, or change how many conversations to take; coming online gets the queue.

    Going away keeps the conversations one has.
    """
    row = await tx.sql.fetchrow(
        "INSERT INTO availability (user_id, presence, max_conversations) "
        "VALUES ($1, $2, coalesce($3, 5)) ON CONFLICT (tenant_id, user_id) DO UPDATE "
        "SET presence = $2, sent_away = false, "
        "max_conversations = coalesce($3, availability.max_conversations), "
        "presence_at = CASE WHEN $2 = availability.presence AND $2 = 'away' "
        "THEN availability.presence_at ELSE now() END "
        "RETURNING *",
        user_id,
        presence,
        max_conversations,
    )
    assert row is not None
    if presence is Presence.ONLINE:
        # Whoever says that they are here gets what was taken from them for their silence, too.
        await tx.sql.execute(
            "UPDATE handoff SET taken_from = NULL WHERE state = 'waiting' AND taken_from = $1",
            user_id,
        )
        await ring_waiting(tx)
    tell_availability(tx, row)
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


async def is_anybody_online(tx: Transaction, team_ids: Sequence[UUID] = ()) -> bool:
    """Whether any human agent is online who may take a handoff of these teams, with room or not."""
    found: bool = await tx.sql.fetchval(
        "SELECT EXISTS (SELECT FROM (SELECT $1::uuid[] AS team_ids) h, "  # noqa: S608  # Ours.
        f"availability a WHERE a.presence = 'online' AND {MAY_TAKE})",
        list(team_ids),
    )
    return found


_SELECT = (
    "SELECT user_id, presence, max_conversations, open_conversations, last_assigned_at "
    "FROM availability"
)
