"""Changes of a conversation's thread and of who has it. Each takes the row's lock first."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from frontdesk import feed
from frontdesk.conversation.commitments import notice
from frontdesk.conversation.errors import AnotherIsOpen, ConversationClosed, NoSuchConversation
from frontdesk.conversation.events import ConversationClosed as Closed
from frontdesk.conversation.happenings import (
    ConversationAskedAgain,
    ConversationWoken,
    MessageSent,
    Renumbered,
    TurnDecided,
    tell_changed,
)
from frontdesk.conversation.inbox import STATE, STORED, message_of, state_of
from frontdesk.conversation.memory import summarise_soon
from frontdesk.conversation.models import Actor, Status, TimerKind, TurnOutcome
from frontdesk.conversation.receiving import CONVERSATION
from frontdesk.conversation.schemas import ConversationState
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.events import publish
from frontdesk.core.json import dumps
from frontdesk.core.text import excerpt
from frontdesk.gateway import estimate_tokens
from frontdesk.messaging import (
    INSERT_OUTBOUND,
    OUTBOUND,
    ContactKey,
    Content,
    NewOutbound,
    Origin,
    OutboundState,
    Text,
    cancel_pending,
    in_flight,
    note_message,
    outbound_values,
    to_wire,
)

# So much of its last message stands in the inbox.
LISTED_CHARACTERS = 200


@dataclass(frozen=True)
class Locked:
    """A conversation whose row is locked until the transaction ends."""

    id: UUID
    channel_id: UUID
    contact_id: UUID
    agent_id: UUID
    status: Status
    epoch: int
    inbound_seq: int
    handled_seq: int
    lease_token: int
    assigned_user_id: UUID | None
    language: str | None
    last_inbound_at: datetime | None
    wa_id: str | None
    bsuid: str | None
    now: datetime

    @property
    def contact(self) -> ContactKey:
        """Where messages of this conversation go."""
        return ContactKey(wa_id=self.wa_id, bsuid=self.bsuid)


LOCKED = """
k.id, k.channel_id, k.contact_id, k.agent_id, k.status, k.epoch, k.inbound_seq, k.handled_seq,
    k.lease_token, k.assigned_user_id, k.language, k.last_inbound_at, c.wa_id, c.bsuid,
    clock_timestamp() AS now
"""


def locked_of(row: Any) -> Locked:
    """What `LOCKED` says of a row."""
    values = {name: row[name] for name in Locked.__dataclass_fields__}
    return Locked(**values | {"status": Status(values["status"])})


async def lock(tx: Transaction, conversation_id: UUID) -> Locked:
    """Lock a conversation; raises `NoSuchConversation`."""
    row = await tx.sql.fetchrow(
        f"SELECT {LOCKED} FROM conversation k "  # noqa: S608  # Ours.
        "JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id "
        "WHERE k.id = $1 FOR UPDATE OF k",
        conversation_id,
    )
    if row is None:
        raise NoSuchConversation
    return locked_of(row)


@dataclass(frozen=True)
class NewTurn:
    """The outcome of a burst."""

    outcome: TurnOutcome
    by: Actor
    reason: str = ""
    user_id: UUID | None = None
    trace: tuple[dict[str, Any], ...] = ()
    agent_version: int | None = None
    prompt_version: str | None = None
    exposures: tuple[dict[str, Any], ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Any = None
    latency_seconds: float | None = None


async def write_turn(
    tx: Transaction, thread: Locked, turn: NewTurn, *, to_seq: int | None = None
) -> UUID | None:
    """Record what became of every message up to `to_seq` (default: all); None when none was open."""
    to_seq = thread.inbound_seq if to_seq is None else to_seq
    if to_seq <= thread.handled_seq:
        return None
    values = turn_values(thread.id, thread.handled_seq, to_seq, turn)
    await tx.sql.execute(INSERT_TURN, *values)
    return tell_decided(tx, values)


# Of no rows but itself, unless a FROM follows.
INSERT_TURN = """
INSERT INTO turn (id, conversation_id, from_seq, to_seq, outcome, by, user_id, reason, trace,
    agent_version, prompt_version, input_tokens, output_tokens, cost_usd, latency_seconds, exposures)
