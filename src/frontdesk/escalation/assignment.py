"""Who gets a conversation: the available human agent who has been idle longest, within the limit.

Every race is decided by a row lock in the database: a human agent's `open_conversations` is only
changed under the lock of that row, so the limit can't be overrun.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from frontdesk.agent_config import Priority
from frontdesk.conversation import Locked, assign, lock
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.escalation.happenings import HandoffAssigned, tell_availability, tell_handoff
from frontdesk.escalation.held import HELD, count_time

HANDOFF = "escalation.handoff"
PRIORITIES = tuple(Priority)  # The place of each is its `urgency`.


def urgency_of(priority: str) -> int:
    """The urgency of a conversation's priority: one that can wait waits like any other."""
    return next((place for place, name in enumerate(PRIORITIES) if name == priority), 0)


# Whether the human agent `a` is of a team that the handoff `h` is for. It is for everybody when its
# teams have nobody any more: better a person of another team than none.
MAY_TAKE = """(EXISTS (SELECT FROM team_member m WHERE m.tenant_id = a.tenant_id
        AND m.user_id = a.user_id AND m.team_id = ANY(h.team_ids))
    OR NOT EXISTS (SELECT FROM team_member m WHERE m.tenant_id = a.tenant_id
        AND m.team_id = ANY(h.team_ids)))"""
HAS_ROOM = "a.presence = 'online' AND a.open_conversations < a.max_conversations"
# Handoffs that wait although somebody could take them.
_ASSIGNABLE = f"""h.state = 'waiting' AND EXISTS (SELECT FROM availability a
    WHERE a.tenant_id = h.tenant_id AND {HAS_ROOM} AND a.user_id IS DISTINCT FROM h.taken_from
    AND {MAY_TAKE})"""  # noqa: S608  # Ours.

# The last of the contact's human agents first, then whoever is of a team that speaks the language,
# then whoever was assigned longest ago. One value, so looked for once: joined to, it may be looked for
# again for each row the planner reads first, and would take a place with every one of them.
_PICK = f"""
UPDATE availability SET open_conversations = open_conversations + 1,
    last_assigned_at = clock_timestamp()
WHERE user_id = (
    SELECT a.user_id FROM availability a, (SELECT $1::uuid[] AS team_ids) h
    WHERE {HAS_ROOM} AND a.user_id IS DISTINCT FROM $2 AND {MAY_TAKE}
    ORDER BY coalesce(a.user_id = $3, false) DESC, EXISTS (SELECT FROM team_member m
        JOIN team t ON t.tenant_id = m.tenant_id AND t.id = m.team_id
        WHERE m.tenant_id = a.tenant_id AND m.user_id = a.user_id AND $4 = ANY(t.languages)) DESC,
        a.last_assigned_at NULLS FIRST, a.user_id
    LIMIT 1 FOR UPDATE OF a SKIP LOCKED
) RETURNING *
"""  # noqa: S608  # Ours.


@dataclass(frozen=True)
class Need:
    """Who may get a conversation, and who rather than others.

    Args:
        team_ids: members of these teams; anybody without.
        not_user_id: not this one.
        known_user_id: this one if they can: the contact knows them.
        language: people who speak it come first.
    """

    team_ids: Sequence[UUID] = ()
    not_user_id: UUID | None = None
    known_user_id: UUID | None = None
    language: str | None = None


async def find_teams(tx: Transaction, team: str | None, skill: str | None) -> list[UUID]:
    """The teams a rule means; none when it names none, or none is of that name and skill."""
    if team is None and skill is None:
        return []
    rows = await tx.sql.fetch(
        "SELECT id FROM team WHERE ($1::text IS NULL OR lower(name) = lower($1)) AND "
        "($2::text IS NULL OR EXISTS (SELECT FROM unnest(skills) s WHERE lower(s) = lower($2)))",
        team,
        skill,
    )
    return [row["id"] for row in rows]


async def need_of(
    tx: Transaction, thread: Locked, team_ids: Sequence[UUID], not_user_id: UUID | None = None
) -> Need:
    """Who should get a conversation of these teams."""
    known: UUID | None = await tx.sql.fetchval(
        "SELECT h.assigned_user_id FROM conversation k JOIN handoff h "
        "ON h.tenant_id = k.tenant_id AND h.conversation_id = k.id WHERE k.contact_id = $1 "
        "AND h.state = 'ended' AND h.assigned_user_id IS NOT NULL ORDER BY h.id DESC LIMIT 1",
        thread.contact_id,
    )
    return Need(tuple(team_ids), not_user_id, known, thread.language)


