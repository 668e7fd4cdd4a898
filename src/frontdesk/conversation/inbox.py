"""What human agents look at when they open a conversation: its thread and its turns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.conversation.errors import NoSuchConversation
from frontdesk.conversation.schemas import (
    ContactPublic,
    ConversationPublic,
    ConversationState,
    MessagePublic,
    TurnPublic,
    TurnSummary,
)
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import loads
from frontdesk.core.pages import Page, cursor_time, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.messaging import MediaPublic, retry_problem, seconds_left, window_closes_at

# Why messages are ignored that need no reading either.
NEVER_UNREAD = (
    "history",
    "reaction",
    "survey",
    "group",
    "system",
    "request_welcome",
    "call_permission",
    "empty",
)
# What changes of a conversation; statements that change it return this for the feed.
STATE = """
k.id AS conversation_id, k.status, k.assigned_user_id, k.priority, k.epoch,
    k.inbound_seq - k.handled_seq AS unanswered, k.waiting_since, k.last_inbound_at, k.last_text,
    k.last_activity_at, k.language, k.last_error, k.closed_at, k.closed_by, k.close_reason
"""
# Without its SELECT, as the inbox asks for more.
CONVERSATION = f"""
{STATE}, k.id, k.channel_id, k.agent_id, k.previous_id, k.created_at, c.id AS contact_id, c.name, c.username,
    c.wa_id, c.bsuid, c.language AS contact_language, c.opted_out_at, s.due_at AS snoozed_until,
    now() AS seen_at,
    ARRAY(SELECT tag FROM conversation_tag g WHERE g.tenant_id = k.tenant_id
        AND g.conversation_id = k.id ORDER BY tag) AS tags
FROM conversation k JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
LEFT JOIN timer s ON s.tenant_id = k.tenant_id AND s.conversation_id = k.id AND s.kind = 'snooze'
"""  # noqa: S608  # Ours.


# A message as it is stored; statements that write it return this for the feed.
STORED = """
m.id, m.direction, m.author, m.user_id, m.type, m.text, m.media, m.payload, m.ignored_reason, m.seq,
    m.turn_id, m.reply_to_wamid, m.provider_at, m.edited_at, m.revoked_at, m.tokens, m.created_at
"""
# A message as it is shown, with its turn, its file and its way out.
MESSAGE = f"""
SELECT {STORED}, t.id AS covering_turn_id, o.state, o.delivery, o.last_error AS error, o.error_code,
    f.id AS file_id, f.kind, f.state AS file_state, f.mime_type, f.filename, f.size_bytes,
    f.last_error AS file_error, m.conversation_id
FROM message m
LEFT JOIN media f ON f.tenant_id = m.tenant_id AND f.message_id = m.id
LEFT JOIN outbound o ON o.tenant_id = m.tenant_id AND o.id = m.id
LEFT JOIN turn t ON t.tenant_id = m.tenant_id AND t.conversation_id = m.conversation_id
    AND m.seq BETWEEN t.from_seq AND t.to_seq