SELECT $1::uuid, $2::uuid, $3::int, $4::int, $5, $6, $7::uuid, $8, $9::jsonb,
    $10::int, $11, $12::int, $13::int, $14::numeric, $15::float8, $16::jsonb
"""


def turn_values(
    conversation_id: UUID, handled_seq: int, to_seq: int, turn: NewTurn
) -> tuple[Any, ...]:
    """What `INSERT_TURN` takes for what comes after `handled_seq`; the turn's id is the first."""
    return (
        ids.new(),
        conversation_id,
        handled_seq + 1,
        to_seq,
        turn.outcome,
        turn.by,
        turn.user_id,
        turn.reason,
        dumps(turn.trace),
        turn.agent_version,
        turn.prompt_version,
        turn.input_tokens,
        turn.output_tokens,
        turn.cost_usd,
        turn.latency_seconds,
        dumps(turn.exposures) if turn.exposures else None,
    )


def tell_decided(
    tx: Transaction, values: tuple[Any, ...], state: ConversationState | None = None
) -> UUID:
    """Put a turn on the feed that was inserted with these values; its id."""
    turn_id, conversation_id, from_seq, to_seq, outcome, by, user_id, reason = values[:8]
    cost_usd, seconds = values[13:15]
    told = TurnDecided(
        conversation_id=conversation_id,
        turn_id=turn_id,
        from_seq=from_seq,
        to_seq=to_seq,
        outcome=outcome,
        by=by,
        user_id=user_id,
        reason=reason,
        cost_usd=cost_usd,
        seconds=seconds,
        conversation=state,
    )
    feed.tell(tx, told)
    return told.turn_id


@dataclass(frozen=True)
class NewMessage:
    """A message to be sent in a conversation.

    `content` is what goes out when it is more than the text, which then says what people read of it:
    a caption, a template filled in. `media_id`: the file in it.
    """

    text: str
    author: Actor
    user_id: UUID | None = None
    turn_id: UUID | None = None
    client_key: str | None = None
    tokens: int | None = None  # None: estimated here.
    reply_to_wamid: str | None = None
    content: Content | None = None
    media_id: UUID | None = None


_ORIGINS = {
    Actor.AGENT: Origin.AGENT,
    Actor.HUMAN_AGENT: Origin.HUMAN_AGENT,
    Actor.SYSTEM: Origin.SYSTEM,
}


# Together with its way out, whose values come first.
_INSERT_MESSAGE = f"""
WITH queued AS ({INSERT_OUTBOUND})
INSERT INTO message AS m (id, conversation_id, channel_id, turn_id, direction, author, user_id, type, text,
    tokens, reply_to_wamid, created_at)
VALUES ($1, $2, $3, $4, 'out', $14, $15, $16, $17, $18, $19, clock_timestamp()) RETURNING {STORED}
"""  # noqa: S608  # Ours.


