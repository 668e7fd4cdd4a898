"""HTTP of the tools people work with: tags, priorities, notes, saved replies, drafts."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.conversation import inbox, labels, notes, saved_replies, searching
from frontdesk.conversation.desk_schemas import (
    DraftPublic,
    DraftUpdate,
    FilledReply,
    NoteCreate,
    NotePublic,
    PriorityUpdate,
    SavedReplyCreate,
    SavedReplyPublic,
    SearchHit,
    TagPublic,
    TagsUpdate,
)
from frontdesk.conversation.errors import NoSuchConversation, NotYourNote, ShortcutTaken
from frontdesk.conversation.schemas import ConversationPublic
from frontdesk.core.api import (
    Cursor,
    Limit,
    ReadsConversations,
    Router,
    Staff,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.callers import require_member
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import Page

SearchText = Annotated[
    str, Query(min_length=1, max_length=200, description="Words.", examples=["delivery"])
]

api = Router(prefix="/api/v1", tags=["conversations", "desk tools"])
_IN_CONVERSATION = problems(NoSuchConversation)


@api.put(
    "/conversations/{conversation_id}/tags",
    summary="Tag a conversation",
    responses=_IN_CONVERSATION,
)
async def set_tags(
    conversation_id: UUID, body: TagsUpdate, who: WritesConversations, session: TenantSession
) -> ConversationPublic:
    """All of its tags at once; a new word makes a new tag."""
    await labels.set_tags(session, conversation_id, body.tags, user_id=who.user_id)
    return await inbox.get_conversation(session, conversation_id)


@api.get("/tags", summary="List tags", responses=problems())
async def list_tags(who: ReadsConversations, session: TenantSession) -> list[TagPublic]:
    """Those in use, the most used first."""
    return [TagPublic(**row) for row in await labels.list_tags(session)]


@api.put(
    "/conversations/{conversation_id}/priority",
    summary="Say how urgent a conversation is",
    responses=_IN_CONVERSATION,
)
async def set_priority(
    conversation_id: UUID, body: PriorityUpdate, who: WritesConversations, session: TenantSession
) -> ConversationPublic:
    """One that waits for people waits at the place of its priority. Views keep their order:
    `GET /conversations?priority=urgent` lists them."""
    await labels.set_priority(session, conversation_id, body.priority, user_id=who.user_id)
    return await inbox.get_conversation(session, conversation_id)


@api.get("/conversations/{conversation_id}/notes", summary="List notes", responses=_IN_CONVERSATION)
async def list_notes(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> list[NotePublic]:
    """What people wrote for each other, oldest first. Contacts and models see none of it."""
    return [NotePublic(**row) for row in await notes.list_notes(session, conversation_id)]


@api.post(
    "/conversations/{conversation_id}/notes",
    status_code=201,
    summary="Write a note",
    responses=_IN_CONVERSATION,
)
async def add_note(
    conversation_id: UUID, body: NoteCreate, who: WritesConversations, session: TenantSession
) -> NotePublic:
    """For your colleagues; each one mentioned is told by a `user.mentioned` on the feed."""
    row = await notes.add_note(session, conversation_id, who, body.text, body.mentions)
    return NotePublic(**row)


@api.put("/notes/{note_id}", summary="Change a note", responses=problems(NotFound, NotYourNote))
async def change_note(
    note_id: UUID, body: NoteCreate, who: WritesConversations, session: TenantSession
) -> NotePublic:
    """Your own, or as an admin anybody's."""
    return NotePublic(**await notes.change_note(session, note_id, who, body.text, body.mentions))


@api.delete(
    "/notes/{note_id}",
    status_code=204,
    summary="Delete a note",
    responses=problems(NotFound, NotYourNote),
)
async def delete_note(note_id: UUID, who: WritesConversations, session: TenantSession) -> None:
    """Your own, or as an admin anybody's."""
    await notes.delete_note(session, note_id, who)


