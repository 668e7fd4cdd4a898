"""Tables of prompts: immutable versions, and the releases that put one of them into use."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import (
    Json,
    TenantRow,
    TenantTable,
    Timestamp,
    of_tenant,
    refers,
    text_enum,
)
from frontdesk.prompts.rules import ExperimentState, Unit


class Prompt(TenantRow, table=True):
    """A named prompt of a tenant, such as `reply`."""

    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "name"))

    name: str = Field(sa_type=sa.Text)
    description: str = Field(default="", sa_type=sa.Text)


class PromptVersion(TenantRow, table=True):
    """One text of a prompt, for ever as it was written; its approval and what it passed come later."""

    __tablename__ = "prompt_version"
    __table_args__ = (
        refers("prompt_id", to="prompt"),
        sa.UniqueConstraint("tenant_id", "prompt_id", "version"),
        sa.UniqueConstraint("tenant_id", "prompt_id", "content_hash"),
    )

    prompt_id: UUID
    version: str = Field(sa_type=sa.Text)
    content: str = Field(sa_type=sa.Text)
    content_hash: str = Field(sa_type=sa.Text)
    variables: list[str] = Field(sa_type=Json)
    note: str = Field(default="", sa_type=sa.Text)
    tags: list[str] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'[]'")}
    )
    author_id: UUID | None = None
    approved_by: UUID | None = None
    approved_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # The evaluation run that this text passed.
    passed_run_id: UUID | None = None


class PromptPolicy(TenantTable, table=True):
    """What a tenant asks of a version before it goes to production."""

    __tablename__ = "prompt_policy"
    __table_args__ = (of_tenant(),)

    requires_approval: bool = Field(
        default=False, sa_column_kwargs={"server_default": sa.text("false")}
    )
    requires_run: bool = Field(default=False, sa_column_kwargs={"server_default": sa.text("false")})


class PromptRelease(TenantRow, table=True):
    """A label moved to a version; the newest one of a label counts, the one before is the way back."""

    __tablename__ = "prompt_release"
    __table_args__ = (
        refers("prompt_id", to="prompt"),
        refers("version_id", to="prompt_version"),
        sa.Index("ix_prompt_release_label", "tenant_id", "prompt_id", "label", "id"),
    )

    prompt_id: UUID
    version_id: UUID
    label: str = Field(default="production", sa_type=sa.Text)
    released_by: UUID | None = None
    rolled_back: bool = False  # This release was taken back; the way back skips it.


class PromptExperiment(TenantRow, table=True):
    """Versions tried on a share of the conversations; everybody else gets what is in production.

    A canary is one with a single variant and guards to judge it by.
    """

    __tablename__ = "prompt_experiment"
    __table_args__ = (
        refers("prompt_id", to="prompt"),
        sa.Index(
            "uq_prompt_experiment_open",
            "tenant_id",
            "prompt_id",
            unique=True,
            postgresql_where=sa.text("state IN ('running', 'held')"),
        ),
    )

    prompt_id: UUID
    name: str = Field(sa_type=sa.Text)
    unit: Unit = Field(sa_type=text_enum(Unit))
    variants: list[dict[str, Any]] = Field(sa_type=Json)  # name, version, share
    guards: list[str] = Field(sa_type=Json)
    state: ExperimentState = Field(
        default=ExperimentState.RUNNING, sa_type=text_enum(ExperimentState)
    )
    winner: str | None = Field(default=None, sa_type=sa.Text)
    history: list[dict[str, Any]] = Field(sa_type=Json)  # Each step, and what it rested on.
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
