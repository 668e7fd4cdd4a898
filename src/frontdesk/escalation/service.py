"""Handing a conversation to people and back. Every act locks the conversation's row first."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg

from frontdesk import conversation, observability
from frontdesk.agent_config import get_agent
from frontdesk.conversation import (
    Actor,
    Change,
    ConversationClosed,
    Locked,
    MessagePublic,
    NewMessage,
    NewTimer,
    NewTurn,
    Status,
    TimerKind,
    TurnOutcome,
    add_timers,
    ask_unanswered,
    change_owner,
    get_conversation,
    lock,
    notice_promises_again,
    send_message,
    settle,
    withdraw,
    write_turn,
)
from frontdesk.core import ids
from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import Invalid, NotFound
from frontdesk.core.json import dumps, loads
from frontdesk.core.text import clean
from frontdesk.escalation.assignment import (
    give_place_back,
    take_place,
)
from frontdesk.escalation.errors import (
    AlreadyTaken,
    ColleagueAnswered,
    KeyReused,
    NeverHandedOver,
    NotTakenOver,
    NotYours,
    OptedOut,
)
from frontdesk.escalation.handing_back import packet_of
from frontdesk.escalation.handing_off import gather
from frontdesk.escalation.happenings import (
    HandoffAssigned,
    HandoffEnded,
    HandoffOpened,
    tell_availability,
    tell_handoff,
)
from frontdesk.escalation.held import count_time
from frontdesk.escalation.learning import drafts_for, record_use
from frontdesk.escalation.models import Presence, Reason
from frontdesk.escalation.repetition import measure_repetition
from frontdesk.escalation.schemas import HandoffPublic, HandoffWhole, Ownership, ReplyCreate
from frontdesk.identity import MemberDisabled
from frontdesk.messaging import (
    Content,
    OutboundState,
    RetryHopeless,
    WindowClosed,
    attach,
    file_content,
    is_open,
    retry_problem,
    send_again,
    templates_that_work,
)


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
        return await ownership(tx, thread.id, ai_in_flight=False)
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
    await audit_act(tx, "conversation.taken_over", thread, who)
    return await ownership(tx, thread.id, ai_in_flight=ai_in_flight)


async def reply(
    tx: Transaction,
    conversation_id: UUID,
    who: Principal,
    body: ReplyCreate,
    client_key: str | None,
) -> MessagePublic:
    """Send what a human agent says. The same `client_key` again gives the same message.

    Raises:
        ColleagueAnswered: another human agent has written since `body.seen_message_id`.
        NoSuchConversation, ConversationClosed: there is nothing to reply to.
        NoSuchDraft: there is no such draft in this conversation.
        NotTakenOver: the AI has it. NotYours: a colleague has it.
        WindowClosed: the contact wrote too long ago. KeyReused: the key was for another message.
        NotFound, MediaNotThere, MediaSent: there is no such file to send. Invalid: it has no caption.
    """
    thread = await lock(tx, conversation_id)
    drafts = await drafts_for(tx, conversation_id, body.draft_id)
    said = (body.text, body.media_id)
    if client_key is not None and (earlier := await sent_before(tx, thread, client_key, said)):
        return earlier
    content = await _file_of(tx, thread.id, body) if body.media_id else None
    must_own(thread, who)
    if not is_open(thread.last_inbound_at, thread.now):
        raise WindowClosed(
            "The contact last wrote more than 24 hours ago.",
            templates=await templates_that_work(tx, thread.channel_id),
        )
    if body.seen_message_id is not None and not body.anyway:
        await _nobody_answered(tx, thread, body.seen_message_id, who)
    new = NewMessage(
        text=body.text,
        author=Actor.HUMAN_AGENT,
        user_id=who.user_id,
        client_key=client_key,
        content=content,
        media_id=body.media_id,
    )
    message = await say(tx, thread, new)
    for draft in drafts:
        await record_use(
            tx, thread, draft, sent=body.text, message_id=message.id, user_id=who.user_id
        )
    return message


async def say(tx: Transaction, thread: Locked, new: NewMessage) -> MessagePublic:
    """Send what a person has to say: the answer to everything that is open.

    Raises:
        KeyReused: the key of the message was for one of another conversation.
    """
    thread = await withdraw(tx, thread)
    turn_id = await write_turn(
        tx,
        thread,
        NewTurn(outcome=TurnOutcome.REPLIED, by=Actor.HUMAN_AGENT, user_id=new.user_id),
    )
    await settle(tx, thread.id)
    new = replace(new, turn_id=turn_id)
    try:
        message_id = await send_message(tx, thread, new)
    except asyncpg.UniqueViolationError:
        # The same key in another conversation, at this very moment.
        raise KeyReused("This Idempotency-Key was used for another message.") from None
    return await conversation.get_message(tx, message_id)


async def _file_of(tx: Transaction, conversation_id: UUID, body: ReplyCreate) -> Content:
    assert body.media_id is not None
    media = await attach(tx, body.media_id, conversation_id)
    try:
        return file_content(
            media.kind, str(media.id), caption=body.text or None, filename=media.filename
        )
    except ValueError as error:
        raise Invalid(f"text: {error}") from None


async def retry(tx: Transaction, message_id: UUID, who: Principal) -> MessagePublic:
    """Send a message again that failed; from then on it is the word of who says so.

    Raises:
        NotFound: there is no such message. RetryHopeless: it did not fail, or would again.
        ConversationClosed, NotTakenOver, NotYours, WindowClosed, ChannelGone: as for a reply.
        OptedOut: it is a template, and the contact wants none.
    """
    conversation_id = await tx.sql.fetchval(
        "SELECT conversation_id FROM outbound WHERE id = $1 AND to_user_id IS NULL", message_id
    )
    if conversation_id is None:
        raise NotFound(f"There is no message {message_id} that was sent.")
    thread = await lock(tx, conversation_id)
    must_own(thread, who)
    await refuse_hopeless(tx, message_id)
    if await send_again(tx, message_id):
        await notice_promises_again(tx, message_id)
    return await conversation.get_message(tx, message_id)


async def refuse_hopeless(
    tx: Transaction, message_id: UUID, *, uncertain_too: bool = False
) -> None:
    """See that sending a message again may succeed, and that its contact still wants it.

    Args:
        uncertain_too: so may one of which nobody knows whether it arrived.

    Raises:
        RetryHopeless: it did not fail, or would again.
        OptedOut: it is a template, and the contact wants none.
    """
    row = await tx.sql.fetchrow(
        "SELECT o.state, o.error_code, o.content ->> 'type' = 'template' AS is_template, "
        "k.contact_id, f.state AS media_state FROM outbound o JOIN conversation k "
        "ON k.tenant_id = o.tenant_id AND k.id = o.conversation_id LEFT JOIN media f "
        "ON f.tenant_id = o.tenant_id AND f.message_id = o.id WHERE o.id = $1",
        message_id,
    )
    assert row is not None
    state = row["state"]
    if uncertain_too and state == OutboundState.NEEDS_ATTENTION:
        state = OutboundState.FAILED
    if problem := retry_problem(state, row["error_code"], row["media_state"]):
        raise RetryHopeless(problem)
    if row["is_template"] and await conversation.is_opted_out(tx, row["contact_id"]):
        raise OptedOut("The contact wants nothing that the business starts.")


async def release(tx: Session, conversation_id: UUID, who: Principal, note: str = "") -> Ownership:
    """Give a conversation back to the AI, which answers what nobody has answered yet.

    Args:
        note: what people decided or promised; the AI is told.

    Raises:
        NoSuchConversation, ConversationClosed, NotTakenOver, NotYours.
    """
    thread = await lock(tx, conversation_id)
    must_own(thread, who)
    await _end_handoff(tx, thread.id, "released", hand_back=packet_of(note, who.user_id))
    # What a person was asked for and left unanswered would be answered by nobody.
    thread = await ask_unanswered(tx, thread)
    await change_owner(tx, thread, Change(status=Status.ACTIVE))
    await _close_in_silence(tx, thread)
    await audit_act(tx, "conversation.released", thread, who)
    return await ownership(tx, thread.id, ai_in_flight=False)


async def close(tx: Transaction, conversation_id: UUID, who: Principal, reason: str) -> Ownership:
    """End a conversation, whoever has it; a human agent may not end a colleague's.

    Raises:
        NoSuchConversation, ConversationClosed, NotYours.
    """
    thread = await lock(tx, conversation_id)
    if thread.status is Status.WITH_HUMAN:
        must_own(thread, who)
    ai_in_flight = await conversation.close(
        tx, thread, by=Actor.HUMAN_AGENT, reason=clean(reason), user_id=who.user_id
    )
    await audit_act(tx, "conversation.closed", thread, who)
    return await ownership(tx, thread.id, ai_in_flight=ai_in_flight)


async def reopen(tx: Session, conversation_id: UUID, who: Principal) -> Ownership:
    """Open a closed conversation again, for the AI.

    Raises:
        NoSuchConversation, AnotherIsOpen.
    """
    thread = await lock(tx, conversation_id)
    if thread.status is Status.CLOSED:
        await conversation.reopen(tx, thread)
        await _close_in_silence(tx, thread)
        await audit_act(tx, "conversation.reopened", thread, who)
    return await ownership(tx, thread.id, ai_in_flight=False)


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


async def get_handoff(tx: Transaction, conversation_id: UUID) -> HandoffWhole:
    """The newest handoff of a conversation; raises `NoSuchConversation`, `NeverHandedOver`."""
    row = await tx.sql.fetchrow(
        f"SELECT h.*, {_SAID_MEANWHILE} FROM handoff h WHERE conversation_id = $1 "  # noqa: S608  # Ours.
        "ORDER BY id DESC LIMIT 1",
        conversation_id,
    )
    if row is None:
        await get_conversation(tx, conversation_id)
        raise NeverHandedOver
    packet, said = loads(row["packet"]), loads(row["said_meanwhile"] or "[]")
    return HandoffWhole.model_validate({**row, "packet": packet, "said_meanwhile": said})


async def list_waiting(tx: Transaction) -> list[HandoffPublic]:
    """The queue: handoffs nobody has, most urgent and longest waiting first, at most 200."""
    rows = await tx.sql.fetch(
        "SELECT * FROM handoff WHERE state = 'waiting' ORDER BY urgency DESC, id LIMIT 200"
    )
    return [HandoffPublic.model_validate({**row, "packet": loads(row["packet"])}) for row in rows]


# Whole: who may not see a number may not see half of one that no longer looks like one.
_SAID_MEANWHILE = """
(SELECT jsonb_agg(jsonb_build_object('text', said.text, 'message_id', said.id)
        ORDER BY said.created_at, said.id)
    FROM (SELECT m.id, m.text, m.created_at FROM message m WHERE m.tenant_id = h.tenant_id
        AND m.conversation_id = h.conversation_id AND m.author = 'contact' AND m.text <> ''
        AND m.created_at > h.created_at AND m.created_at < coalesce(h.assigned_at, h.ended_at, now())
        ORDER BY m.created_at DESC, m.id DESC LIMIT 20) said) AS said_meanwhile