"""  # noqa: S608  # Ours.


async def get_conversation(tx: Transaction, conversation_id: UUID) -> ConversationPublic:
    """One conversation; raises `NoSuchConversation`."""
    row = await tx.sql.fetchrow(f"SELECT {CONVERSATION} WHERE k.id = $1", conversation_id)
    if row is None:
        raise NoSuchConversation(f"There is no conversation {conversation_id}.")
    return ConversationPublic.model_validate(shown(row))


async def list_messages(
    tx: Transaction,
    conversation_id: UUID,
    *,
    limit: int = 50,
    cursor: str | None = None,
    around: UUID | None = None,
) -> Page[MessagePublic]:
    """A page of a thread, newest first.

    Args:
        around: instead of a cursor, a message that stands in the middle of the page.

    Raises:
        NoSuchConversation: there is none in this tenant.
        NotFound: there is no such message in it to look around.
        Invalid: the cursor is not one of this list.
    """
    await get_conversation(tx, conversation_id)
    place: tuple[datetime, UUID] | None = None
    if around is not None:
        place = await _half_a_page_above(tx, conversation_id, around, limit)
    elif after := decode_cursor(cursor, 2):
        place = cursor_time(after[0]), cursor_uuid(after[1])
    rows = await tx.sql.fetch(
        f"{MESSAGE} WHERE m.conversation_id = $1 "
        "AND ($2::timestamptz IS NULL OR (m.created_at, m.id) < ($2, $3::uuid) "
        "OR $5 AND (m.created_at, m.id) = ($2, $3)) "
        "ORDER BY m.created_at DESC, m.id DESC LIMIT $4",
        conversation_id,
        *(place or (None, None)),
        limit + 1,
        around is not None,
    )
    items = [message_of(row) for row in rows[:limit]]
    last = items[-1] if len(rows) > limit else None
    return Page(items=items, next_cursor=encode_cursor(last.created_at, last.id) if last else None)


async def _half_a_page_above(
    tx: Transaction, conversation_id: UUID, message_id: UUID, limit: int
) -> tuple[datetime, UUID]:
    row = await tx.sql.fetchrow(
        "SELECT newer.created_at, newer.id FROM message m, LATERAL (SELECT created_at, id "
        "FROM message WHERE conversation_id = $1 AND (created_at, id) >= (m.created_at, m.id) "
        "ORDER BY created_at, id LIMIT $3) AS newer WHERE m.id = $2 AND m.conversation_id = $1 "
        "ORDER BY newer.created_at DESC, newer.id DESC LIMIT 1",
        conversation_id,
        message_id,
        limit // 2 + 1,
    )
    if row is None:
        raise NotFound(f"There is no message {message_id} in this conversation.")
    return row["created_at"], row["id"]


async def get_message(tx: Transaction, message_id: UUID) -> MessagePublic:
    """One message; raises `NotFound`."""
    row = await tx.sql.fetchrow(f"{MESSAGE} WHERE m.id = $1", message_id)
    if row is None:
        raise NotFound("There is no such message.")
    return message_of(row)


async def list_turns(tx: Transaction, conversation_id: UUID) -> list[TurnSummary]:
    """The turns of a conversation, newest first, at most 200; raises `NoSuchConversation`."""
    await get_conversation(tx, conversation_id)
    rows = await tx.sql.fetch(
        "SELECT * FROM turn WHERE conversation_id = $1 ORDER BY to_seq DESC LIMIT 200",
        conversation_id,
    )
    return [TurnSummary.model_validate(dict(row)) for row in rows]


async def get_turn(tx: Transaction, turn_id: UUID) -> TurnPublic:
    """One turn with its trace; raises `NotFound`."""
    row = await tx.sql.fetchrow("SELECT * FROM turn WHERE id = $1", turn_id)
    if row is None:
        raise NotFound("There is no such turn.")
    exposures = row["exposures"] and loads(row["exposures"])
    return TurnPublic.model_validate({**row, "trace": loads(row["trace"]), "exposures": exposures})


def shown(row: Any) -> dict[str, Any]:
    """A row of `CONVERSATION` as schemas take it."""
    return {
        **row,
        "window_closes_at": window_closes_at(row["last_inbound_at"]),
        "window_seconds_left": seconds_left(row["last_inbound_at"], row["seen_at"]),
        "contact": ContactPublic(
            id=row["contact_id"],
            name=row["name"],
            username=row["username"],
            wa_id=row["wa_id"],
            bsuid=row["bsuid"],
            language=row["contact_language"],
            opted_out_at=row["opted_out_at"],
        ),
    }


def state_of(row: Any) -> ConversationState:
    """A row of `STATE` as the feed tells it."""
    window_closes = window_closes_at(row["last_inbound_at"])
    return ConversationState.model_validate(
        {**row, "id": row["conversation_id"], "window_closes_at": window_closes}
    )


def message_of(row: Any) -> MessagePublic:
    """A row of `STORED`, with what else is known of the message: its turn, how far it has got."""
    return MessagePublic.model_validate(
        {
            "state": None,
            "delivery": None,
            "error": None,
            **row,
            "turn_id": row["turn_id"] or row.get("covering_turn_id"),
            "media": _loaded(row["media"]),
            "payload": _loaded(row["payload"]),
            "file": _file(row) if row.get("file_id") else None,
            "can_retry": row.get("state") is not None
            and retry_problem(row["state"], row.get("error_code"), row.get("file_state")) is None,
        }
    )


def _file(row: Any) -> MediaPublic:
    return MediaPublic.model_validate(
        {
            **row,
            "id": row["file_id"],
            "message_id": row["id"],
            "state": row["file_state"],
            "error": row["file_error"],
        }
    )


def _loaded(value: str | None) -> Any:
    return loads(value) if value else None
