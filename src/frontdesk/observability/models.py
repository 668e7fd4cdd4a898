"""Tables of observability: every attempt at a model, and who changed what."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.core.tables import (
    NOW,
    Json,
    TenantRow,
    Timestamp,
    Usd,
    of_tenant,
    refers,
    text_enum,
)

CURRENT_API_KEY = sa.text("nullif(current_setting('app.api_key_id', true), '')::uuid")


class LlmCall(TenantRow, table=True):
    """One attempt at one model, with all it takes to make the same call again."""

    __tablename__ = "llm_call"
    # No reference to the tenant: each would lock the tenant's one row, for every call anew.
    __table_args__ = (
        sa.Index("ix_llm_call_conversation", "tenant_id", "conversation_id", "created_at"),
        sa.Index("ix_llm_call_created", "tenant_id", "created_at"),
        sa.Index(
            "ix_llm_call_texts",
            "created_at",
            "tenant_id",
            postgresql_where=sa.text("texts_erased_at IS NULL"),
        ),
    )

    request_id: UUID  # One request may take several attempts; they share it.
    attempt: int
    feature: str = Field(sa_type=sa.Text)
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    user_id: UUID | None = None
    agent_id: UUID | None = None
    agent_version: int | None = None
    prompt_name: str | None = Field(default=None, sa_type=sa.Text)
    prompt_version: str | None = Field(default=None, sa_type=sa.Text)
    # What the prompt was filled in with, so that another version can be filled in the same way.
    variables: dict[str, Any] | None = Field(default=None, sa_type=Json)
    experiment_id: UUID | None = None
    variant: str | None = Field(default=None, sa_type=sa.Text)
    model_asked: str = Field(sa_type=sa.Text)
    model_used: str | None = Field(default=None, sa_type=sa.Text)
    messages: list[dict[str, Any]] = Field(sa_type=Json)
    parameters: dict[str, Any] = Field(sa_type=Json)
    chunk_ids: list[str] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'[]'")}
    )
    response: str | None = Field(default=None, sa_type=sa.Text)
    finish_reason: str | None = Field(default=None, sa_type=sa.Text)
    outcome: str = Field(sa_type=sa.Text)  # ok, or the error's kind.
    error: str | None = Field(default=None, sa_type=sa.Text)
    status_code: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_known: bool = True
    cost_usd: Decimal | None = Field(default=None, sa_type=Usd)
    latency_seconds: float
    # Answered from what was kept: no model was asked.
    cache_hit: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    # The receipt: what personal data was masked before the call, by which policy.
    masking: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # Since when `messages`, `variables`, `response` and `error` are empty: costs are kept longer than words.
    texts_erased_at: datetime | None = Field(default=None, sa_type=Timestamp)


class ReplayState(StrEnum):
    """How far a replay has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class LlmReplay(TenantRow, table=True):
    """A recorded call to be made again, and the call that came of it. It holds no texts."""

    __tablename__ = "llm_replay"
    __table_args__ = (
        refers("call_id", to="llm_call"),
        sa.UniqueConstraint("tenant_id", "client_key"),
        sa.Index("ix_llm_replay_call", "tenant_id", "call_id", "id"),
        sa.Index("ix_llm_replay_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    call_id: UUID
    requested_by: UUID | None = None
    prompt: str | None = Field(default=None, sa_type=sa.Text)  # A version, or `current`.
    model: str | None = Field(default=None, sa_type=sa.Text)
    knowledge: str = Field(sa_type=sa.Text)
    state: ReplayState = Field(default=ReplayState.QUEUED, sa_type=text_enum(ReplayState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    result_call_id: UUID | None = None
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    remark: str | None = Field(default=None, sa_type=sa.Text)  # What is missing in it.
    client_key: str | None = Field(default=None, sa_type=sa.Text)


class Outage(StrEnum):
    """What a drill takes away from a tenant."""

    MODELS = "models"
    WHATSAPP = "whatsapp"
    REDIS = "redis"


class Drill(TenantRow, table=True):
    """An outage that is simulated for the tenant until `ends_at`, or until somebody ends it."""

    __table_args__ = (
        of_tenant(),
        sa.Index(
            "uq_drill_running",
            "tenant_id",
            "outage",
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("ix_drill_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    outage: Outage = Field(sa_type=text_enum(Outage))
    provider: str | None = Field(default=None, sa_type=sa.Text)  # Of models; None is all of them.
    ends_at: datetime = Field(sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    started_by: UUID | None = None


class AuditEntry(TenantRow, table=True):
    """Who did what to what. Append-only: the application's role may neither change nor delete."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        of_tenant(),
        sa.Index("ix_audit_entry_created", "tenant_id", "created_at"),
        sa.Index("ix_audit_entry_subject", "tenant_id", "subject_id", "id"),
        sa.Index("ix_audit_entry_user", "tenant_id", "user_id", "id"),
    )

    user_id: UUID | None = None
    # Set on what a super admin did while they acted in the tenant.
    acting_id: UUID | None = None
    # Set by the transaction of a program's request, whatever writes the entry.
    api_key_id: UUID | None = Field(
        default=None, sa_column_kwargs={"server_default": CURRENT_API_KEY}
    )
    action: str = Field(sa_type=sa.Text)
    subject: str = Field(sa_type=sa.Text)
    subject_id: str | None = Field(default=None, sa_type=sa.Text)
    details: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'{}'")}
    )
    request_id: str | None = Field(default=None, sa_type=sa.Text)


class WorkerHeartbeat(SQLModel, table=True):
    """A worker process that is alive. Of no tenant; only the system role reaches it."""

    __tablename__ = "worker_heartbeat"

    worker: str = Field(sa_type=sa.Text, primary_key=True)
    busy: int
    started_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    seen_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
