"""What messaging publishes."""

from uuid import UUID

from frontdesk.core.events import Event


class OutboundFailed(Event):
    """A message will not arrive: refused for good, or nobody can tell any more."""

    outbound_id: UUID
    conversation_id: UUID
    origin: str
    reason: str


class OutboundArrived(Event):
    """A message that had failed has arrived after all."""

    outbound_id: UUID
    conversation_id: UUID


class ChannelPaused(Event):
    """A channel stopped sending because its account has a problem; what waits is kept."""

    channel_id: UUID
    reason: str


class MediaSettled(Event):
    """The file of a message is here, or will not come; `words` are what is said in it."""

    conversation_id: UUID
    message_id: UUID | None
    words: str