async def send_message(
    tx: Transaction,
    thread: Locked,
    message: NewMessage,
    *,
    epoch: int | None = None,
    listed: bool = False,
    marked: bool = False,
) -> UUID:
    """Write a message into the thread and make it due to be sent; its id.

    Args:
        epoch: fences what is not a person's: it is sent only while the conversation has that epoch
            (default: the thread's).
        listed: the conversation already shows it as its last word.
        marked: whoever writes it posts it, too, once this transaction has committed.
    """
    message_id, state = ids.new(), None
    content = message.content or Text(body=message.text)
    if not listed:
        row = await tx.sql.fetchrow(
            "UPDATE conversation k SET last_activity_at = now(), last_text = $2 WHERE id = $1 "  # noqa: S608  # Ours.
            f"RETURNING {STATE}",
            thread.id,
            excerpt(message.text or f"[{content.type}]", LISTED_CHARACTERS),
        )
        state = state_of(row)
    queued = NewOutbound(
        id=message_id,
        conversation_id=thread.id,
        channel_id=thread.channel_id,
        origin=_ORIGINS[message.author],
        epoch=thread.epoch if epoch is None else epoch,
        turn_id=message.turn_id,
        client_key=message.client_key,
        content=to_wire(
            thread.contact,
            content,
            callback_data=str(message_id),
            reply_to=message.reply_to_wamid,
        ),
        is_marked=marked,
    )
    stored = await tx.sql.fetchrow(
        _INSERT_MESSAGE,
        *outbound_values(queued),
        message.author,
        message.user_id,
        content.type,
        message.text,
        estimate_tokens(message.text) if message.tokens is None else message.tokens,
        message.reply_to_wamid,
    )
    if not marked:
        tx.ring(OUTBOUND, message_id)
    if message.media_id is not None:
        await note_message(tx, message.media_id, message_id)
    if message.author is not Actor.SYSTEM:
        await notice(
            tx,
            thread.id,
            message_id,
            message.text,
            by=message.author,
            user_id=message.user_id,
            language=thread.language,
        )
    assert stored is not None
    told = MessageSent(
        conversation_id=thread.id,
        message_id=message_id,
        message=message_of({**stored, "state": OutboundState.PENDING}),
        via="desk",
        conversation=state,
    )
    feed.tell(tx, told)
    return message_id


async def was_sent(tx: Transaction, client_key: str) -> bool:
    """Whether a message is on its way, or has been, under this key."""
    found = await tx.sql.fetchval("SELECT 1 FROM outbound WHERE client_key = $1", client_key)
    return found is not None


# What has been decided is never rewritten, so the turn stays; its messages move to the end of the
# line, where no turn covers them. now() is this transaction's: that of the cancellation.
_ASK_AGAIN = f"""
WITH withdrawn AS (
    SELECT t.from_seq, t.to_seq FROM turn t
    JOIN outbound o ON o.tenant_id = t.tenant_id AND o.turn_id = t.id
    WHERE t.conversation_id = $1 GROUP BY t.id, t.from_seq, t.to_seq
    HAVING bool_and(o.state = 'cancelled') AND max(o.finished_at) = now()
), again AS (
    SELECT m.id, m.created_at, row_number() OVER (ORDER BY m.seq) AS place
    FROM message m JOIN withdrawn w ON m.seq BETWEEN w.from_seq AND w.to_seq
    WHERE m.conversation_id = $1
), moved AS (
    UPDATE message m SET seq = $2::int + again.place FROM again WHERE m.id = again.id
)
UPDATE conversation k SET inbound_seq = k.inbound_seq + asked.count,
    waiting_since = least(k.waiting_since, asked.since)
FROM (SELECT count(*), min(created_at) AS since, array_agg(id ORDER BY place) AS ids FROM again)
    AS asked
WHERE k.id = $1 RETURNING {STATE}, k.inbound_seq, asked.ids
"""  # noqa: S608  # Ours.


async def _ask_again(tx: Transaction, thread: Locked, statement: str = _ASK_AGAIN) -> Locked:
    row = await tx.sql.fetchrow(statement, thread.id, thread.inbound_seq)
    assert row is not None
    if row["ids"]:
        numbered = enumerate(row["ids"], thread.inbound_seq + 1)
        told = ConversationAskedAgain(
            conversation_id=thread.id,
            messages=[Renumbered(message_id=message_id, seq=seq) for seq, message_id in numbered],
            conversation=state_of(row),
        )
        feed.tell(tx, told)
    return replace(thread, inbound_seq=row["inbound_seq"])


