"""Tables of the feed: the realtime log of each tenant and the counter that orders it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import NOW, Json, TenantTable, Timestamp, of_tenant, text_enum


class Audience(StrEnum):
    """Who may see an event."""

    EVERYONE = "everyone"
    ADMINS = "admins"


class FeedCounter(TenantTable, table=True):
    """The last sequence number of a tenant. Taken last in a transaction, so no reader skips one."""

    __tablename__ = "feed_counter"
    __table_args__ = (of_tenant(),)

    n: int = Field(sa_type=sa.BigInteger)


class FeedEvent(TenantTable, table=True):
    """One thing that happened, as dashboards see it."""

    __tablename__ = "feed_event"
    # No reference to the tenant: each would lock the tenant's one row, for every event anew.
    __table_args__ = (sa.Index("ix_feed_event_at", "at"),)

    seq: int = Field(sa_type=sa.BigInteger, primary_key=True)
    kind: str = Field(sa_type=sa.Text)
    audience: Audience = Field(
        default=Audience.EVERYONE,
        sa_type=text_enum(Audience, checked=False),
        sa_column_kwargs={"server_default": "everyone"},
    )
    payload: dict[str, Any] = Field(sa_type=Json)
    at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
