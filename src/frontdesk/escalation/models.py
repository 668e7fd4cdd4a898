"""Tables of escalation: handoffs, who can take one, and what models suggest to people."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field

from frontdesk.core.tables import (
    NOW,
    Json,
    TenantRow,
    TenantTable,
    Timestamp,
    Usd,
    of_tenant,
    refers,
    text_enum,
)


class Reason(StrEnum):
    """Why a person must take over."""

    REQUESTED = "requested"
    KEYWORD = "keyword"
    ANGRY = "angry"
    LOW_CONFIDENCE = "low_confidence"
    MODEL_ASKED = "model_asked"
    MODEL_DOWN = "model_down"
    GUARD = "guard"
    STUCK = "stuck"
    TAKEN_OVER = "taken_over"
    PHONE_APP = "phone_app"
    MEDIA_ONLY = "media_only"
    SEND_FAILED = "send_failed"
    BUDGET = "budget"
    RULE = "rule"
    TOOL = "tool"
    SHADOW = "shadow"


class HandoffState(StrEnum):
    """Where a handoff stands."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    ENDED = "ended"


class Handoff(TenantRow, table=True):
    """An episode in which people own a conversation."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.Index(
            "uq_handoff_open",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=sa.text("state <> 'ended'"),
        ),
        sa.Index(
            "ix_handoff_waiting",
            "tenant_id",
            sa.text("urgency DESC"),
            "id",
            postgresql_where=sa.text("state = 'waiting'"),
        ),
        sa.Index("ix_handoff_conversation", "tenant_id", "conversation_id", "id"),
        sa.Index(
            "ix_handoff_assigned",
            "tenant_id",
            "assigned_user_id",
            postgresql_where=sa.text("state = 'assigned'"),
        ),
    )

    conversation_id: UUID
    reason: Reason = Field(sa_type=text_enum(Reason))
    rule: str = Field(default="", sa_type=sa.Text)
    packet: dict[str, Any] = Field(sa_type=Json)
    state: HandoffState = Field(default=HandoffState.WAITING, sa_type=text_enum(HandoffState))
    assigned_user_id: UUID | None = None
    assigned_at: datetime | None = Field(default=None, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    end_reason: str | None = Field(default=None, sa_type=sa.Text)
    # Who may take it: members of these teams; anybody when none of them has members.
    team_ids: list[UUID] = Field(
        default_factory=list,
        sa_type=postgresql.ARRAY(sa.Uuid),
        sa_column_kwargs={"server_default": "{}"},
    )
    # The place of its priority among all of them.
    urgency: int = Field(
        default=0, sa_type=sa.SmallInteger, sa_column_kwargs={"server_default": "0"}
    )
    # Who has been silent too long, and is not given it again before they come online anew.
    taken_from: UUID | None = None
    alerted_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # Set when people give the conversation back: what the AI has to know (`handing_back.py`).
    hand_back: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # Once it has ended: facts of its packet, and those the contact had to say again.
    facts_given: int | None = Field(default=None, sa_type=sa.SmallInteger)
    facts_repeated: int | None = Field(default=None, sa_type=sa.SmallInteger)


class BacktestState(StrEnum):
    """How far a backtest has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class RuleBacktest(TenantRow, table=True):
    """A configuration tried on an agent's last conversations, and what would have been different."""

    __tablename__ = "rule_backtest"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.Index("ix_rule_backtest_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    agent_id: UUID
    config: dict[str, Any] = Field(sa_type=Json)
    conversations: int
    state: BacktestState = Field(sa_type=text_enum(BacktestState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # Ids and numbers: what contacts wrote is read where it stands.
    result: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Presence(StrEnum):
    """Whether a human agent takes conversations."""

    ONLINE = "online"
    AWAY = "away"


class Availability(TenantTable, table=True):
    """Whether a human agent takes conversations, and how many at once."""

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]
        ),
    )

    user_id: UUID = Field(primary_key=True)
    presence: Presence = Field(default=Presence.AWAY, sa_type=text_enum(Presence))
    max_conversations: int = Field(default=5, sa_column_kwargs={"server_default": "5"})
    # Kept with every assignment and end, under this row's lock, so the limit can't be overrun.
    open_conversations: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_assigned_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # Away because nothing was seen of them, and not because they said so.
    sent_away: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    # Since when they are online, or away.
    presence_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class Team(TenantRow, table=True):
    """Human agents who take the same conversations."""

    __table_args__ = (
        of_tenant(),
        sa.Index("uq_team_name", "tenant_id", sa.text("lower(name)"), unique=True),
    )

    name: str = Field(sa_type=sa.Text)
    languages: list[str] = Field(sa_type=postgresql.ARRAY(sa.Text))
    skills: list[str] = Field(sa_type=postgresql.ARRAY(sa.Text))


