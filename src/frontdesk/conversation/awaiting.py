"""A burst that waits for a file of its own: until it is here, or for as long as it may."""

from frontdesk import feed
from frontdesk.conversation.happenings import ConversationChanged, MessageChanged
from frontdesk.conversation.inbox import STATE, get_message, state_of
from frontdesk.conversation.receiving import CONVERSATION
from frontdesk.core.db import Transaction
from frontdesk.core.text import clean, excerpt
from frontdesk.gateway import count_tokens
from frontdesk.messaging import LOCK_THREAD, MediaSettled

# Under its lock: another file of it may be settled at this moment.
_GO_ON = """
UPDATE conversation k SET awaits_until = NULL,
    due_at = CASE WHEN k.due_at > now() AND k.attempts = 0 THEN now() ELSE k.due_at END
WHERE k.id = $1 AND k.awaits_until IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM media f WHERE f.conversation_id = k.id AND f.is_awaited)
RETURNING k.status, k.due_at IS NOT NULL AS is_due
"""


# A picture's caption is the contact's own words, and what a model saw in it is not.
_KEEP = """
UPDATE message SET
    text = CASE type WHEN 'audio' THEN $2 ELSE text END,
    media = CASE type WHEN 'audio' THEN media ELSE media || jsonb_build_object('seen', $2::text) END,
    tokens = CASE type WHEN 'audio' THEN 0 ELSE coalesce(tokens, 0) END + $3
WHERE id = $1 AND revoked_at IS NULL AND CASE type WHEN 'audio' THEN text = ''
    ELSE media IS NOT NULL AND NOT media ? 'seen' END
RETURNING type
"""


async def go_on_with_file(tx: Transaction, event: MediaSettled) -> None:
    """Subscriber: keep what a voice note says as its message's text, and what a picture shows beside
    it, and let the burst that waited for it go on."""
    await tx.sql.execute(LOCK_THREAD, event.conversation_id)
    if event.words and event.message_id is not None:
        await _write_words(tx, event)
    row = await tx.sql.fetchrow(_GO_ON, event.conversation_id)
    if row is not None and row["is_due"]:
        tx.ring(CONVERSATION, event.conversation_id)


async def _write_words(tx: Transaction, event: MediaSettled) -> None:
    text = clean(event.words)
    kind = await tx.sql.fetchval(_KEEP, event.message_id, text, count_tokens(text))
    if kind is None:
        return  # Its sender took it back.
    row = await tx.sql.fetchrow(
        f"UPDATE conversation k SET last_text = $2 WHERE id = $1 AND last_text = '[audio]' "  # noqa: S608  # Ours.
        "AND $3 "
        f"RETURNING {STATE}",
        event.conversation_id,
        excerpt(text, 200),
        kind == "audio",
    )
    assert event.message_id is not None
    message = await get_message(tx, event.message_id)
    told = MessageChanged(
        conversation_id=event.conversation_id,
        message_id=message.id,
        message=message,
        was_unread=False,
    )
    feed.tell(tx, told)
    if row is not None:
        feed.tell(
            tx,
            ConversationChanged(conversation_id=event.conversation_id, conversation=state_of(row)),
        )
