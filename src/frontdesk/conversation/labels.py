"""Tags and priorities: how people sort conversations among themselves."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.happenings import ConversationPrioritised, ConversationTagged
from frontdesk.conversation.models import Priority
from frontdesk.conversation.threads import lock
from frontdesk.core.db import Transaction


async def set_tags(
    tx: Transaction, conversation_id: UUID, tags: Sequence[str], *, user_id: UUID
) -> None:
    """Give a conversation these tags and no others; raises `NoSuchConversation`."""
    await lock(tx, conversation_id)
    wanted = sorted(set(tags))
    await tx.sql.execute(
        "DELETE FROM conversation_tag WHERE conversation_id = $1 AND tag <> ALL ($2::text[])",
        conversation_id,
        wanted,
    )
    await tx.sql.execute(
        "INSERT INTO conversation_tag (conversation_id, tag) SELECT $1, unnest($2::text[]) "
        "ON CONFLICT DO NOTHING",
        conversation_id,
        wanted,
    )
    told = ConversationTagged(conversation_id=conversation_id, tags=wanted, user_id=user_id)
    feed.tell(tx, told)


async def list_tags(tx: Transaction) -> list[Any]:
    """The tags in use with how many conversations have each, the most used first; at most 500."""
    return list(
        await tx.sql.fetch(
            "SELECT tag, count(*) AS conversations FROM conversation_tag GROUP BY tag "
            "ORDER BY count(*) DESC, tag LIMIT 500"
        )
    )


async def set_priority(
    tx: Transaction, conversation_id: UUID, priority: Priority, *, user_id: UUID
) -> None:
    """Say how urgent a conversation is; raises `NoSuchConversation`."""
    await lock(tx, conversation_id)
    await tx.sql.execute(
        "UPDATE conversation SET priority = $2 WHERE id = $1", conversation_id, priority
    )
    told = ConversationPrioritised(
        conversation_id=conversation_id, priority=priority, user_id=user_id
    )
    feed.tell(tx, told)
