"""What crosses HTTP in escalation."""

from datetime import datetime
from uuid import UUID

from pydantic import Field, field_validator

from frontdesk.conversation import ConversationPublic
from frontdesk.core.api import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.escalation.models import HandoffState, Presence, Reason
from frontdesk.escalation.packet import Packet


class AvailabilityPublic(PublicSchema):
    """Whether a human agent takes conversations, and how many."""

    user_id: UUID
    presence: Presence
    max_conversations: int
    open_conversations: int
    last_assigned_at: datetime | None


class AvailabilityUpdate(Schema):
    """Come online or go away."""

    presence: Presence = Field(examples=["online"])
    max_conversations: int | None = Field(
        None, ge=1, le=50, description="How many at once; keeps what it was when absent."
    )


class HandoffPublic(PublicSchema):
    """An episode in which people own a conversation."""

    id: UUID
    conversation_id: UUID
    reason: Reason
    rule: str = Field(description="The rule that fired, in words.")
    state: HandoffState
    assigned_user_id: UUID | None
    packet: Packet
    created_at: datetime
    assigned_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


class Ownership(PublicSchema):
    """A conversation after it changed hands."""

    conversation: ConversationPublic
    ai_in_flight: bool = Field(
        description="An AI message was on the wire at that moment and may still arrive."
    )


class ReplyCreate(Schema):
    """A text to the contact."""

    text: str = Field(
        min_length=1, max_length=4096, examples=["I have put a new parcel in the post for you."]
    )

    @field_validator("text")
    @classmethod
    def _readable(cls, text: str) -> str:
        text = clean(text)
        if not text.strip():
            raise ValueError("must have something to read in it")
        return text


class CloseCreate(Schema):
    """Why the conversation ends."""

    reason: str = Field("resolved", min_length=1, max_length=200, examples=["resolved"])
