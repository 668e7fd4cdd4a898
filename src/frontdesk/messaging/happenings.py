"""What messaging tells the feed, kind by kind."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk import feed
from frontdesk.core.db import Transaction
from frontdesk.feed import FeedPayload
from frontdesk.messaging.models import ChannelStatus, Delivery, OutboundState
from frontdesk.messaging.schemas import MediaPublic

# Of an outbound row; statements that move one return this for the feed.
MOVED = "id, conversation_id, state, delivery, last_error, to_user_id"


class MessageMoved(FeedPayload):
    """A message going out has got further, or no further.

    Only `sending` is not told: it lasts as long as one call to WhatsApp.
    """

    kind: ClassVar[str] = "message.state"

    conversation_id: UUID
    message_id: UUID
    state: OutboundState
    delivery: Delivery | None = Field(description="What WhatsApp says: the ticks.")
    error: str | None


class ChannelStatusChanged(FeedPayload):
    """A number is connected, paused, disconnected, or could not be connected."""

    kind: ClassVar[str] = "channel.status"

    channel_id: UUID
    status: ChannelStatus
    reason: str | None


class AccountReported(FeedPayload):
    """Meta has told something of the account, a number or a template."""

    kind: ClassVar[str] = "account.event"

    channel_id: UUID | None
    event: str
    severity: str
    words: str


class MediaChanged(FeedPayload):
    """A file of a message is here, will not come, or is gone."""

    kind: ClassVar[str] = "media.changed"

    conversation_id: UUID
    media: MediaPublic


class TemplatesChanged(FeedPayload):
    """Templates of an account are new, gone, or have another state: list them anew."""

    kind: ClassVar[str] = "templates.changed"

    waba_id: str


def tell_moved(tx: Transaction, row: Any) -> None:
    """Put on the feed what a statement that returned `MOVED` has made of a message going out."""
    if row["to_user_id"] is not None:
        return  # Between the business and its own people: no message of the conversation.
    told = MessageMoved(
        conversation_id=row["conversation_id"],
        message_id=row["id"],
        state=row["state"],
        delivery=row["delivery"],
        error=row["last_error"],
    )
    feed.tell(tx, told)
