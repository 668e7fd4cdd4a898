"""Giving a conversation to people, by itself or by a rule. The conversation's row is locked first."""

from dataclasses import dataclass
from uuid import UUID

from frontdesk import conversation
from frontdesk.agent_config import Priority
from frontdesk.conversation import (
    Actor,
    Change,
    Locked,
    NewMessage,
    PriorityChanged,
    SilenceNeedsPerson,
    Status,
    change_owner,
    find_memory,
    list_promises,
    lock,
    send_message,
    was_sent,
)
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps
from frontdesk.escalation.assignment import (
    HANDOFF,
    PRIORITIES,
    Need,
    find_teams,
    is_anybody_ahead,
    need_of,
    pick_human_agent,
    ring_waiting,
    urgency_of,
)
from frontdesk.escalation.happenings import HandoffOpened, HandoffReprioritised, tell_handoff
from frontdesk.escalation.models import HandoffState, Reason
from frontdesk.escalation.packet import Packet, plain_packet
from frontdesk.escalation.presence import is_anybody_online
from frontdesk.escalation.queueing import Standing, look_ahead
from frontdesk.escalation.rules import Escalation
from frontdesk.messaging import OutboundFailed, is_open


@dataclass(frozen=True)
class Notices:
    """What the contact is told once, when people take over: somebody is there, or nobody is.

    With `once_as` nothing is said when something has been under the same key, with
    `nobody_once_as` only not that nobody is there.

    Args:
        in_queue, wait: added when everybody who is there is busy; they hold `{position}` and
            `{minutes}`.
        question: added whenever they have to wait.
    """

    somebody_online: str
    nobody_online: str
    in_queue: str = ""
    wait: str = ""
    question: str = ""
    once_as: str | None = None
    nobody_once_as: str | None = None

    def while_waiting(self, standing: Standing) -> str:
        """What a contact is told for whom nobody is free."""
        parts = [self.somebody_online]
        parts += [self.in_queue.replace("{position}", str(standing.position))]
        if standing.minutes is not None:
            parts += [self.wait.replace("{minutes}", str(standing.minutes))]
        return " ".join(part for part in [*parts, self.question] if part)

    def while_nobody_is_there(self) -> str:
        """What a contact is told when no human agent is."""
        return " ".join(part for part in (self.nobody_online, self.question) if part)


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
    packet = packet.with_promises(await list_promises(tx, thread.id))
    urgency = await _urgency(tx, thread, escalation.priority)
    need = await need_of(tx, thread, await find_teams(tx, escalation.team, escalation.skill))
    user_id, text, once_as = None, "", None
    if await is_anybody_ahead(tx, urgency):
        tx.ring(HANDOFF, handoff_id)
    else:
        user_id = await pick_human_agent(tx, need)
    if notices is not None and is_open(thread.last_inbound_at, thread.now):
        text, once_as = await _what_to_say(tx, notices, need, urgency, assigned=user_id is not None)
    # The thread's row lock keeps two of the same key from passing here side by side.
    if once_as is not None and await was_sent(tx, once_as):
        text = ""
    if not text or user_id is not None:
        packet = packet.model_copy(update={"question_meanwhile": ""})  # Nobody was asked.
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
    if text:
        notice = NewMessage(text=text, author=Actor.SYSTEM, client_key=once_as)
        await send_message(tx, thread, notice, epoch=thread.epoch + 1)
    tell_handoff(tx, HandoffOpened, opened)
    return handoff_id


async def _urgency(tx: Transaction, thread: Locked, wanted: Priority) -> int:
    """How urgent a handoff is: as the rule says, or as people have said of the conversation."""
    said = await tx.sql.fetchval("SELECT priority FROM conversation WHERE id = $1", thread.id)
    urgency = max(PRIORITIES.index(wanted), urgency_of(said))
    if urgency > urgency_of(said):
        priority = conversation.Priority(PRIORITIES[urgency])
        await conversation.set_priority(tx, thread.id, priority, user_id=None)
    return urgency


async def _what_to_say(
    tx: Transaction, notices: Notices, need: Need, urgency: int, *, assigned: bool
) -> tuple[str, str | None]:
    """What the contact is told, and the key under which that is said once."""
    if assigned:
        return notices.somebody_online, notices.once_as
    if not await is_anybody_online(tx, need.team_ids):
        return notices.while_nobody_is_there(), notices.nobody_once_as or notices.once_as
    standing = await look_ahead(tx, need.team_ids, urgency)
    return notices.while_waiting(standing), notices.once_as


async def look_after_silence(tx: Transaction, event: SilenceNeedsPerson) -> None:
    """Subscriber: a conversation that silence should not close waits for a person."""
    thread = await lock(tx, event.conversation_id)
    await hand_off(
        tx,
        thread,
        Escalation(Reason.MODEL_ASKED, f"The contact has fallen silent: {event.reason}"),
        await gather(tx, thread.id, event.reason),
        handled_seq=thread.handled_seq,
        notices=None,
    )


async def reprioritise(tx: Transaction, event: PriorityChanged) -> None:
    """Subscriber: what waits for people waits at the place of its priority."""
    row = await tx.sql.fetchrow(
        "UPDATE handoff SET urgency = $2 WHERE conversation_id = $1 AND state <> 'ended' "
        "RETURNING *",
        event.conversation_id,
        urgency_of(event.priority),
    )
    if row is not None:
        tell_handoff(tx, HandoffReprioritised, row)
        await ring_waiting(tx)


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


async def gather(tx: Transaction, conversation_id: UUID, reasoning: str) -> Packet:
    """What people get without a model: the last messages and what is remembered."""
    lines = await tx.sql.fetch(
        "SELECT id, author, text FROM message WHERE conversation_id = $1 "
        "ORDER BY created_at DESC, id DESC LIMIT 10",
        conversation_id,
    )
    return plain_packet(
        contact_lines=[
            (str(row["id"]), row["text"]) for row in reversed(lines) if row["author"] == "contact"
        ],
        agent_lines=[row["text"] for row in reversed(lines) if row["author"] == "agent"],
        reasoning=reasoning,
        memory=await find_memory(tx, conversation_id),
    ).with_promises(await list_promises(tx, conversation_id))