async def withdraw(tx: Transaction, thread: Locked) -> Locked:
    """Cancel what no person wrote and has not left; the thread as it is then.

    Messages whose answer is withdrawn have got none: they wait again, for the people who take over
    and, after them, for the AI.
    """
    withdrawn = 0
    for origin in (Origin.AGENT, Origin.SYSTEM):
        withdrawn += await cancel_pending(tx, thread.id, origin=origin)
    if not withdrawn:
        return thread
    return await _ask_again(tx, thread)


async def ask_again(tx: Transaction, conversation_id: UUID, *, decided_at: datetime) -> None:
    """Let messages wait again whose answer was still on the wire when people took over, and then
    was cancelled after all: in this transaction, for the conversation had changed hands.

    Not when a person has written since it was decided: that was the answer.
    """
    thread = await lock(tx, conversation_id)
    written = await tx.sql.fetchval(
        "SELECT 1 FROM message WHERE conversation_id = $1 AND author = 'human_agent' "
        "AND created_at > $2 LIMIT 1",
        conversation_id,
        decided_at,
    )
    if written or thread.status is Status.CLOSED:
        return
    await _ask_again(tx, thread)
    if thread.status is Status.ACTIVE:
        await tx.sql.execute(
            "UPDATE conversation SET due_at = coalesce(due_at, now()) "
            "WHERE id = $1 AND inbound_seq > handled_seq",
            thread.id,
        )
        tx.ring(CONVERSATION, thread.id)


# People were given these and have not answered them: since then the contact has waited.
_ASK_UNANSWERED = f"""
WITH again AS (
    SELECT m.id, row_number() OVER (ORDER BY m.seq) AS place
    FROM message m JOIN conversation k ON k.id = m.conversation_id
    JOIN turn t ON t.conversation_id = k.id AND m.seq BETWEEN t.from_seq AND t.to_seq
    WHERE k.id = $1 AND m.seq <= k.handled_seq AND t.outcome = 'handoff'
        AND m.created_at >= k.waiting_since
), moved AS (
    UPDATE message m SET seq = $2::int + again.place FROM again WHERE m.id = again.id
)
UPDATE conversation k SET inbound_seq = k.inbound_seq + asked.count
FROM (SELECT count(*), array_agg(id ORDER BY place) AS ids FROM again) AS asked
WHERE k.id = $1 RETURNING {STATE}, k.inbound_seq, asked.ids
"""  # noqa: S608  # Ours.


async def ask_unanswered(tx: Transaction, thread: Locked) -> Locked:
    """Let messages wait for the AI that people were given and have not answered; the thread then."""
    return await _ask_again(tx, thread, _ASK_UNANSWERED)


@dataclass(frozen=True)
class Change:
    """Who has a conversation from now on."""

    status: Status
    assigned_user_id: UUID | None = None
    handled_seq: int | None = None  # Messages up to here have their outcome.
    still_waiting: bool = False  # The contact waits on, though every message has its outcome.
    closed_by: Actor | None = None  # Both only of a closed one.
    close_reason: str | None = None