async def pick_human_agent(tx: Transaction, need: Need) -> UUID | None:
    """Take a place with the human agent who should have it, or None when nobody is free."""
    row = await tx.sql.fetchrow(
        _PICK, list(need.team_ids), need.not_user_id, need.known_user_id, need.language
    )
    if row is None:
        return None
    tell_availability(tx, row)
    user_id: UUID = row["user_id"]
    return user_id


async def is_anybody_ahead(tx: Transaction, urgency: int) -> bool:
    """Whether a handoff waits for its assignment that comes before a new one."""
    found: bool = await tx.sql.fetchval(
        f"SELECT EXISTS (SELECT FROM handoff h WHERE h.urgency >= $1 AND {_ASSIGNABLE})",  # noqa: S608  # Ours.
        urgency,
    )
    return found


async def take_place(tx: Transaction, user_id: UUID) -> None:
    """Count a conversation that a human agent took on purpose, over the limit or not."""
    row = await tx.sql.fetchrow(
        "INSERT INTO availability (user_id, presence, open_conversations, last_assigned_at) "
        "VALUES ($1, 'away', 1, clock_timestamp()) ON CONFLICT (tenant_id, user_id) DO UPDATE "
        "SET open_conversations = availability.open_conversations + 1, "
        "last_assigned_at = clock_timestamp() RETURNING *",
        user_id,
    )
    tell_availability(tx, row)


async def give_place_back(tx: Transaction, user_id: UUID) -> None:
    """A human agent has one conversation less; whoever waits may be assigned."""
    row = await tx.sql.fetchrow(
        "UPDATE availability SET open_conversations = greatest(open_conversations - 1, 0) "
        "WHERE user_id = $1 RETURNING *",
        user_id,
    )
    if row is not None:
        tell_availability(tx, row)
    await ring_waiting(tx)


async def ring_waiting(tx: Transaction) -> None:
    """Let the queue be looked at now."""
    handoff_id = await tx.sql.fetchval("SELECT id FROM handoff WHERE state = 'waiting' LIMIT 1")
    if handoff_id is not None:
        tx.ring(HANDOFF, handoff_id)


async def list_assignable(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Waiting handoffs that a human agent could take, a turn for each tenant."""
    rows = await connection.fetch(
        f"SELECT h.tenant_id, h.id FROM handoff h WHERE {_ASSIGNABLE} "  # noqa: S608  # Ours.
        "ORDER BY row_number() OVER (PARTITION BY h.tenant_id ORDER BY h.urgency DESC, h.id), "
        "h.id LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def assign_waiting(resources: Resources, tenant_id: UUID, _handoff_id: UUID) -> None:
    """Assign a tenant's waiting handoffs while somebody has room, whichever of them was rung for.

    The most urgent goes first, then the longest waiting, however many workers are at it. Run twice,
    the second run finds nobody waiting, or nobody free.
    """
    while await _assign_next(resources, tenant_id):
        pass


async def _assign_next(resources: Resources, tenant_id: UUID) -> bool:
    """One handoff assigned, or lost to another worker; False when there is nothing to do."""
    async with resources.db.hot(tenant_id) as tx:
        waiting = await tx.sql.fetchrow(
            f"SELECT h.id, h.conversation_id FROM handoff h WHERE {_ASSIGNABLE} "  # noqa: S608  # Ours.
            "ORDER BY h.urgency DESC, h.id LIMIT 1"
        )
        if waiting is None:
            return False
        thread = await lock(tx, waiting["conversation_id"])
        still = await tx.sql.fetchrow(
            "SELECT team_ids, taken_from FROM handoff WHERE id = $1 AND state = 'waiting' "
            "FOR UPDATE",
            waiting["id"],
        )
        if still is None:
            return True
        need = await need_of(tx, thread, still["team_ids"], still["taken_from"])
        user_id = await pick_human_agent(tx, need)
        if user_id is None:
            return False
        await give_to(tx, thread.id, waiting["id"], user_id)
        return True


async def give_to(tx: Transaction, conversation_id: UUID, handoff_id: UUID, user_id: UUID) -> None:
    """Let somebody have a handoff whose place with them is taken."""
    row = await tx.sql.fetchrow(
        f"{HELD} UPDATE handoff h SET state = 'assigned', assigned_user_id = $2, "  # noqa: S608  # Ours.
        "assigned_at = now(), taken_from = NULL, alerted_at = NULL FROM held WHERE h.id = $1 "
        "RETURNING h.*, held.by_user_id, held.since",
        handoff_id,
        user_id,
    )
    assert row is not None
    await count_time(tx, row, row["by_user_id"], row["since"])
    await assign(tx, conversation_id, user_id)
    tell_handoff(tx, HandoffAssigned, row)
