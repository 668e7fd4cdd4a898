"""Handing a conversation to people and back. Every act locks the conversation's row first."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from frontdesk import conversation, observability
from frontdesk.conversation import (
    Actor,
    Change,
    ConversationClosed,
    Locked,
    MessagePublic,
    NewMessage,
    NewTurn,
    Status,
    TurnOutcome,
    change_owner,
    find_memory,
    get_conversation,
    lock,
    send_message,
    settle,
    withdraw,
    write_turn,
)
from frontdesk.core import ids
from frontdesk.core.api import Principal, Role
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps, loads
from frontdesk.core.text import clean
from frontdesk.escalation.assignment import (
    HANDOFF,
    PRIORITIES,
    Need,
    find_teams,
    give_place_back,
    is_anybody_ahead,
    need_of,
    pick_human_agent,
    take_place,
)
from frontdesk.escalation.errors import (
    AlreadyTaken,
    KeyReused,
    NeverHandedOver,
    NotTakenOver,
    NotYours,
)
from frontdesk.escalation.happenings import (
    HandoffAssigned,
    HandoffEnded,
    HandoffOpened,
    tell_availability,
    tell_handoff,
)
from frontdesk.escalation.learning import drafts_for, record_use
from frontdesk.escalation.models import HandoffState, Presence, Reason
from frontdesk.escalation.packet import Packet, plain_packet
from frontdesk.escalation.presence import is_anybody_online
from frontdesk.escalation.queueing import Standing, look_ahead
from frontdesk.escalation.rules import Escalation
from frontdesk.escalation.schemas import HandoffPublic, Ownership
from frontdesk.identity import MemberDisabled
from frontdesk.messaging import OutboundFailed, WindowClosed, is_open


@dataclass(frozen=True)
class Notices:
    """What the contact is told once, when people take over: somebody is there, or nobody is.

    With `once_as` nothing is said when something has been under the same key.

    Args:
        in_queue, wait: added when everybody who is there is busy; they hold `{position}` and
            `{minutes}`.
    """

    somebody_online: str
    nobody_online: str
    in_queue: str = ""
    wait: str = ""
    once_as: str | None = None

    def while_waiting(self, standing: Standing) -> str:
        """What a contact is told for whom nobody is free."""
        parts = [self.somebody_online]
        parts += [self.in_queue.replace("{position}", str(standing.position))]
        if standing.minutes is not None:
            parts += [self.wait.replace("{minutes}", str(standing.minutes))]
        return " ".join(part for part in parts if part)


async def hand_off(
    tx: Transaction,
    thread: Locked,
    escalation: Escalation,
    packet: Packet,
    *,
    handled_seq: int,
    notices: Notices | None,
) -> UUID:
    """Give a conversation to the human agents and silence the AI; the handoff's id.

    It is assigned to whoever is free and should have it, else it waits in the queue. The contact is
    told once, before anybody can have come to be free.
    """
    handoff_id = ids.new()
    urgency = PRIORITIES.index(escalation.priority)
    need = await need_of(tx, thread, await find_teams(tx, escalation.team, escalation.skill))
    user_id, text = None, ""
    if await is_anybody_ahead(tx, urgency):
        tx.ring(HANDOFF, handoff_id)
    else:
        user_id = await pick_human_agent(tx, need)
    if notices is not None and is_open(thread.last_inbound_at, thread.now):
        text = await _what_to_say(tx, notices, need, urgency, assigned=user_id is not None)
    opened = await tx.sql.fetchrow(
        "INSERT INTO handoff (id, conversation_id, reason, rule, packet, state, "
        "assigned_user_id, team_ids, urgency, assigned_at) VALUES ($1, $2, $3, $4, $5, $6, $7, "
        "$8, $9, CASE WHEN $7::uuid IS NULL THEN NULL ELSE now() END) RETURNING *",
        handoff_id,
        thread.id,
        escalation.reason,
        escalation.rule,
        dumps(packet.storable()),
        HandoffState.WAITING if user_id is None else HandoffState.ASSIGNED,
        user_id,
        list(need.team_ids),
        urgency,
    )
    await change_owner(
        tx,
        thread,
        Change(
            status=Status.WITH_HUMAN,
            assigned_user_id=user_id,
            handled_seq=handled_seq,
            still_waiting=True,
        ),
    )
    if notices is not None and text:
        await _notify(tx, thread, text, once_as=notices.once_as)
    tell_handoff(tx, HandoffOpened, opened)
    return handoff_id


async def _what_to_say(
    tx: Transaction, notices: Notices, need: Need, urgency: int, *, assigned: bool
) -> str:
    if assigned:
        return notices.somebody_online
    if not await is_anybody_online(tx, need.team_ids):
        return notices.nobody_online
    return notices.while_waiting(await look_ahead(tx, need.team_ids, urgency))


async def _notify(tx: Transaction, thread: Locked, text: str, *, once_as: str | None) -> None:
    # The thread's row lock keeps two of the same key from passing here side by side.
    if once_as is not None and await tx.sql.fetchval(
        "SELECT 1 FROM outbound WHERE client_key = $1", once_as
    ):
        return
    notice = NewMessage(text=text, author=Actor.SYSTEM, client_key=once_as)
    await send_message(tx, thread, notice, epoch=thread.epoch + 1)


async def take_over(tx: Transaction, conversation_id: UUID, who: Principal) -> Ownership:
    """Take a conversation from the AI, or out of the queue. Once it commits, no AI send starts.

    Raises:
        NoSuchConversation, ConversationClosed: there is nothing to take over.
        AlreadyTaken: a colleague has it, or was faster.
    """
    thread = await lock(tx, conversation_id)
    if thread.status is Status.CLOSED:
        raise ConversationClosed("The conversation is closed; reopen it first.")
    if thread.status is Status.WITH_HUMAN and thread.assigned_user_id is not None:
        if thread.assigned_user_id != who.user_id:
            raise AlreadyTaken(assigned_user_id=str(thread.assigned_user_id))
        return await _ownership(tx, thread.id, ai_in_flight=False)
    ai_in_flight = await change_owner(
        tx,
        thread,
        Change(status=Status.WITH_HUMAN, assigned_user_id=who.user_id, still_waiting=True),
    )
    await take_place(tx, who.user_id)
    row = await tx.sql.fetchrow(
        "UPDATE handoff SET state = 'assigned', assigned_user_id = $2, assigned_at = now() "
        "WHERE conversation_id = $1 AND state <> 'ended' RETURNING *",
        thread.id,
        who.user_id,
    )
    if row is None:
        row = await _open_assigned(
            tx, thread, Reason.TAKEN_OVER, "A human agent took over.", who.user_id
        )
    tell_handoff(tx, HandoffAssigned, row)
    await observability.audit(
        tx,
        "conversation.taken_over",
        "conversation",
        str(thread.id),
        user_id=who.user_id,
        request_id=who.request_id,
    )
    return await _ownership(tx, thread.id, ai_in_flight=ai_in_flight)


async def reply(
    tx: Transaction,
    conversation_id: UUID,
    who: Principal,
    text: str,
    client_key: str | None,
    *,
    draft_id: UUID | None = None,
) -> MessagePublic:
    """Send a human agent's text. The same `client_key` again gives the same message.

    Args:
        draft_id: the suggestion, or the handoff, whose draft it was made from.

    Raises:
        NoSuchConversation, ConversationClosed: there is nothing to reply to.
        NoSuchDraft: there is no such draft in this conversation.
        NotTakenOver: the AI has it. NotYours: a colleague has it.
        WindowClosed: the contact wrote too long ago. KeyReused: the key was for another message.
    """
    thread = await lock(tx, conversation_id)
    drafts = await drafts_for(tx, conversation_id, draft_id)
    if client_key is not None and (earlier := await _sent_before(tx, thread, client_key, text)):
        return earlier
    _must_own(thread, who)
    if not is_open(thread.last_inbound_at, thread.now):
        raise WindowClosed("The contact last wrote more than 24 hours ago.")
    thread = await withdraw(tx, thread)
    turn_id = await write_turn(
        tx,
        thread,
        NewTurn(outcome=TurnOutcome.REPLIED, by=Actor.HUMAN_AGENT, user_id=who.user_id),
    )
    await settle(tx, thread.id)
    new = NewMessage(
        text=text,
        author=Actor.HUMAN_AGENT,
        user_id=who.user_id,
        turn_id=turn_id,
        client_key=client_key,
    )
    try:
        message_id = await send_message(tx, thread, new)
    except asyncpg.UniqueViolationError:
        # The same key in another conversation, at this very moment.
        raise KeyReused("This Idempotency-Key was used for another message.") from None
    for draft in drafts:
        await record_use(tx, thread, draft, sent=text, message_id=message_id, user_id=who.user_id)
    return await conversation.get_message(tx, message_id)


async def release(tx: Transaction, conversation_id: UUID, who: Principal) -> Ownership:
    """Give a conversation back to the AI, which answers what nobody has answered yet.

    Raises:
        NoSuchConversation, ConversationClosed, NotTakenOver, NotYours.
    """
    thread = await lock(tx, conversation_id)
    _must_own(thread, who)
    await _end_handoff(tx, thread.id, "released")
    await change_owner(tx, thread, Change(status=Status.ACTIVE))
    return await _ownership(tx, thread.id, ai_in_flight=False)


async def close(tx: Transaction, conversation_id: UUID, who: Principal, reason: str) -> Ownership:
    """End a conversation, whoever has it; a human agent may not end a colleague's.

    Raises:
        NoSuchConversation, ConversationClosed, NotYours.
    """
    thread = await lock(tx, conversation_id)
    if thread.status is Status.WITH_HUMAN:
        _must_own(thread, who)
    ai_in_flight = await conversation.close(
        tx, thread, by=Actor.HUMAN_AGENT, reason=clean(reason), user_id=who.user_id
    )
    return await _ownership(tx, thread.id, ai_in_flight=ai_in_flight)


async def reopen(tx: Transaction, conversation_id: UUID) -> Ownership:
    """Open a closed conversation again, for the AI.

    Raises:
        NoSuchConversation, AnotherIsOpen.
    """
    thread = await lock(tx, conversation_id)
    await conversation.reopen(tx, thread)
    return await _ownership(tx, thread.id, ai_in_flight=False)


async def answered_from_phone(tx: Transaction, conversation_id: UUID) -> None:
    """Somebody answered from the phone app: that is a takeover, and covers what was open."""
    thread = await lock(tx, conversation_id)
    if thread.status is Status.CLOSED:
        return
    thread = await withdraw(tx, thread)
    await write_turn(
        tx,
        thread,
        NewTurn(
            outcome=TurnOutcome.HANDOFF, by=Actor.HUMAN_AGENT, reason="answered in the phone app"
        ),
    )
    if thread.status is Status.WITH_HUMAN:
        await settle(tx, thread.id)
        return
    await change_owner(tx, thread, Change(status=Status.WITH_HUMAN, handled_seq=thread.inbound_seq))
    # Nobody of the desk has it, but it waits for nobody either.
    row = await _open_assigned(
        tx, thread, Reason.PHONE_APP, "Somebody answered in the phone app.", None
    )
    tell_handoff(tx, HandoffOpened, row)


async def get_handoff(tx: Transaction, conversation_id: UUID) -> HandoffPublic:
    """The newest handoff of a conversation; raises `NoSuchConversation`, `NeverHandedOver`."""
    row = await tx.sql.fetchrow(
        "SELECT * FROM handoff WHERE conversation_id = $1 ORDER BY id DESC LIMIT 1",
        conversation_id,
    )
    if row is None:
        await get_conversation(tx, conversation_id)
        raise NeverHandedOver
    return HandoffPublic.model_validate({**row, "packet": loads(row["packet"])})


async def list_waiting(tx: Transaction) -> list[HandoffPublic]:
    """The queue: handoffs nobody has, most urgent and longest waiting first, at most 200."""
    rows = await tx.sql.fetch(
        "SELECT * FROM handoff WHERE state = 'waiting' ORDER BY urgency DESC, id LIMIT 200"
    )
    return [HandoffPublic.model_validate({**row, "packet": loads(row["packet"])}) for row in rows]


async def end_handoff(tx: Transaction, event: conversation.ConversationHasClosed) -> None:
    """Subscriber: a closed conversation needs nobody."""
    await _end_handoff(tx, event.conversation_id, "closed")


async def look_after_failed_send(tx: Transaction, event: OutboundFailed) -> None:
    """Subscriber: an answer of the AI that will not arrive becomes a person's business."""
    if event.origin != Actor.AGENT:
        return
    thread = await lock(tx, event.conversation_id)
    if thread.status is not Status.ACTIVE:
        return
    packet = plain_packet(
        contact_lines=[],
        agent_lines=[],
        reasoning=f"The answer could not be delivered: {event.reason}",
        suggested_next_action="See why, and reach the contact another way if need be.",
    )
    await hand_off(
        tx,
        thread,
        Escalation(Reason.SEND_FAILED, f"The answer could not be delivered: {event.reason}"),
        packet,
        handled_seq=thread.handled_seq,
        notices=None,
    )


