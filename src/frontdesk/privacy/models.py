"""Tables of privacy: exports, erasures, and how long a tenant keeps things."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import Json, TenantRow, TenantTable, Timestamp, of_tenant, text_enum


class ExportState(StrEnum):
    """How far an export has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class DataExport(TenantRow, table=True):
    """A copy of a tenant's or a contact's data, to be made, fetched for a while, and deleted."""

    __tablename__ = "data_export"
    __table_args__ = (
        of_tenant(),
        sa.Index("ix_data_export_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index(
            "uq_data_export_queued",
            "tenant_id",
            unique=True,
            postgresql_where=sa.text("state = 'queued'"),
        ),
    )

    contact_id: UUID | None = None  # None: all of the tenant.
    requested_by: UUID | None = None
    state: ExportState = Field(default=ExportState.QUEUED, sa_type=text_enum(ExportState))
    stage: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    row_count: int | None = None
    size_bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    sha256: str | None = Field(default=None, sa_type=sa.Text)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
    expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class ErasureState(StrEnum):
    """How far an erasure has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class Erasure(TenantRow, table=True):
    """That a contact's, or a whole tenant's, data is to go; it stays as the receipt."""

    __tablename__ = "erasure"
    __table_args__ = (
        of_tenant(),
        sa.Index("ix_erasure_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index(
            "uq_erasure_queued",
            "tenant_id",
            "contact_id",
            unique=True,
            postgresql_where=sa.text("state = 'queued'"),
        ),
    )

    contact_id: UUID | None = None  # None: all of the tenant.
    requested_by: UUID | None = None
    state: ErasureState = Field(default=ErasureState.QUEUED, sa_type=text_enum(ErasureState))
    stage: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # What is looked for until nothing is found; gone with the last of it.
    identifiers_sealed: str | None = Field(default=None, sa_type=sa.Text)
    erased_at: datetime | None = Field(default=None, sa_type=Timestamp)
    report: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'{}'")}
    )
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class TenantRetention(TenantTable, table=True):
    """How many days a tenant keeps things, where that is fewer than the deployment does."""

    __tablename__ = "tenant_retention"
    __table_args__ = (of_tenant(),)

    feed_days: int | None = None
    llm_text_days: int | None = None
    export_days: int | None = None
    media_days: int | None = None