@api.get("/saved-replies", summary="List saved replies", responses=problems())
async def list_saved_replies(
    who: ReadsConversations, session: TenantSession
) -> list[SavedReplyPublic]:
    """All of the tenant, by shortcut."""
    return [SavedReplyPublic(**row) for row in await saved_replies.list_saved_replies(session)]


@api.post(
    "/saved-replies",
    status_code=201,
    summary="Save a reply",
    responses=problems(ShortcutTaken),
)
async def create_saved_reply(
    body: SavedReplyCreate, who: WritesConversations, session: TenantSession
) -> SavedReplyPublic:
    """For everybody at the desk."""
    row = await saved_replies.save_reply(session, None, body.shortcut, body.text)
    return SavedReplyPublic(**row)


@api.put(
    "/saved-replies/{saved_reply_id}",
    summary="Change a saved reply",
    responses=problems(NotFound, ShortcutTaken),
)
async def change_saved_reply(
    saved_reply_id: UUID, body: SavedReplyCreate, who: WritesConversations, session: TenantSession
) -> SavedReplyPublic:
    """For everybody at the desk."""
    row = await saved_replies.save_reply(session, saved_reply_id, body.shortcut, body.text)
    return SavedReplyPublic(**row)


@api.delete(
    "/saved-replies/{saved_reply_id}",
    status_code=204,
    summary="Delete a saved reply",
    responses=problems(NotFound),
)
async def delete_saved_reply(
    saved_reply_id: UUID, who: WritesConversations, session: TenantSession
) -> None:
    """For everybody at the desk."""
    await saved_replies.delete_saved_reply(session, saved_reply_id)


@api.get(
    "/conversations/{conversation_id}/saved-replies/{saved_reply_id}",
    summary="Fill in a saved reply",
    responses=problems(NoSuchConversation, NotFound),
)
async def fill_saved_reply(
    conversation_id: UUID, saved_reply_id: UUID, who: ReadsConversations, session: TenantSession
) -> FilledReply:
    """Its text for this contact and you. It sends nothing."""
    text, unknown = await saved_replies.fill_reply(
        session, conversation_id, saved_reply_id, who.user_id
    )
    return FilledReply(text=text, unknown=unknown)


@api.get(
    "/conversations/{conversation_id}/draft",
    summary="Read my draft",
    responses=problems(NoSuchConversation, NotFound),
)
async def get_draft(conversation_id: UUID, who: Staff, session: TenantSession) -> DraftPublic:
    """What you have begun to write here; 404 `not_found` when you have not."""
    return DraftPublic(**await notes.get_draft(session, conversation_id, who.user_id))


@api.put(
    "/conversations/{conversation_id}/draft", summary="Save my draft", responses=_IN_CONVERSATION
)
async def save_draft(
    conversation_id: UUID, body: DraftUpdate, who: Staff, session: TenantSession
) -> DraftPublic:
    """Yours alone; it waits for you on whatever device you sign in."""
    require_member(who)
    return DraftPublic(**await notes.save_draft(session, conversation_id, who.user_id, body.text))


@api.delete(
    "/conversations/{conversation_id}/draft",
    status_code=204,
    summary="Discard my draft",
    responses=_IN_CONVERSATION,
)
async def discard_draft(conversation_id: UUID, who: Staff, session: TenantSession) -> None:
    """It is gone, or there was none."""
    await notes.discard_draft(session, conversation_id, who.user_id)


@api.get("/search", summary="Search", responses=problems())
async def search(
    q: SearchText,
    who: ReadsConversations,
    session: TenantSession,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[SearchHit]:
    """Contacts by name or number, messages and notes by their words; accents don't matter.

    A word stands for all that begins with it, and a name may be misspelt. Contacts come with the
    first page, at most ten beside `limit`.
    """
    return await searching.search(session, who, q, limit=limit, cursor=cursor)
