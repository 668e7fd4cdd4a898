"""Tables of agent_config: the AI agents of a tenant and every version of their configuration."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import (
    NOW,
    Json,
    TenantRow,
    TenantTable,
    Timestamp,
    of_tenant,
    refers,
    text_enum,
)


class Agent(TenantRow, table=True):
    """An AI agent; what it is like is in its versions, the present one being `version`."""

    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "name"))

    name: str = Field(sa_type=sa.Text)
    version: int = 1
    enabled: bool = True
    # As the version in force says: whoever watches all conversations need not read that.
    overdue_after_minutes: int | None = None
    # A configuration comes into force only once it has passed an evaluation run.
    requires_run: bool = Field(default=False, sa_column_kwargs={"server_default": sa.text("false")})


class ToolSecret(TenantRow, table=True):
    """A secret that headers of the tenant's tools refer to by name."""

    __tablename__ = "tool_secret"
    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "name"))

    name: str = Field(sa_type=sa.Text)
    value_sealed: str = Field(sa_type=sa.Text)
    updated_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class AgentVersion(TenantRow, table=True):
    """The whole configuration of an agent as it was saved once; immutable."""

    __tablename__ = "agent_version"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "agent_id", "version"),
    )

    agent_id: UUID
    version: int
    config: dict[str, Any] = Field(sa_type=Json)
    author_id: UUID | None = None


class AgentPass(TenantTable, table=True):
    """That a configuration of an agent has passed an evaluation run, saved by then or not."""

    __tablename__ = "agent_pass"
    __table_args__ = (refers("agent_id", to="agent"),)

    agent_id: UUID = Field(primary_key=True)
    config_hash: str = Field(sa_type=sa.Text, primary_key=True)
    run_id: UUID
    passed_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class PreviewState(StrEnum):
    """How far a preview has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class AgentPreview(TenantRow, table=True):
    """A configuration to be tried on messages that nobody wrote, and what it would answer."""

    __tablename__ = "agent_preview"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "client_key"),
        sa.Index("ix_agent_preview_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    agent_id: UUID
    requested_by: UUID | None = None
    version: int | None = None  # None: a draft that was never saved.
    config: dict[str, Any] = Field(sa_type=Json)
    messages: list[str] = Field(sa_type=Json)
    # What stands before them: author and text of each.
    history: list[dict[str, str]] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'[]'")}
    )
    client_key: str | None = Field(default=None, sa_type=sa.Text)
    state: PreviewState = Field(default=PreviewState.QUEUED, sa_type=text_enum(PreviewState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    answer: dict[str, Any] | None = Field(default=None, sa_type=Json)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)
