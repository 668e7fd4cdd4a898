"""What conversation publishes."""

from uuid import UUID

from frontdesk.conversation.models import Actor, Priority
from frontdesk.core.events import Event


class ConversationClosed(Event):
    """A conversation has ended; the contact's next message opens another."""

    conversation_id: UUID
    by: Actor
    reason: str
    user_id: UUID | None = None


class PriorityChanged(Event):
    """People say anew how urgent a conversation is."""

    conversation_id: UUID
    priority: Priority


class SilenceNeedsPerson(Event):
    """The contact has fallen silent, and yet a person should look at the conversation."""

    conversation_id: UUID
    reason: str
