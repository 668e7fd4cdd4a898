"""Conversations whose human agent is silent too long while the contact waits: somebody else's then."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation import lock
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.escalation.assignment import (
    HAS_ROOM,
    MAY_TAKE,
    give_place_back,
    give_to,
    need_of,
    pick_human_agent,
)
from frontdesk.escalation.happenings import HandoffSilent, ReturnedFor
from frontdesk.escalation.models import SilentAssignee
from frontdesk.escalation.reassigning import put_back
from frontdesk.escalation.schemas import AssignmentPolicyPublic, AssignmentPolicyUpdate
from frontdesk.observability import OVERDUE_AFTER_MINUTES

RETURN = "escalation.return"
_POLICY = (
    "return_after_minutes",
    "return_to",
    "away_return_minutes",
    "away_after_minutes",
    "overdue_after_minutes",
)

# The silence counts from the message that waits, or from the assignment when that came later. Of
# each silence people are told once, but a colleague who comes to be free later gets it all the same.
_TOLD = "coalesce(h.alerted_at >= greatest(h.assigned_at, k.waiting_since), false)"
_SILENT = f"""
FROM handoff h
JOIN assignment_policy p ON p.tenant_id = h.tenant_id
JOIN conversation k ON k.tenant_id = h.tenant_id AND k.id = h.conversation_id
WHERE h.state = 'assigned' AND h.assigned_user_id IS NOT NULL
    AND greatest(h.assigned_at, k.waiting_since) < now() - make_interval(mins => p.return_after_minutes)
    AND k.waiting_since IS NOT NULL
    AND (NOT {_TOLD} OR p.return_to = 'queue' OR p.return_to = 'colleague' AND EXISTS (
        SELECT FROM availability a WHERE a.tenant_id = h.tenant_id AND {HAS_ROOM}
        AND a.user_id <> h.assigned_user_id AND {MAY_TAKE}))
"""  # Ours.


async def get_policy(tx: Transaction) -> AssignmentPolicyPublic:
    """What becomes of conversations whose human agent is silent or gone."""
    row = await tx.sql.fetchrow(f"SELECT {', '.join(_POLICY)} FROM assignment_policy")  # noqa: S608  # Ours.
    if row is None:
        return AssignmentPolicyPublic(
            return_after_minutes=None,
            return_to=SilentAssignee.ALERT,
            away_return_minutes=None,
            away_after_minutes=None,
            overdue_after_minutes=OVERDUE_AFTER_MINUTES,
        )
    return AssignmentPolicyPublic.model_validate(dict(row))


async def returns_in_time(tx: Transaction) -> bool:
    """Whether what a silent human agent has goes to others after some minutes, as the tenant wants."""
    policy = await get_policy(tx)
    return policy.return_after_minutes is not None and policy.return_to is not SilentAssignee.ALERT


async def set_policy(tx: Transaction, wish: AssignmentPolicyUpdate) -> AssignmentPolicyPublic:
    """Say what becomes of them."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in _POLICY)
    await tx.sql.execute(
        f"INSERT INTO assignment_policy ({', '.join(_POLICY)}) VALUES ($1, $2, $3, $4, $5) "  # noqa: S608  # Ours.
        f"ON CONFLICT (tenant_id) DO UPDATE SET {changed}",
        *(getattr(wish, name) for name in _POLICY),
    )
    return await get_policy(tx)


async def list_silent(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Handoffs whose assignee has been silent too long, a turn for each tenant."""
    rows = await connection.fetch(
        f"SELECT h.tenant_id, h.id {_SILENT} ORDER BY row_number() OVER "
        "(PARTITION BY h.tenant_id ORDER BY h.assigned_at), h.assigned_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def return_silent(resources: Resources, tenant_id: UUID, handoff_id: UUID) -> None:
    """Do with a handoff what the tenant wants done. Nothing, if its assignee has answered since."""
    async with resources.db.hot(tenant_id) as tx:
        conversation_id = await tx.sql.fetchval(
            "SELECT conversation_id FROM handoff WHERE id = $1", handoff_id
        )
        if conversation_id is None:
            return
        thread = await lock(tx, conversation_id)
        row = await tx.sql.fetchrow(
            f"SELECT h.assigned_user_id, h.team_ids, p.return_to, {_TOLD} AS told "
            f"{_SILENT} AND h.id = $1 FOR UPDATE OF h",
            handoff_id,
        )
        if row is None:
            return
        silent, wanted = row["assigned_user_id"], SilentAssignee(row["return_to"])
        done = SilentAssignee.ALERT
        if wanted is SilentAssignee.QUEUE:
            await put_back(tx, thread, handoff_id, why=ReturnedFor.SILENCE)
            done = wanted
        elif wanted is SilentAssignee.COLLEAGUE:
            # First theirs, then the colleague's, who is passed over when somebody else holds it: two
            # who are given each other's conversations do not wait for one another.
            await tx.sql.execute("SELECT FROM availability WHERE user_id = $1 FOR UPDATE", silent)
            need = await need_of(tx, thread, row["team_ids"], silent)
            if user_id := await pick_human_agent(tx, need):
                await give_to(tx, thread.id, handoff_id, user_id)
                await give_place_back(tx, silent)
                done = wanted
        if done is SilentAssignee.ALERT and row["told"]:
            return
        if done is SilentAssignee.ALERT:
            await tx.sql.execute("UPDATE handoff SET alerted_at = now() WHERE id = $1", handoff_id)
        told = HandoffSilent(
            conversation_id=thread.id, handoff_id=handoff_id, assigned_user_id=silent, done=done
        )
        feed.tell(tx, told)
