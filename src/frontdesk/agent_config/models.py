"""Tables of agent_config: the AI agents of a tenant and every version of their configuration."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import NOW, Json, TenantRow, Timestamp, of_tenant, refers


class Agent(TenantRow, table=True):
    """An AI agent; what it is like is in its versions, the present one being `version`."""

    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "name"))

    name: str = Field(sa_type=sa.Text)
    version: int = 1
    enabled: bool = True


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
