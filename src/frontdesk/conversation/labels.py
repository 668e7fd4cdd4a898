"""Tags and priorities: how people sort conversations among themselves."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.events import PriorityChanged
from frontdesk.conversation.happenings import ConversationPrioritised, ConversationTagged
from frontdesk.conversation.models import Priority
from frontdesk.conversation.threads import lock
from frontdesk.core.db import Transaction
from frontdesk.core.events import publish


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


async def add_tag(tx: Transaction, conversation_id: UUID, tag: str) -> None:
    """Give a conversation, whose row is locked, a tag besides those it has."""
    added = await tx.sql.fetchval(
        "INSERT INTO conversation_tag (conversation_id, tag) VALUES ($1, $2) "
        "ON CONFLICT DO NOTHING RETURNING 1",
        conversation_id,
        tag,
    )
    if added is None:
        return
    rows = await tx.sql.fetch(
        "SELECT tag FROM conversation_tag WHERE conversation_id = $1 ORDER BY tag", conversation_id
    )
    tags = [row["tag"] for row in rows]
    feed.tell(tx, ConversationTagged(conversation_id=conversation_id, tags=tags, user_id=None))


async def tags_of_contact(tx: Transaction, contact_id: UUID) -> frozenset[str]:
    """The tags of all conversations with a contact."""
    rows = await tx.sql.fetch(
        "SELECT DISTINCT g.tag FROM conversation k JOIN conversation_tag g "
        "ON g.tenant_id = k.tenant_id AND g.conversation_id = k.id WHERE k.contact_id = $1",
        contact_id,
    )
    return frozenset(row["tag"] for row in rows)


async def list_tags(tx: Transaction) -> list[Any]:
    """The tags in use with how many conversations have each, the most used first; at most 500."""
    return list(
        await tx.sql.fetch(
            "SELECT tag, count(*) AS conversations FROM conversation_tag GROUP BY tag "
            "ORDER BY count(*) DESC, tag LIMIT 500"
        )
    )


async def set_priority(
    tx: Transaction, conversation_id: UUID, priority: Priority, *, user_id: UUID | None
) -> None:
    """Say how urgent a conversation is; raises `NoSuchConversation`.

    Args:
        user_id: who says so; None: a rule.
    """
    await lock(tx, conversation_id)
    await tx.sql.execute(
        "UPDATE conversation SET priority = $2 WHERE id = $1", conversation_id, priority
    )
    told = ConversationPrioritised(
        conversation_id=conversation_id, priority=priority, user_id=user_id
    )
    feed.tell(tx, told)
    changed = PriorityChanged(
        tenant_id=tx.tenant_id, conversation_id=conversation_id, priority=priority
    )
    await publish(tx, changed)
