"""What webhooks tell, written into threads. Everything here may be told twice and changes once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.contacts import (
    KnownContact,
    find_or_create_contact,
    move_alias,
    opt_out,
)
from frontdesk.conversation.feedback import take_reaction
from frontdesk.conversation.happenings import (
    ConversationOpened,
    ConversationWoken,
    HistoryReceived,
    MessageChanged,
    MessageSent,
    tell_changed,
    tell_received,
)
from frontdesk.conversation.inbox import (
    NEVER_UNREAD,
    STATE,
    STORED,
    get_conversation,
    get_message,
    message_of,
    state_of,
)
from frontdesk.conversation.memory import forget_message
from frontdesk.conversation.models import Actor, Direction, Status
from frontdesk.conversation.schemas import ConversationState
from frontdesk.conversation.survey_answers import take_answer
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.json import dumps
from frontdesk.core.text import excerpt
from frontdesk.gateway import count_tokens
from frontdesk.messaging import (
    ChannelRef,
    ContactKey,
    Echo,
    HistoryMessage,
    IdentityChange,
    InboundMessage,
    MediaRef,
    MessageEdit,
    MessageRevoke,
    PreferenceChange,
    delete_of_message,
    receive_media,
)

CONVERSATION = "conversation.turn"
# A message that reaches us later than this is stored and shown, but an answer would only confuse.
STALE_AFTER = timedelta(hours=24)
# The timer of the worker that received a message must not fire before the row is due.
_RING_MARGIN_SECONDS = 0.005


@dataclass(frozen=True)
class Debounce:
    """How long to wait for a burst to end, in seconds: after its last and from its first message."""

    quiet_seconds: float
    longest_seconds: float


async def known_messages(
    connection: Connection, told: Sequence[tuple[UUID, UUID, str]]
) -> set[tuple[UUID, str]]:
    """The (channel id, wamid) of those (tenant id, channel id, wamid) that are stored already."""
    if not told:
        return set()
    rows = await connection.fetch(
        "SELECT m.channel_id, m.wamid FROM unnest($1::uuid[], $2::uuid[], $3::text[]) "
        "AS told (tenant_id, channel_id, wamid) JOIN message m USING (tenant_id, channel_id, wamid)",
        *map(list, zip(*told, strict=True)),
    )
    return {(row["channel_id"], row["wamid"]) for row in rows}


# The conversation is opened or goes on, is made due and keeps the message, which ends the silence
# its timers wait for. Had another worker just stored the same message, its key would refuse it and
# with it all of this. A message's time, here and wherever one is stored, is that of its being stored
# under the conversation's lock, so that a thread only grows at its end: now() is when a whole batch
# began, and others may have been read and answered since. (History, which nobody is to answer or to
# have read, takes no lock.)
_RECEIVE = f"""
WITH thread AS (
    INSERT INTO conversation AS k (id, channel_id, contact_id, agent_id, inbound_seq, first_due_at,
        due_at, waiting_since, last_inbound_at, last_text, previous_id, awaits_until, traceparent)
    VALUES ($1, $2, $3, $4, 1, now(), now() + make_interval(secs => greatest(least($5::float8,
        $6::float8), $18::float8)), now(), $7::timestamptz, $8::text,
        (SELECT b.id FROM conversation b WHERE b.contact_id = $3
            AND b.channel_id = $2 AND b.status = 'CLOSED' ORDER BY b.id DESC LIMIT 1),
        now() + make_interval(secs => $18), $19)
    ON CONFLICT (tenant_id, channel_id, contact_id) WHERE status <> 'CLOSED' DO UPDATE SET
        inbound_seq = k.inbound_seq + 1,
        first_due_at = coalesce(k.first_due_at, now()),
        -- After a failed attempt the pause before the next one holds for newer messages too.
        due_at = CASE WHEN k.status = 'ACTIVE' THEN
            greatest(CASE WHEN k.attempts > 0 THEN k.due_at END, k.awaits_until,
                excluded.awaits_until, least(coalesce(k.first_due_at, now()) + make_interval(secs => $6),
                      now() + make_interval(secs => $5))) END,
        waiting_since = coalesce(k.waiting_since, now()),
        last_inbound_at = greatest(k.last_inbound_at, $7),
        last_activity_at = now(), last_text = $8,
        awaits_until = coalesce(excluded.awaits_until, k.awaits_until), traceparent = $19
    RETURNING {STATE}, k.inbound_seq, extract(epoch FROM k.due_at - now())::float8 AS wait_seconds
), kept AS (
    INSERT INTO message AS m (id, conversation_id, channel_id, direction, author, seq, wamid, type,
        text, media, payload, reply_to_wamid, provider_at, tokens, created_at)
    SELECT $9, conversation_id, $2, 'in', 'contact', inbound_seq, $10, $11, $12, $13::jsonb,
        $14::jsonb, $15, $16, $17, clock_timestamp()
    FROM thread RETURNING {STORED}
), ended AS (
    DELETE FROM timer USING thread WHERE timer.conversation_id = thread.conversation_id
    RETURNING kind
)
SELECT thread.*, kept.*, 'snooze' IN (SELECT kind FROM ended) AS woken FROM thread, kept
"""  # noqa: S608  # Ours.


async def receive_message(
    tx: Transaction,
    channel: ChannelRef,
    message: InboundMessage,
    debounce: Debounce,
    *,
    limited: bool = False,
    waits_seconds: float | None = None,
    traceparent: str | None = None,
) -> UUID | None:
    """Put a contact's message, which is not known yet, into its conversation and make that due.

    Gives the conversation when people have it, and the message waits for their answer or is over
    the rate limit.

    A message that wants no answer (a reaction, a group's, one too old or over the rate limit) is
    stored and shown with the reason, and makes nothing due.

    Args:
        waits_seconds: how long the burst waits for this message's file; None: it does not.
        traceparent: the span that takes it in, which the turn goes on from.

    Raises:
        asyncpg.UniqueViolationError: another worker stored it at this moment; the transaction is
            lost, and once it has been rolled back the message is known.
    """
    contact = await find_or_create_contact(
        tx, message.sender, name=message.profile_name, username=message.username
    )
    ignored = _ignored_reason(message, limited)
    if ignored is None and await take_answer(tx, channel.id, contact.id, message):
        ignored = "survey"
    if ignored is not None:
        await take_reaction(tx, channel, contact.id, message)
        thread_id = await _find_thread(tx, channel, contact)
        row = await _keep_ignored(tx, channel, thread_id, message, ignored)
    else:
        row = await _receive(tx, channel, contact, message, debounce, waits_seconds, traceparent)
    if message.media is not None:
        await receive_media(
            tx,
            channel.id,
            row["conversation_id"],
            row["id"],
            message.type,
            message.media,
            limited=limited,
            awaited=waits_seconds is not None and not ignored,
        )
    tell_received(tx, contact.id, row)
    is_for_people = ignored in (None, "rate_limited") and row["status"] == Status.WITH_HUMAN
    return row["conversation_id"] if is_for_people else None


async def _receive(
    tx: Transaction,
    channel: ChannelRef,
    contact: KnownContact,
    message: InboundMessage,
    debounce: Debounce,
    waits_seconds: float | None,
    traceparent: str | None,
) -> Any:
    new_id = ids.new()
    row = await tx.sql.fetchrow(
        _RECEIVE,
        new_id,
        channel.id,
        contact.id,
        channel.agent_id,
        debounce.quiet_seconds,
        debounce.longest_seconds,
        message.provider_at or datetime.now(UTC),
        _shown(message.text, message.type),
        ids.new(),
        message.wamid,
        message.type,
        message.text,
        _media(message.media),
        _payload(message),
        message.reply_to_wamid,
        message.provider_at,
        count_tokens(message.text),
        waits_seconds,
        traceparent,
    )
    assert row is not None
    thread_id = row["conversation_id"]
    if row["wait_seconds"] is not None:
        wait = max(0.0, row["wait_seconds"]) + _RING_MARGIN_SECONDS
        tx.ring(CONVERSATION, thread_id, wait)
    if thread_id == new_id:
        await _tell_opened(tx, thread_id)
    if row["woken"]:
        feed.tell(tx, ConversationWoken(conversation_id=thread_id, by=Actor.CONTACT))
    return row


async def receive_echo(tx: Transaction, channel: ChannelRef, echo: Echo) -> UUID | None:
    """Store what a human agent wrote in the phone app; the conversation's id, None when known."""
    known = await tx.sql.fetchval(
        "SELECT 1 FROM message WHERE channel_id = $1 AND wamid = $2 "
        "UNION ALL SELECT 1 FROM outbound WHERE channel_id = $1 AND wamid = $2",
        channel.id,
        echo.wamid,
    )
    if known or not echo.recipient.is_known:
        return None
    contact = await find_or_create_contact(tx, echo.recipient)
    state = await _open_thread(tx, channel, contact)
    stored = await _insert_copy(
        tx, channel, state.id, echo, direction="out", author="human_agent", ignored=None
    )
    if stored is None:
        return None
    told = MessageSent(
        conversation_id=state.id,
        message_id=stored["id"],
        message=message_of(stored),
        via="phone_app",
        conversation=state,
    )
    feed.tell(tx, told)
    return state.id


async def receive_history(tx: Transaction, channel: ChannelRef, item: HistoryMessage) -> None:
    """Store a message from before the number was connected; it is shown and never answered.

    A later part of the history may complete an earlier one without saying whose it is; what
    belongs to nobody has no thread to stand in.
    """
    if not item.contact.is_known:
        return
    contact = await find_or_create_contact(tx, item.contact)
    thread_id = await _find_thread(tx, channel, contact)
    stored = await _insert_copy(
        tx,
        channel,
        thread_id,
        item,
        direction="out" if item.from_business else "in",
        author="human_agent" if item.from_business else "contact",
        ignored="history",
    )
    if stored is not None:
        feed.tell(tx, HistoryReceived(conversation_id=thread_id))


async def edit_message(tx: Transaction, channel: ChannelRef, edit: MessageEdit) -> bool:
    """Replace a message's text by what its sender made of it; False when we do not have it (yet)."""
    changed = await _change_message(
        tx,
        channel,
        edit.original_wamid,
        "text = $3, tokens = $5, edited_at = coalesce($4, now())",
        edit.text,
        edit.provider_at,
    )
    return changed is not None


async def revoke_message(tx: Transaction, channel: ChannelRef, revoke: MessageRevoke) -> bool:
    """Forget the text of a message its sender took back: people and prompts see it no more.

    False when we do not have it (yet).
    """
    message_id = await _change_message(
        tx,
        channel,
        revoke.original_wamid,
        "text = $3, tokens = $5, media = NULL, payload = NULL, revoked_at = coalesce($4, now())",
        "",
        revoke.provider_at,
    )
    if message_id is not None:
        await delete_of_message(tx, message_id)
    return message_id is not None


async def change_identity(tx: Transaction, change: IdentityChange) -> None:
    """Follow a contact to a new phone number or user id."""
    await move_alias(tx, change.old, change.new)


async def change_preference(tx: Transaction, change: PreferenceChange) -> None:
    """Keep that a contact stopped or resumed messages the business starts."""
    if not change.contact.is_known:
        return
    contact = await find_or_create_contact(tx, change.contact)
    stopped = change.value == "stop"
    await opt_out(tx, contact.id, change.provider_at or datetime.now(UTC) if stopped else None)


def _ignored_reason(message: InboundMessage, limited: bool) -> str | None:
    if message.ignored_reason is not None:
        return str(message.ignored_reason)
    if message.provider_at and datetime.now(UTC) - message.provider_at > STALE_AFTER:
        return "stale"
    return "rate_limited" if limited else None


async def _open_thread(
    tx: Transaction, channel: ChannelRef, contact: KnownContact
) -> ConversationState:
    """The open conversation with a contact, made when there is none; its row is locked."""
    new_id = ids.new()
    row = await tx.sql.fetchrow(
        "INSERT INTO conversation AS k (id, channel_id, contact_id, agent_id) "  # noqa: S608  # Ours.
        "VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (tenant_id, channel_id, contact_id) WHERE status <> 'CLOSED' "
        f"DO UPDATE SET last_activity_at = now() RETURNING {STATE}",
        new_id,
        channel.id,
        contact.id,
        channel.agent_id,
    )
    state = state_of(row)
    if state.id == new_id:
        await _tell_opened(tx, new_id)
    return state


async def _find_thread(tx: Transaction, channel: ChannelRef, contact: KnownContact) -> UUID:
    """The newest conversation with a contact, open or not; a closed one is made when there is none.

    What wants no answer must not open a conversation that would stand in the inbox.
    """
    found: UUID | None = await tx.sql.fetchval(
        "SELECT id FROM conversation WHERE channel_id = $1 AND "
        "contact_id = $2 ORDER BY (status <> 'CLOSED') DESC, id DESC LIMIT 1",
        channel.id,
        contact.id,
    )
    if found is None:
        found = ids.new()
        await tx.sql.execute(
            "INSERT INTO conversation (id, channel_id, contact_id, agent_id, status, closed_at, "
            "closed_by, close_reason) VALUES ($1, $2, $3, $4, 'CLOSED', now(), 'system', "
            "'never_open')",
            found,
            channel.id,
            contact.id,
            channel.agent_id,
        )
        await _tell_opened(tx, found)
    return found


async def _tell_opened(tx: Transaction, conversation_id: UUID) -> None:
    opened = await get_conversation(tx, conversation_id)
    feed.tell(tx, ConversationOpened(conversation_id=conversation_id, conversation=opened))


async def _keep_ignored(
    tx: Transaction,
    channel: ChannelRef,
    thread_id: UUID,
    message: InboundMessage,
    reason: str,
) -> Any:
    return await tx.sql.fetchrow(
        "WITH shown AS (UPDATE conversation k SET last_activity_at = now() "  # noqa: S608  # Ours.
        f"WHERE id = $2 RETURNING {STATE}), "
        "kept AS (INSERT INTO message AS m (id, conversation_id, channel_id, direction, author, "
        "wamid, ignored_reason, type, text, media, payload, reply_to_wamid, provider_at, tokens, "
        "created_at) SELECT $1, conversation_id, $3, 'in', 'contact', $4, $5, $6, $7, $8, $9, $10, "
        f"$11, $12, clock_timestamp() FROM shown RETURNING {STORED}) SELECT * FROM shown, kept",
        ids.new(),
        thread_id,
        channel.id,
        message.wamid,
        reason,
        message.type,
        message.text,
        _media(message.media),
        _payload(message),
        message.reply_to_wamid,
        message.provider_at,
        count_tokens(message.text),
    )


async def _insert_copy(
    tx: Transaction,
    channel: ChannelRef,
    conversation_id: UUID,
    item: Echo | HistoryMessage,
    *,
    direction: str,
    author: str,
    ignored: str | None,
) -> Any:
    stored = await tx.sql.fetchrow(
        "INSERT INTO message AS m (id, conversation_id, channel_id, direction, author, wamid, "  # noqa: S608  # Ours.
        "ignored_reason, type, text, media, provider_at, tokens, created_at) VALUES "
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, clock_timestamp()) "
        f"ON CONFLICT (tenant_id, channel_id, wamid) DO NOTHING RETURNING {STORED}",
        ids.new(),
        conversation_id,
        channel.id,
        direction,
        author,
        item.wamid,
        ignored,
        item.type,
        item.text,
        _media(item.media),
        item.provider_at,
        count_tokens(item.text),
    )
    if stored is not None and item.media is not None:
        await receive_media(
            tx,
            channel.id,
            conversation_id,
            stored["id"],
            item.type,
            item.media,
            hurries=ignored is None,
        )
    return stored


