"""What conversation tells the feed, kind by kind."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from frontdesk.conversation.models import Actor, Priority
from frontdesk.feed import FeedPayload


class ConversationSnoozed(FeedPayload):
    """A conversation is out of the way for a while."""

    kind: ClassVar[str] = "conversation.snoozed"

    conversation_id: UUID
    until: datetime
    user_id: UUID


class ConversationWoken(FeedPayload):
    """A snoozed conversation is back: its time has come, or somebody has done something with it."""

    kind: ClassVar[str] = "conversation.woken"

    conversation_id: UUID
    by: Actor


class ConversationRead(FeedPayload):
    """A user has read a conversation up to a message, perhaps in another window."""

    kind: ClassVar[str] = "conversation.read"

    conversation_id: UUID
    user_id: UUID
    message_id: UUID


class ConversationTagged(FeedPayload):
    """A conversation has these tags from now on."""

    kind: ClassVar[str] = "conversation.tagged"

    conversation_id: UUID
    tags: list[str]
    user_id: UUID


class ConversationPrioritised(FeedPayload):
    """People say how urgent a conversation is."""

    kind: ClassVar[str] = "conversation.prioritised"

    conversation_id: UUID
    priority: Priority
    user_id: UUID


class NoteWritten(FeedPayload):
    """A note is there, or says something else now."""

    kind: ClassVar[str] = "note.written"

    conversation_id: UUID
    note_id: UUID
    user_id: UUID
    text: str
    mentions: list[UUID]


class NoteDeleted(FeedPayload):
    """A note is gone."""

    kind: ClassVar[str] = "note.deleted"

    conversation_id: UUID
    note_id: UUID


class UserMentioned(FeedPayload):
    """Somebody wants a colleague to see a note: tell them."""

    kind: ClassVar[str] = "user.mentioned"

    user_id: UUID
    by_user_id: UUID
    conversation_id: UUID
    note_id: UUID


class SavedReplyChanged(FeedPayload):
    """A saved reply is new, says something else now, or is gone."""

    kind: ClassVar[str] = "saved_reply.changed"

    saved_reply_id: UUID
    deleted: bool


class DraftChanged(FeedPayload):
    """A user goes on writing, or has thrown away what they had begun. The words stay theirs."""

    kind: ClassVar[str] = "draft.changed"

    conversation_id: UUID
    user_id: UUID
    deleted: bool
