"""Saved replies: texts that are written often, whose variables are filled in for a conversation."""

from typing import Any
from uuid import UUID

import asyncpg

from frontdesk import feed
from frontdesk.conversation.contacts import get_contact_card
from frontdesk.conversation.desk_schemas import SavedReplyPublic
from frontdesk.conversation.errors import NoSuchConversation, ShortcutTaken
from frontdesk.conversation.filling import fill
from frontdesk.conversation.happenings import SavedReplyChanged
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.identity import get_user_names


async def list_saved_replies(tx: Transaction) -> list[Any]:
    """All of the tenant, by shortcut; at most 500."""
    return list(await tx.sql.fetch("SELECT * FROM saved_reply ORDER BY shortcut LIMIT 500"))


async def save_reply(tx: Transaction, saved_reply_id: UUID | None, shortcut: str, text: str) -> Any:
    """Make a saved reply (None), or change one.

    Raises:
        NotFound: there is none to change.
        ShortcutTaken: another one has the shortcut.
    """
    statement = (
        "INSERT INTO saved_reply (id, shortcut, text) VALUES ($1, $2, $3) RETURNING *"
        if saved_reply_id is None
        else "UPDATE saved_reply SET shortcut = $2, text = $3 WHERE id = $1 RETURNING *"
    )
    try:
        row = await tx.sql.fetchrow(statement, saved_reply_id or ids.new(), shortcut, text)
    except asyncpg.UniqueViolationError:
        raise ShortcutTaken(f"Another saved reply is called {shortcut}.") from None
    if row is None:
        raise NotFound("There is no such saved reply.")
    feed.tell(tx, SavedReplyChanged(saved_reply_id=row["id"], saved_reply=SavedReplyPublic(**row)))
    return row


async def delete_saved_reply(tx: Transaction, saved_reply_id: UUID) -> None:
    """Let a saved reply go; raises `NotFound`."""
    deleted = await tx.sql.fetchval(
        "DELETE FROM saved_reply WHERE id = $1 RETURNING id", saved_reply_id
    )
    if deleted is None:
        raise NotFound("There is no such saved reply.")
    feed.tell(tx, SavedReplyChanged(saved_reply_id=saved_reply_id, saved_reply=None))


async def fill_reply(
    tx: Transaction, conversation_id: UUID, saved_reply_id: UUID, user_id: UUID
) -> tuple[str, list[str]]:
    """A saved reply as a user would send it in a conversation, and the variables it can't fill.

    Raises:
        NoSuchConversation, NotFound: one of the two is not there.
    """
    thread = await tx.sql.fetchrow(
        "SELECT c.id, c.name, (SELECT name FROM tenant) AS business FROM conversation k "
        "JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id WHERE k.id = $1",
        conversation_id,
    )
    if thread is None:
        raise NoSuchConversation
    text = await tx.sql.fetchval("SELECT text FROM saved_reply WHERE id = $1", saved_reply_id)
    if text is None:
        raise NotFound("There is no such saved reply.")
    name = (thread["name"] or "").strip()
    card = await get_contact_card(tx, thread["id"])
    values = {
        **{f"field.{field}": str(value) for field, value in card.fields.items()},
        "contact_name": name,
        "contact_first_name": name.partition(" ")[0],
        "my_name": (await get_user_names(tx, [user_id])).get(user_id),
        "business_name": thread["business"],
    }
    return fill(text, values)
