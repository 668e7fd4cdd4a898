"""Tables of the feed: the realtime log of each tenant and the counter that orders it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import NOW, Json, TenantTable, Timestamp, of_tenant


class Audience(StrEnum):
    """Who may see an event; one for a single user has their id instead."""

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
    # An `Audience`, or a user's id.
    audience: str = Field(
        sa_type=sa.String(40),
        sa_column_kwargs={"server_default": "everyone"},
    )
    payload: dict[str, Any] = Field(sa_type=Json)
    at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
