"""What conversation tells the feed, kind by kind."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from frontdesk.conversation.models import Actor
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
