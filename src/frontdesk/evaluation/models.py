"""Tables of evaluation: golden cases and the runs that scored them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import Json, TenantRow, Timestamp, refers, text_enum


class EvalCase(TenantRow, table=True):
    """What a contact says and what a good answer holds."""

    __tablename__ = "eval_case"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "agent_id", "name"),
    )

    agent_id: UUID
    name: str = Field(sa_type=sa.Text)
    messages: list[str] = Field(sa_type=Json)
    must_contain: list[str] = Field(sa_type=Json)
    must_not_contain: list[str] = Field(sa_type=Json)
    expect_handoff: bool = False
    tags: list[str] = Field(sa_type=Json)


class RunState(StrEnum):
    """How far a run has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class EvalRun(TenantRow, table=True):
    """One pass over an agent's cases with what is configured now."""

    __tablename__ = "eval_run"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.Index("ix_eval_run_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    agent_id: UUID
    state: RunState = Field(default=RunState.QUEUED, sa_type=text_enum(RunState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    threshold: float = 0.95
    pass_rate: float | None = None
    deployment_approved: bool | None = None
    results: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'[]'")}
    )
    last_error: str | None = Field(default=None, sa_type=sa.Text)
