"""The table of API keys."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from frontdesk.core.tables import TenantRow, Timestamp, of_tenant


class ApiKey(TenantRow, table=True):
    """A program of the tenant. The key itself is not here: only its hash, and four characters."""

    __tablename__ = "api_key"
    __table_args__ = (
        of_tenant(),
        sa.ForeignKeyConstraint(["created_by"], ["app_user.id"]),
        sa.UniqueConstraint("tenant_id", "key_hash"),
    )

    name: str = Field(sa_type=sa.Text)
    key_hash: str = Field(sa_type=sa.Text)
    # The end of the key, so that people know it again.
    hint: str = Field(sa_type=sa.Text)
    scopes: list[str] = Field(sa_type=ARRAY(sa.Text))
    created_by: UUID
    expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_used_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)
