"""Tables of the bridge: human agents' phones, the conversations they have there, what they wrote."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import NOW, TenantRow, TenantTable, Timestamp, refers, text_enum

BRIDGE = "escalation.bridge"


class BridgePhone(TenantTable, table=True):
    """A human agent's own WhatsApp; theirs once a message came from it with the code."""

    __tablename__ = "bridge_phone"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]
        ),
        sa.UniqueConstraint("tenant_id", "wa_id"),
        sa.UniqueConstraint("tenant_id", "bsuid"),
        sa.UniqueConstraint("tenant_id", "code_hash"),
    )

    user_id: UUID = Field(primary_key=True)
    wa_id: str | None = Field(default=None, sa_type=sa.Text)
    bsuid: str | None = Field(default=None, sa_type=sa.Text)
    code_hash: str | None = Field(default=None, sa_type=sa.Text)
    code_expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    confirmed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    problem: str | None = Field(default=None, sa_type=sa.Text)  # Why it could not be confirmed.
    # In which the desk speaks to them there, ISO 639; without, the agent's first.
    language: str | None = Field(default=None, sa_type=sa.Text)
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": sa.text("true")})


class BridgeState(StrEnum):
    """How far a bridge has got."""

    CALLING = "calling"  # Nothing is told before the human agent writes: their window is closed.
    OPEN = "open"
    ENDED = "ended"


class BridgeEnd(StrEnum):
    """Why a bridge ended."""

    CLOSED = "closed"
    RELEASED = "released"
    TAKEN_AWAY = "taken_away"  # Somebody else has it, or the queue.
    SWITCHED_OFF = "switched_off"
    UNREACHABLE = "unreachable"


class Bridge(TenantRow, table=True):
    """A conversation that a human agent has on their own WhatsApp: one at a time."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        refers("channel_id", to="channel"),
        refers("handoff_id", to="handoff"),
        sa.Index(
            "uq_bridge_user",
            "tenant_id",
            "user_id",
            unique=True,
            postgresql_where=sa.text("state <> 'ended'"),
        ),
        sa.Index(
            "uq_bridge_conversation",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=sa.text("state <> 'ended'"),
        ),
        sa.Index("ix_bridge_handoff", "tenant_id", "handoff_id"),
        sa.Index("ix_bridge_last", "tenant_id", "user_id", "id"),
    )

    conversation_id: UUID
    channel_id: UUID
    handoff_id: UUID
    user_id: UUID
    state: BridgeState = Field(sa_type=text_enum(BridgeState))
    # What they were told first: an outbound row, which says when it reached their phone.
    told_id: UUID | None = None
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    end_reason: BridgeEnd | None = Field(default=None, sa_type=text_enum(BridgeEnd))


class BridgeHeard(TenantTable, table=True):
    """That a human agent wrote from their own WhatsApp: each message counts once, and opens their
    24-hour window."""

    __tablename__ = "bridge_heard"
    __table_args__ = (
        refers("channel_id", to="channel"),
        sa.Index("ix_bridge_heard_window", "tenant_id", "user_id", "channel_id", "said_at"),
    )

    channel_id: UUID = Field(primary_key=True)
    wamid: str = Field(primary_key=True, sa_type=sa.Text)
    user_id: UUID
    said_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
