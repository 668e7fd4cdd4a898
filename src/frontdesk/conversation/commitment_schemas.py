"""What crosses HTTP and the feed about commitments."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from frontdesk.conversation.commitment_models import CommitmentState
from frontdesk.conversation.models import Actor
from frontdesk.core.pages import PublicSchema, Schema


class Settlement(StrEnum):
    """What came of a promise."""

    KEPT = "kept"
    CANCELLED = "cancelled"


class CommitmentPublic(PublicSchema):
    """A promise to a contact."""

    id: UUID
    conversation_id: UUID
    message_id: UUID = Field(description="The message it was made in.")
    by: Actor = Field(description="`agent` or `human_agent`.")
    user_id: UUID | None = Field(description="Who of the people made it.")
    text: str
    state: CommitmentState
    promised_for: datetime | None = Field(
        description="By when, a day being over at 18:00 on the business's clock; null: not said."
    )
    read_by: str | None = Field(
        description="The model that read it; `rules` where none answered; `memory`: the summary of "
        "a long conversation."
    )
    created_at: datetime
    settled_at: datetime | None
    settled_by: UUID | None


class SettlementCreate(Schema):
    """What came of it."""

    state: Settlement = Field(examples=["kept"])
