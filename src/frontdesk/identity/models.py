"""Tables of identity. `tenant` is the root; users stand beside tenants, memberships join them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.tables import NOW, TenantTable, Timestamp, of_tenant, text_enum


class TenantStatus(StrEnum):
    """Whether a tenant is served."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class Tenant(SQLModel, table=True):
    """The company that pays. Row-level security shows a transaction its own tenant only."""

    id: UUID = Field(default_factory=ids.new, primary_key=True)
    name: str = Field(sa_type=sa.Text)
    slug: str = Field(sa_type=sa.Text, unique=True)
    status: TenantStatus = Field(
        default=TenantStatus.ACTIVE,
        sa_type=text_enum(TenantStatus),
        sa_column_kwargs={"server_default": "ACTIVE"},
    )
    plan: str = Field(sa_type=sa.Text, sa_column_kwargs={"server_default": "standard"})
    # What the plan allows; null is as much as anybody likes.
    max_users: int | None = None
    max_channels: int | None = None
    max_agents: int | None = None
    max_conversations_at_once: int | None = None
    # Members without an authenticator app may sign in only to set one up.
    mfa_required: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    # Human agents see of contact details only an end.
    contacts_masked: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class User(SQLModel, table=True):
    """Someone who signs in. A tenant sees the users that have a membership in it."""

    __tablename__ = "app_user"  # `user` is a reserved word.

    id: UUID = Field(default_factory=ids.new, primary_key=True)
    email: str = Field(sa_type=sa.Text, unique=True)
    name: str = Field(sa_type=sa.Text)
    password_hash: str = Field(sa_type=sa.Text)
    is_super_admin: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    disabled_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class Membership(TenantTable, table=True):
    """A user's role in a tenant."""

    __table_args__ = (
        of_tenant(),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"]),
        sa.Index("ix_membership_user", "user_id"),
    )

    user_id: UUID = Field(primary_key=True)
    # What this tenant calls them: what they call themselves elsewhere is not told to it.
    name: str | None = Field(default=None, sa_type=sa.Text)
    role: Role = Field(sa_type=text_enum(Role))
    disabled_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class UserSession(SQLModel, table=True):
    """A sign-in. Read before the tenant is known, so only the system role reaches it.

    It is at once the family of its refresh tokens: `generation` says which of them is the good one.
    """

    __tablename__ = "user_session"
    __table_args__ = (
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]
        ),
        sa.Index("ix_user_session_user", "user_id"),
    )

    id: UUID = Field(default_factory=ids.new, primary_key=True)
    user_id: UUID
    # None is a super admin's, who is in no tenant.
    tenant_id: UUID | None = None
    user_agent: str = Field(default="", sa_type=sa.Text)
    # The network only: enough to know one's own places again.
    address: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    generation: int = Field(default=0, sa_column_kwargs={"server_default": sa.text("0")})
    renewed_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    seen_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    expires_at: datetime = Field(sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Acting(TenantTable, table=True):
    """A super admin's time in a tenant. The tenant may read it, and only the platform writes it."""

    __table_args__ = (
        of_tenant(),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"]),
        sa.Index("ix_acting_session", "session_id", postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_acting_user", "tenant_id", "user_id", "expires_at"),
    )

    id: UUID = Field(default_factory=ids.new, primary_key=True)
    user_id: UUID
    # Sessions are forgotten a month after their end; who acted when is not.
    session_id: UUID
    reason: str = Field(sa_type=sa.Text)
    started_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    expires_at: datetime = Field(sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class LoginThrottle(SQLModel, table=True):
    """Failed sign-ins of an account or an address; in Postgres, so that it holds without Redis."""

    __tablename__ = "login_throttle"

    key: str = Field(sa_type=sa.Text, primary_key=True)
    failures: int
    blocked_until: datetime | None = Field(default=None, sa_type=Timestamp)
    updated_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