async def send_member_away(tx: Transaction, event: MemberDisabled) -> None:
    """Subscriber: whoever may not sign in gets no new conversations."""
    row = await tx.sql.fetchrow(
        "UPDATE availability SET presence = $2 WHERE user_id = $1 RETURNING *",
        event.user_id,
        Presence.AWAY,
    )
    if row is not None:
        tell_availability(tx, row)


def _must_own(thread: Locked, who: Principal) -> None:
    if thread.status is Status.CLOSED:
        raise ConversationClosed("The conversation is closed.")
    if thread.status is Status.ACTIVE:
        raise NotTakenOver("The AI has this conversation; take it over first.")
    if thread.assigned_user_id != who.user_id and who.role is not Role.ADMIN:
        raise NotYours("Another human agent has this conversation, or it waits to be taken over.")


async def _open_assigned(
    tx: Transaction, thread: Locked, reason: Reason, rule: str, user_id: UUID | None
) -> Any:
    lines = await tx.sql.fetch(
        "SELECT id, author, text FROM message WHERE conversation_id = $1 "
        "ORDER BY created_at DESC, id DESC LIMIT 10",
        thread.id,
    )
    packet = plain_packet(
        contact_lines=[
            (str(row["id"]), row["text"]) for row in reversed(lines) if row["author"] == "contact"
        ],
        agent_lines=[row["text"] for row in reversed(lines) if row["author"] == "agent"],
        reasoning=rule,
        memory=await find_memory(tx, thread.id),
    )
    return await tx.sql.fetchrow(
        "INSERT INTO handoff (id, conversation_id, reason, rule, packet, state, assigned_user_id, "
        "assigned_at) VALUES ($1, $2, $3, $4, $5, 'assigned', $6, now()) RETURNING *",
        ids.new(),
        thread.id,
        reason,
        rule,
        dumps(packet.storable()),
        user_id,
    )


async def _end_handoff(tx: Transaction, conversation_id: UUID, reason: str) -> None:
    row = await tx.sql.fetchrow(
        "UPDATE handoff SET state = 'ended', ended_at = now(), end_reason = $2 "
        "WHERE conversation_id = $1 AND state <> 'ended' RETURNING *",
        conversation_id,
        reason,
    )
    if row is None:
        return
    if row["assigned_user_id"] is not None:
        await give_place_back(tx, row["assigned_user_id"])
    tell_handoff(tx, HandoffEnded, row)


async def _sent_before(
    tx: Transaction, thread: Locked, client_key: str, text: str
) -> MessagePublic | None:
    row = await tx.sql.fetchrow(
        "SELECT id, conversation_id FROM outbound WHERE client_key = $1", client_key
    )
    if row is None:
        return None
    message = await conversation.get_message(tx, row["id"])
    if row["conversation_id"] != thread.id or message.text != text:
        raise KeyReused("This Idempotency-Key was used for another message.")
    return message


async def _ownership(tx: Transaction, conversation_id: UUID, *, ai_in_flight: bool) -> Ownership:
    return Ownership(
        conversation=await conversation.get_conversation(tx, conversation_id),
        ai_in_flight=ai_in_flight,
    )