class TeamMember(TenantTable, table=True):
    """That somebody is of a team."""

    __tablename__ = "team_member"
    __table_args__ = (
        refers("team_id", to="team", on_delete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]
        ),
        sa.Index("ix_team_member_user", "tenant_id", "user_id"),
    )

    team_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)


class SilentAssignee(StrEnum):
    """What becomes of a conversation whose human agent is silent too long."""

    QUEUE = "queue"
    COLLEAGUE = "colleague"
    ALERT = "alert"


class AssignmentPolicy(TenantTable, table=True):
    """How a tenant's conversations are assigned and watched; without a row nothing returns by itself."""

    __tablename__ = "assignment_policy"
    __table_args__ = (of_tenant(),)

    return_after_minutes: int | None = None
    return_to: SilentAssignee = Field(sa_type=text_enum(SilentAssignee))
    away_return_minutes: int | None = None
    away_after_minutes: int | None = None
    overdue_after_minutes: int | None = Field(default=15, sa_column_kwargs={"server_default": "15"})


class Task(StrEnum):
    """What a model is asked to do for the people who have a conversation."""

    DRAFT = "draft"
    REWRITE = "rewrite"
    TRANSLATE = "translate"
    SUMMARISE = "summarise"
    EXPLAIN = "explain"
    SHADOW = "shadow"  # Nobody asks: the agent only proposes.


class SuggestionState(StrEnum):
    """How far a suggestion has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class Suggestion(TenantRow, table=True):
    """What a model is to write for people about a conversation, and what it wrote. Never sent."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.UniqueConstraint("tenant_id", "client_key"),
        sa.Index("ix_suggestion_conversation", "tenant_id", "conversation_id", "id"),
        sa.Index("ix_suggestion_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        # One for all that has been written meanwhile.
        sa.Index(
            "uq_suggestion_shadow",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=sa.text("task = 'shadow' AND state = 'queued'"),
        ),
    )

    conversation_id: UUID
    task: Task = Field(sa_type=text_enum(Task))
    user_id: UUID | None = None  # Who asked; nobody for the agent's own.
    wish: dict[str, Any] = Field(sa_type=Json)
    client_key: str | None = Field(default=None, sa_type=sa.Text)
    state: SuggestionState = Field(
        default=SuggestionState.QUEUED, sa_type=text_enum(SuggestionState)
    )
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    text: str | None = Field(default=None, sa_type=sa.Text)
    language: str | None = Field(default=None, sa_type=sa.Text)
    sources: list[dict[str, Any]] | None = Field(default=None, sa_type=Json)
    confidence: float | None = None
    prompt_name: str | None = Field(default=None, sa_type=sa.Text)
    prompt_version: str | None = Field(default=None, sa_type=sa.Text)
    call_ids: list[UUID] = Field(
        default_factory=list,
        sa_type=postgresql.ARRAY(sa.Uuid),
        sa_column_kwargs={"server_default": "{}"},
    )
    input_tokens: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    output_tokens: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    cost_usd: Decimal | None = Field(default=None, sa_type=Usd)
    error_code: str | None = Field(default=None, sa_type=sa.Text)
    error: str | None = Field(default=None, sa_type=sa.Text)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)


class DraftSource(StrEnum):
    """Where a draft came from."""

    COPILOT = "copilot"
    PACKET = "packet"
    SHADOW = "shadow"


class Fate(StrEnum):
    """What people made of a draft."""

    KEPT = "kept"
    EDITED = "edited"
    DISCARDED = "discarded"


class DraftOutcome(TenantTable, table=True):
    """What became of a draft in people's hands: what a prompt can be judged by, and learn from."""

    __tablename__ = "draft_outcome"
    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.Index("ix_draft_outcome_conversation", "tenant_id", "conversation_id"),
        sa.Index("ix_draft_outcome_prompt", "tenant_id", "prompt_name", "prompt_version"),
    )

    # A suggestion's or a handoff's: its first use counts.
    draft_id: UUID = Field(primary_key=True)
    conversation_id: UUID
    agent_id: UUID
    user_id: UUID | None = None
    source: DraftSource = Field(sa_type=text_enum(DraftSource))
    fate: Fate = Field(sa_type=text_enum(Fate))
    draft: str = Field(sa_type=sa.Text)
    sent: str | None = Field(default=None, sa_type=sa.Text)
    message_id: UUID | None = None
    # Characters to change, of those of the longer text: 0 as it was, 1 nothing of it.
    edit_ratio: float | None = None
    prompt_name: str | None = Field(default=None, sa_type=sa.Text)
    prompt_version: str | None = Field(default=None, sa_type=sa.Text)
    call_id: UUID | None = None
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
