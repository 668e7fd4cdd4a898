"""Notes of people to each other, and drafts of what they have not sent yet."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.desk_schemas import DraftPublic, NotePublic
from frontdesk.conversation.errors import NotYourNote
from frontdesk.conversation.happenings import (
    DraftChanged,
    NoteDeleted,
    NoteWritten,
    UserMentioned,
)
from frontdesk.conversation.inbox import get_conversation
from frontdesk.core import ids
from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Invalid, NotFound, NothingYet
from frontdesk.identity import get_user_names


async def list_notes(tx: Transaction, conversation_id: UUID) -> list[Any]:
    """The notes of a conversation, oldest first, at most 500; raises `NoSuchConversation`."""
    await get_conversation(tx, conversation_id)
    return list(
        await tx.sql.fetch(
            "SELECT * FROM note WHERE conversation_id = $1 ORDER BY id LIMIT 500", conversation_id
        )
    )


async def add_note(
    tx: Transaction, conversation_id: UUID, who: Principal, text: str, mentions: Sequence[UUID]
) -> Any:
    """Write a note; whoever is mentioned in it is told.

    Raises:
        NoSuchConversation: there is none in this tenant.
        Invalid: somebody is mentioned who is not a member.
    """
    await get_conversation(tx, conversation_id)
    mentioned = await _members(tx, mentions)
    note = await tx.sql.fetchrow(
        "INSERT INTO note (id, conversation_id, user_id, text, mentions) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING *",
        ids.new(),
        conversation_id,
        who.user_id,
        text,
        mentioned,
    )
    _tell(tx, note, who, mentioned)
    return note


async def change_note(
    tx: Transaction, note_id: UUID, who: Principal, text: str, mentions: Sequence[UUID]
) -> Any:
    """Write a note anew; only those are told who were not mentioned before.

    Raises:
        NotFound: there is no such note.
        NotYourNote: somebody else's, and not an admin asks.
        Invalid: somebody is mentioned who is not a member.
    """
    before = await _lock_own(tx, note_id, who)
    mentioned = await _members(tx, mentions)
    note = await tx.sql.fetchrow(
        "UPDATE note SET text = $2, mentions = $3, edited_at = now() WHERE id = $1 RETURNING *",
        note_id,
        text,
        mentioned,
    )
    _tell(tx, note, who, [user for user in mentioned if user not in before["mentions"]])
    return note


async def delete_note(tx: Transaction, note_id: UUID, who: Principal) -> None:
    """Take a note away; raises `NotFound`, `NotYourNote`."""
    note = await _lock_own(tx, note_id, who)
    await tx.sql.execute("DELETE FROM note WHERE id = $1", note_id)
    feed.tell(tx, NoteDeleted(conversation_id=note["conversation_id"], note_id=note_id))


async def get_draft(tx: Transaction, conversation_id: UUID, user_id: UUID) -> Any:
    """What a user has begun to write; raises `NoSuchConversation`, or `NothingYet` without one."""
    await get_conversation(tx, conversation_id)
    draft = await tx.sql.fetchrow(
        "SELECT * FROM draft WHERE user_id = $1 AND conversation_id = $2", user_id, conversation_id
    )
    if draft is None:
        raise NothingYet("You have no draft here.")
    return draft


async def save_draft(tx: Transaction, conversation_id: UUID, user_id: UUID, text: str) -> Any:
    """Keep what a user has written so far; raises `NoSuchConversation`."""
    await get_conversation(tx, conversation_id)
    draft = await tx.sql.fetchrow(
        "INSERT INTO draft (user_id, conversation_id, text) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id, user_id, conversation_id) DO UPDATE "
        "SET text = excluded.text, updated_at = now() RETURNING *",
        user_id,
        conversation_id,
        text,
    )
    assert draft is not None
    told = DraftChanged(conversation_id=conversation_id, draft=DraftPublic(**draft))
    feed.tell(tx, told, user_id)
    return draft


async def discard_draft(tx: Transaction, conversation_id: UUID, user_id: UUID) -> None:
    """Throw a user's draft away, if there is one; raises `NoSuchConversation`."""
    await get_conversation(tx, conversation_id)
    gone = await tx.sql.fetchval(
        "DELETE FROM draft WHERE user_id = $1 AND conversation_id = $2 RETURNING 1",
        user_id,
        conversation_id,
    )
    if gone:
        feed.tell(tx, DraftChanged(conversation_id=conversation_id, draft=None), user_id)


async def _members(tx: Transaction, mentions: Sequence[UUID]) -> list[UUID]:
    known = await get_user_names(tx, mentions)
    if strangers := [str(user) for user in mentions if user not in known]:
        raise Invalid(f"No members: {', '.join(strangers)}.")
    return list(dict.fromkeys(mentions))


async def _lock_own(tx: Transaction, note_id: UUID, who: Principal) -> Any:
    note = await tx.sql.fetchrow("SELECT * FROM note WHERE id = $1 FOR UPDATE", note_id)
    if note is None:
        raise NotFound("There is no such note.")
    if note["user_id"] != who.user_id and who.role is not Role.ADMIN:
        raise NotYourNote
    return note


def _tell(tx: Transaction, note: Any, who: Principal, mentioned: Sequence[UUID]) -> None:
    conversation_id = note["conversation_id"]
    told = NoteWritten(conversation_id=conversation_id, note_id=note["id"], note=NotePublic(**note))
    feed.tell(tx, told)
    for user_id in mentioned:
        mention = UserMentioned(
            by_user_id=who.user_id, conversation_id=conversation_id, note_id=note["id"]
        )
        feed.tell(tx, mention, user_id)
