"""Tables of the gateway: which models a tenant wants asked for what, and its own keys for them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

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