async def _change_message(
    tx: Transaction,
    channel: ChannelRef,
    wamid: str,
    assignments: str,
    text: str,
    at: datetime | None,
) -> UUID | None:
    """The message that was changed; None when we do not have it (yet)."""
    # The conversation first, as everywhere.
    await tx.sql.execute(
        "SELECT k.id FROM message m JOIN conversation k ON k.tenant_id = m.tenant_id "
        "AND k.id = m.conversation_id WHERE m.channel_id = $1 AND m.wamid = $2 FOR UPDATE OF k",
        channel.id,
        wamid,
    )
    row = await tx.sql.fetchrow(
        f"UPDATE message m SET {assignments} FROM message before "  # noqa: S608  # Our own words.
        "WHERE m.channel_id = $1 AND m.wamid = $2 "
        "AND before.tenant_id = m.tenant_id AND before.id = m.id "
        "RETURNING m.id, m.conversation_id, m.type, before.text AS said, "
        "before.revoked_at IS NULL AS was_there",
        channel.id,
        wamid,
        text,
        at,
        count_tokens(text),
    )
    if row is None:
        return None
    message = await get_message(tx, row["id"])
    await forget_message(tx, row["conversation_id"], message.id)
    shown = await tx.sql.fetchrow(
        f"UPDATE conversation k SET last_text = $2 WHERE id = $1 AND last_text = $3 "  # noqa: S608  # Ours.
        f"RETURNING {STATE}",
        row["conversation_id"],
        _shown(text, row["type"]),
        _shown(row["said"], row["type"]),
    )
    told = MessageChanged(
        conversation_id=row["conversation_id"],
        message_id=message.id,
        message=message,
        was_unread=message.direction is Direction.IN
        and row["was_there"]
        and message.revoked_at is not None
        and message.ignored_reason not in NEVER_UNREAD,
    )
    feed.tell(tx, told)
    if shown is not None:
        tell_changed(tx, shown)
    return message.id


def _shown(text: str, type_: str) -> str:
    """What the inbox shows of a message."""
    return excerpt(text or f"[{type_}]", 200)


def _payload(message: InboundMessage) -> str | None:
    """What only some kinds of messages carry."""
    payload = {
        name: value
        for name, value in (
            ("subtype", message.subtype),
            ("button_id", message.button_id),
            ("referral", message.referral),
            ("referred_product", message.referred_product),
            ("group_id", message.group_id),
            ("forwarded", message.forwarded or None),
        )
        if value is not None
    }
    return dumps(payload) if payload else None


def _media(media: MediaRef | None) -> str | None:
    if media is None:
        return None
    return dumps(
        {
            "id": media.id,
            "mime_type": media.mime_type,
            "sha256": media.sha256,
            "filename": media.filename,
            "voice": media.voice,
        }
    )


def sort_key(key: ContactKey) -> str:
    """The order in which messages of a batch take their conversations' locks."""
    return key.bsuid or key.wa_id or ""
