"""Tables of the gateway: a tenant's models and keys, and whether the deployment's models answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.core.tables import NOW, Json, TenantRow, TenantTable, Timestamp, of_tenant


class ModelRouting(TenantTable, table=True):
    """A tenant's routing table, whole."""

    __tablename__ = "model_routing"
    __table_args__ = (of_tenant(),)

    version: int
    routes: dict[str, Any] = Field(sa_type=Json)


class ProviderKey(TenantRow, table=True):
    """A tenant's own key for a provider. Written and replaced, never shown."""

    __tablename__ = "provider_key"
    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "provider"))

    provider: str = Field(sa_type=sa.Text)
    api_key_sealed: str = Field(sa_type=sa.Text)
    set_by: UUID | None = None
    set_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class ModelCheck(SQLModel, table=True):
    """When one of the deployment's models was last asked something short, and what came of it."""

    __tablename__ = "model_check"

    model: str = Field(primary_key=True, sa_type=sa.Text)
    claimed_at: datetime = Field(sa_type=Timestamp)
    answered_at: datetime | None = Field(default=None, sa_type=Timestamp)
    ok: bool | None = None
    # Of /readyz, which is public: a kind of error and never its text.
    detail: str | None = Field(default=None, sa_type=sa.Text)