"""


async def end_handoff(tx: Transaction, event: conversation.ConversationHasClosed) -> None:
    """Subscriber: a closed conversation needs nobody."""
    await _end_handoff(tx, event.conversation_id, "closed")


async def send_member_away(tx: Transaction, event: MemberDisabled) -> None:
    """Subscriber: whoever may not sign in gets no new conversations."""
    row = await tx.sql.fetchrow(
        "UPDATE availability SET presence = $2, sent_away = false, presence_at = now() "
        "WHERE user_id = $1 RETURNING *",
        event.user_id,
        Presence.AWAY,
    )
    if row is not None:
        tell_availability(tx, row)


async def _nobody_answered(
    tx: Transaction, thread: Locked, seen_message_id: UUID, who: Principal
) -> None:
    row = await tx.sql.fetchrow(
        "SELECT id, user_id, extract(epoch FROM clock_timestamp() - created_at)::int AS seconds "
        "FROM message WHERE conversation_id = $1 AND author = 'human_agent' "
        "AND user_id IS DISTINCT FROM $2 AND (created_at, id) > "
        "(SELECT created_at, id FROM message WHERE conversation_id = $1 AND id = $3) "
        "ORDER BY created_at DESC, id DESC LIMIT 1",
        thread.id,
        who.user_id,
        seen_message_id,
    )
    if row is not None:
        raise ColleagueAnswered(
            f"A colleague answered {row['seconds']} s ago.",
            message_id=str(row["id"]),
            user_id=row["user_id"] and str(row["user_id"]),
            seconds_ago=row["seconds"],
        )


def must_own(thread: Locked, who: Principal) -> None:
    """Raise `ConversationClosed`, `NotTakenOver` or `NotYours` unless they have it, or are an admin."""
    if thread.status is Status.CLOSED:
        raise ConversationClosed("The conversation is closed.")
    if thread.status is Status.ACTIVE:
        raise NotTakenOver("The AI has this conversation; take it over first.")
    if thread.assigned_user_id != who.user_id and who.role is not Role.ADMIN:
        raise NotYours("Another human agent has this conversation, or it waits to be taken over.")


async def _close_in_silence(tx: Session, thread: Locked) -> None:
    """Let silence close a conversation that the AI has again, as it would after an answer."""
    agent = await get_agent(tx, thread.agent_id)
    if after := agent.config.auto_close_minutes:
        timer = NewTimer(TimerKind.AUTO_CLOSE, after)
        await add_timers(tx, replace(thread, epoch=thread.epoch + 1), [timer])


async def audit_act(
    tx: Transaction,
    act: str,
    thread: Locked,
    who: Principal,
    *,
    details: dict[str, Any] | None = None,
) -> None:
    """Write down who did something to a conversation."""
    await observability.audit(
        tx,
        act,
        "conversation",
        str(thread.id),
        user_id=who.user_id,
        details=details,
        request_id=who.request_id,
    )


async def _open_assigned(
    tx: Transaction, thread: Locked, reason: Reason, rule: str, user_id: UUID | None
) -> Any:
    packet = await gather(tx, thread.id, rule)
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


async def _end_handoff(
    tx: Transaction,
    conversation_id: UUID,
    reason: str,
    *,
    hand_back: dict[str, Any] | None = None,
) -> None:
    row = await tx.sql.fetchrow(
        "UPDATE handoff SET state = 'ended', ended_at = now(), end_reason = $2, hand_back = $3 "
        "WHERE conversation_id = $1 AND state <> 'ended' RETURNING *",
        conversation_id,
        reason,
        hand_back and dumps(hand_back),
    )
    if row is None:
        return
    if row["assigned_user_id"] is not None:
        await give_place_back(tx, row["assigned_user_id"])
    await count_time(tx, row, row["assigned_user_id"], row["assigned_at"])
    await measure_repetition(tx, row)
    tell_handoff(tx, HandoffEnded, row)


async def sent_before(
    tx: Transaction, thread: Locked, client_key: str, said: tuple[str, UUID | None] | None = None
) -> MessagePublic | None:
    """The message that was sent under a key before, if there is one.

    Args:
        said: its text and file; None when they can't be told any more.

    Raises:
        KeyReused: it was another message.
    """
    row = await tx.sql.fetchrow(
        "SELECT id, conversation_id FROM outbound WHERE client_key = $1", client_key
    )
    if row is None:
        return None
    message = await conversation.get_message(tx, row["id"])
    was_said = (message.text, message.file and message.file.id)
    if row["conversation_id"] != thread.id or said not in (None, was_said):
        raise KeyReused("This Idempotency-Key was used for another message.")
    return message


async def ownership(tx: Transaction, conversation_id: UUID, *, ai_in_flight: bool) -> Ownership:
    """A conversation as it is now, after it changed hands."""
    return Ownership(
        conversation=await conversation.get_conversation(tx, conversation_id),
        ai_in_flight=ai_in_flight,
    )
