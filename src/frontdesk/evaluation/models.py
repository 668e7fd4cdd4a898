"""Tables of evaluation: datasets and cases, runs and results, cases from production, canaries."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import (
    Json,
    TenantRow,
    TenantTable,
    Timestamp,
    Usd,
    refers,
    text_enum,
)


class EvalDataset(TenantRow, table=True):
    """Cases that an agent's changes are judged by. Every edit of a case makes a new version of it."""

    __tablename__ = "eval_dataset"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "agent_id", "name"),
    )

    agent_id: UUID
    name: str = Field(sa_type=sa.Text)
    version: int = 1


class EvalCase(TenantRow, table=True):
    """A case as it was in some versions of its dataset; an edit ends this row and begins another."""

    __tablename__ = "eval_case"
    __table_args__ = (
        refers("dataset_id", to="eval_dataset"),
        sa.Index(
            "uq_eval_case_present",
            "tenant_id",
            "dataset_id",
            "name",
            unique=True,
            postgresql_where=sa.text("until_version IS NULL"),
        ),
    )

    dataset_id: UUID
    name: str = Field(sa_type=sa.Text)
    body: dict[str, Any] = Field(sa_type=Json)
    since_version: int
    until_version: int | None = (
        None  # The first version without it; None: it is in the present one.
    )
    # The conversation it was made from: erased with it.
    conversation_id: UUID | None = None


class RunKind(StrEnum):
    """What a run plays."""

    CASES = "cases"
    TRAFFIC = "traffic"  # A sample of what contacts wrote lately.


class RunState(StrEnum):
    """How far a run has got."""

    QUEUED = "queued"
    DONE = "done"
    STOPPED = "stopped"  # Its money was used up.
    FAILED = "failed"
    CANCELLED = "cancelled"


class EvalRun(TenantRow, table=True):
    """A candidate played through the cases of a dataset, or through last week's traffic."""

    __tablename__ = "eval_run"
    __table_args__ = (
        refers("agent_id", to="agent"),
        refers("dataset_id", to="eval_dataset"),
        sa.Index("ix_eval_run_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index("ix_eval_run_fingerprint", "tenant_id", "dataset_id", "fingerprint", "id"),
    )

    agent_id: UUID
    kind: RunKind = Field(
        default=RunKind.CASES,
        sa_type=text_enum(RunKind),
        sa_column_kwargs={"server_default": "cases"},
    )
    dataset_id: UUID | None = None
    dataset_version: int | None = None
    # What is asked for, and what that came to when the run was started: config, prompts.
    wish: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'{}'")}
    )
    candidate: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'{}'")}
    )
    # The same for the same content: a run of what is in production is found by it.
    fingerprint: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    state: RunState = Field(default=RunState.QUEUED, sa_type=text_enum(RunState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    threshold: float = 0.95
    repeats: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    budget_usd: Decimal | None = Field(default=None, sa_type=Usd)
    total: int | None = None
    done: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    spent_usd: Decimal = Field(
        default=Decimal(0), sa_type=Usd, sa_column_kwargs={"server_default": "0"}
    )
    judge: dict[str, Any] | None = Field(default=None, sa_type=Json)
    pass_rate: float | None = None
    summary: dict[str, Any] | None = Field(default=None, sa_type=Json)
    deployment_approved: bool | None = None
    gate: list[str] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'[]'")}
    )
    requested_by: UUID | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class EvalResult(TenantTable, table=True):
    """How one case of a run went: written once, so that a run goes on after a crash where it was."""

    __tablename__ = "eval_result"
    __table_args__ = (
        refers("run_id", to="eval_run", on_delete="CASCADE"),
        sa.Index("ix_eval_result_conversation", "tenant_id", "conversation_id"),
    )

    run_id: UUID = Field(primary_key=True)
    item_id: UUID = Field(primary_key=True)  # The case, or the turn of the sample.
    repeat: int = Field(primary_key=True)
    passed: bool
    body: dict[str, Any] = Field(sa_type=Json)
    conversation_id: UUID | None = None


class ProposalState(StrEnum):
    """What people say of a case that was made from production."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Origin(StrEnum):
    """What made a conversation worth a case."""

    HUMAN_EDIT = "human_edit"
    TAKE_OVER = "take_over"
    THUMBS_DOWN = "thumbs_down"
    ESCALATION = "escalation"


class EvalProposal(TenantRow, table=True):
    """A case made from a conversation, masked, for somebody to look at."""

    __tablename__ = "eval_proposal"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "agent_id", "content_hash"),
        sa.Index("ix_eval_proposal_conversation", "tenant_id", "conversation_id"),
    )

    agent_id: UUID
    conversation_id: UUID | None = None
    origin: Origin = Field(sa_type=text_enum(Origin))
    # Of what the contact wrote: a text that was rejected is never proposed again.
    content_hash: str = Field(sa_type=sa.Text)
    body: dict[str, Any] = Field(sa_type=Json)
    state: ProposalState = Field(default=ProposalState.PROPOSED, sa_type=text_enum(ProposalState))
    reviewed_by: UUID | None = None
    reviewed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class EvalCollection(TenantTable, table=True):
    """That cases are proposed from an agent's conversations: each day, and when somebody asks."""

    __tablename__ = "eval_collection"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.Index(
            "ix_eval_collection_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
    )

    agent_id: UUID = Field(primary_key=True)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    through_at: datetime | None = Field(default=None, sa_type=Timestamp)


class CanaryWatch(TenantTable, table=True):
    """That a canary is looked at until it is decided, and what was seen last."""

    __tablename__ = "canary_watch"
    __table_args__ = (
        refers("experiment_id", to="prompt_experiment"),
        sa.Index("ix_canary_watch_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    experiment_id: UUID = Field(primary_key=True)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    looks: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    evidence: dict[str, Any] | None = Field(default=None, sa_type=Json)
