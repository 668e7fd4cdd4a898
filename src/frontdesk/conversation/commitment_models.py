"""The table of commitments: what the business has promised to contacts."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.conversation.models import Actor
from frontdesk.core.tables import TenantRow, Timestamp, refers, text_enum


class CommitmentState(StrEnum):
    """How a promise stands."""

    NOTICED = "noticed"  # It sounds like one; it is still to be read.
    DISMISSED = "dismissed"  # It was none.
    OPEN = "open"
    KEPT = "kept"
    CANCELLED = "cancelled"


class Commitment(TenantRow, table=True):
    """A promise in a message of the business, and the work of reading it and of reminding of it."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        # A message may hold several.
        sa.UniqueConstraint("tenant_id", "message_id", "place"),
        sa.Index("ix_commitment_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index("ix_commitment_conversation", "tenant_id", "conversation_id", "id"),
        sa.Index(
            "ix_commitment_open",
            "tenant_id",
            "promised_for",
            postgresql_where=sa.text("state = 'open'"),
        ),
    )

    conversation_id: UUID
    message_id: UUID
    place: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    by: Actor = Field(sa_type=text_enum(Actor))
    user_id: UUID | None = None
    text: str = Field(sa_type=sa.Text)
    state: CommitmentState = Field(sa_type=text_enum(CommitmentState))
    # None: nothing says by when.
    promised_for: datetime | None = Field(default=None, sa_type=Timestamp)
    # A model, `rules` where none answered, or `memory`: the summary of a long conversation.
    read_by: str | None = Field(default=None, sa_type=sa.Text)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    reminders: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    settled_at: datetime | None = Field(default=None, sa_type=Timestamp)
    settled_by: UUID | None = None
