"""What conversation publishes."""

from uuid import UUID

from frontdesk.core.events import Event


class ConversationClosed(Event):
    """A conversation has ended; the contact's next message opens another."""

    conversation_id: UUID
    reason: str