async def change_owner(tx: Transaction, thread: Locked, change: Change) -> bool:
    """Move a conversation to another state; whether an AI message is on the wire just now.

    The epoch goes up, which makes void whatever the AI was thinking or about to send: from the
    commit on no AI send starts. One on the wire can't be called back, so it is reported. The
    messages of an answer that had not left wait again.
    """
    thread = await withdraw(tx, thread)
    handled = thread.handled_seq if change.handled_seq is None else change.handled_seq
    waiting = thread.inbound_seq > handled
    active = change.status is Status.ACTIVE
    row = await tx.sql.fetchrow(
        f"""UPDATE conversation k SET status = $2, epoch = epoch + 1, assigned_user_id = $3,
            handled_seq = $4, attempts = 0, last_error = NULL, first_due_at = NULL,
            lease_until = NULL, lease_token = lease_token + 1,
            due_at = CASE WHEN $5 THEN now() END,
            waiting_since = CASE WHEN $6 THEN waiting_since END, last_activity_at = now(),
            closed_at = CASE WHEN $7::text IS NOT NULL THEN now() END, closed_by = $7,
            close_reason = $8
        WHERE id = $1 RETURNING {STATE}""",  # noqa: S608  # Ours.
        thread.id,
        change.status,
        change.assigned_user_id,
        handled,
        active and waiting,
        waiting or change.still_waiting,
        change.closed_by,
        change.close_reason,
    )
    ended = await tx.sql.fetch(
        "DELETE FROM timer WHERE conversation_id = $1 RETURNING kind", thread.id
    )
    if TimerKind.SNOOZE in {row["kind"] for row in ended}:
        feed.tell(tx, ConversationWoken(conversation_id=thread.id, by=Actor.SYSTEM))
    if active:
        # What people wrote meanwhile may be more than the agent is shown of a thread.
        await summarise_soon(tx, thread.id)
    if active and waiting:
        tx.ring(CONVERSATION, thread.id)
    tell_changed(tx, row)
    return await in_flight(tx, thread.id, origin=Origin.AGENT)


async def close(
    tx: Transaction, thread: Locked, *, by: Actor, reason: str, user_id: UUID | None = None
) -> bool:
    """End a conversation, with an outcome for whatever is still open; `change_owner`'s answer.

    Raises:
        ConversationClosed: it has ended already.
    """
    if thread.status is Status.CLOSED:
        raise ConversationClosed("The conversation is closed already.")
    thread = await withdraw(tx, thread)
    await write_turn(
        tx,
        thread,
        NewTurn(
            outcome=TurnOutcome.HANDOFF if by is Actor.HUMAN_AGENT else TurnOutcome.IGNORED,
            by=by,
            reason=f"closed: {reason}",
            user_id=user_id,
        ),
    )
    closed = Change(
        status=Status.CLOSED, handled_seq=thread.inbound_seq, closed_by=by, close_reason=reason
    )
    ai_in_flight = await change_owner(tx, thread, closed)
    await publish(
        tx,
        Closed(
            tenant_id=tx.tenant_id,
            conversation_id=thread.id,
            by=by,
            reason=reason,
            user_id=user_id,
        ),
    )
    return ai_in_flight


async def reopen(tx: Transaction, thread: Locked) -> None:
    """Give a closed conversation back to the AI.

    Raises:
        AnotherIsOpen: the contact has a newer, open one on this channel.
    """
    if thread.status is not Status.CLOSED:
        return
    other = await tx.sql.fetchval(
        "SELECT id FROM conversation WHERE channel_id = $1 AND contact_id = $2 "
        "AND status <> 'CLOSED'",
        thread.channel_id,
        thread.contact_id,
    )
    if other is not None:
        raise AnotherIsOpen("The contact has an open conversation.", conversation_id=str(other))
    try:
        await change_owner(tx, thread, Change(status=Status.ACTIVE))
    except asyncpg.UniqueViolationError:
        # The contact wrote at this very moment and opened a new one.
        raise AnotherIsOpen("The contact has an open conversation.") from None


async def assign(tx: Transaction, conversation_id: UUID, user_id: UUID | None) -> None:
    """Let a conversation that is with people be somebody's, or nobody's; its lock is held."""
    row = await tx.sql.fetchrow(
        "UPDATE conversation k SET assigned_user_id = $2 "  # noqa: S608  # Ours.
        f"WHERE id = $1 RETURNING {STATE}",
        conversation_id,
        user_id,
    )
    tell_changed(tx, row)


async def settle(tx: Transaction, conversation_id: UUID) -> None:
    """A person has answered all there is: nothing waits any more; its lock is held."""
    row = await tx.sql.fetchrow(
        "UPDATE conversation k SET handled_seq = inbound_seq, waiting_since = NULL "  # noqa: S608  # Ours.
        f"WHERE id = $1 RETURNING {STATE}",
        conversation_id,
    )
    tell_changed(tx, row)
