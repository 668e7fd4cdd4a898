"""Giving a conversation that people have to a colleague, or to a team."""

from uuid import UUID

from frontdesk import feed
from frontdesk.conversation import Locked, assign, lock
from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import Forbidden
from frontdesk.escalation.assignment import HANDOFF, give_place_back, give_to, take_place
from frontdesk.escalation.bridge_models import BRIDGE
from frontdesk.escalation.errors import NoRoom
from frontdesk.escalation.happenings import HandoffReturned, ReturnedFor, tell_availability
from frontdesk.escalation.held import HELD, count_time
from frontdesk.escalation.schemas import AssignmentCreate, HandoffStanding, Ownership
from frontdesk.escalation.service import audit_act, must_own, ownership
from frontdesk.escalation.teams import get_team
from frontdesk.identity import get_member

_TAKE_ROOM = """
UPDATE availability SET open_conversations = open_conversations + 1,
    last_assigned_at = clock_timestamp()
WHERE user_id = $1 AND presence = 'online' AND open_conversations < max_conversations RETURNING *
"""


async def reassign(
    tx: Session, conversation_id: UUID, who: Principal, wish: AssignmentCreate
) -> Ownership:
    """Give a conversation to a colleague who is online and has room, or let it wait for a team.

    Whoever has it may, an admin, and anybody while it waits in the queue. Of two at once one wins,
    and nobody's limit is overrun but by an admin who forces it.

    Raises:
        NoSuchConversation, ConversationClosed, NotTakenOver, NotYours: it is not theirs to give.
        NotFound, NoSuchTeam: there is no such member or team.
        NoRoom: the colleague is away, has as many as they take, or may not sign in.
        Forbidden: only an admin may force it.
    """
    if wish.force and who.role is not Role.ADMIN:
        raise Forbidden("Only an admin may give somebody more than they take.")
    thread = await lock(tx, conversation_id)
    member = await get_member(tx, wish.user_id) if wish.user_id is not None else None
    if wish.team_id is not None:
        await get_team(tx, wish.team_id)
    handoff = await tx.sql.fetchrow(
        # Not locked, as the conversation is: whoever comes online has locked their presence first.
        "SELECT id, state FROM handoff WHERE conversation_id = $1 AND state <> 'ended'",
        thread.id,
    )
    if handoff is None or handoff["state"] != "waiting":
        must_own(thread, who)
    assert handoff is not None, "people have it, so there is a handoff"
    if member is not None:
        # Both rows in one order: two who give each other their conversations do not wait for one
        # another.
        await tx.sql.execute(
            "SELECT FROM availability WHERE user_id = ANY($1) ORDER BY user_id FOR UPDATE",
            [member.id, thread.assigned_user_id],
        )
    if wish.team_id is not None:
        await tx.sql.execute(
            "UPDATE handoff SET team_ids = $2 WHERE id = $1", handoff["id"], [wish.team_id]
        )
    if member is None:
        await put_back(tx, thread, handoff["id"], why=ReturnedFor.REASSIGNED)
    elif member.id != thread.assigned_user_id:
        if member.disabled:
            raise NoRoom("They may not sign in.")
        await _to_colleague(tx, thread, handoff["id"], member.id, force=wish.force)
    given_to = {"user_id": str(wish.user_id or ""), "team_id": str(wish.team_id or "")}
    await audit_act(tx, "conversation.reassigned", thread, who, details=given_to)
    return await ownership(tx, thread.id, ai_in_flight=False)


async def _to_colleague(
    tx: Session, thread: Locked, handoff_id: UUID, user_id: UUID, *, force: bool
) -> None:
    if force:
        await take_place(tx, user_id)
    else:
        row = await tx.sql.fetchrow(_TAKE_ROOM, user_id)
        if row is None:
            raise NoRoom
        tell_availability(tx, row)
    await give_to(tx, thread.id, handoff_id, user_id)
    if thread.assigned_user_id is not None:
        await give_place_back(tx, thread.assigned_user_id)


async def put_back(tx: Transaction, thread: Locked, handoff_id: UUID, *, why: ReturnedFor) -> None:
    """Take a handoff from whoever has it, if anybody has; it waits again, at the place that its age
    and urgency give it, and they are not given it again before they come online anew."""
    row = await tx.sql.fetchrow(
        f"{HELD} UPDATE handoff h SET state = 'waiting', assigned_user_id = NULL, "  # noqa: S608  # Ours.
        "assigned_at = NULL, taken_from = $2, alerted_at = NULL FROM held WHERE h.id = $1 "
        "RETURNING h.*, held.by_user_id, held.since",
        handoff_id,
        thread.assigned_user_id,
    )
    assert row is not None
    await count_time(tx, row, row["by_user_id"], row["since"])
    await assign(tx, thread.id, None)
    if thread.assigned_user_id is not None:
        await give_place_back(tx, thread.assigned_user_id)
    tx.ring(HANDOFF, handoff_id)
    told = HandoffReturned(
        conversation_id=thread.id,
        handoff_id=handoff_id,
        handoff=HandoffStanding.model_validate(dict(row)),
        from_user_id=thread.assigned_user_id,
        why=why,
    )
    feed.tell(tx, told)
    tx.ring(BRIDGE, handoff_id)
