"""Tables that are made of the ledger: its sums by day, and the hours that were unlike others."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.billing.facts import DIMENSIONS
from frontdesk.core.tables import TenantRow, TenantTable, Timestamp, of_tenant, text_enum


class UsageBook(TenantTable, table=True):
    """How far a tenant's books are kept, and when that is looked after next."""

    __tablename__ = "usage_book"
    __table_args__ = (of_tenant(), sa.Index("ix_usage_book_due", "due_at"))

    due_at: datetime = Field(sa_type=Timestamp)
    # What was written to the ledger before then is in the sums, and nothing else.
    rolled_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # The last day whose storage is in the ledger.
    stored_day: date | None = Field(default=None, sa_type=sa.Date)
    # The end of the last hour that was compared with those before.
    looked_at: datetime | None = Field(default=None, sa_type=Timestamp)


class UsageRollup(TenantRow, table=True):
    """The sums of one day's entries that have all of this in common."""

    __tablename__ = "usage_rollup"
    # No reference to the tenant: it can be made again from the ledger, which has none.
    __table_args__ = (
        sa.UniqueConstraint(
            "tenant_id",
            "day",
            *DIMENSIONS,
            name="uq_usage_rollup_slice",
            postgresql_nulls_not_distinct=True,
        ),
    )

    day: date = Field(sa_type=sa.Date)
    kind: str = Field(sa_type=sa.Text)
    feature: str = Field(sa_type=sa.Text)
    model: str = Field(sa_type=sa.Text)
    agent_id: UUID | None = None
    prompt_name: str | None = Field(default=None, sa_type=sa.Text)
    prompt_version: str | None = Field(default=None, sa_type=sa.Text)
    pricing_type: str | None = Field(default=None, sa_type=sa.Text)
    own_key: bool
    entries: int = Field(sa_type=sa.BigInteger)
    calls: int = Field(sa_type=sa.BigInteger)
    cache_hits: int = Field(sa_type=sa.BigInteger)
    quantity: int = Field(sa_type=sa.BigInteger)
    input_tokens: int = Field(sa_type=sa.BigInteger)
    output_tokens: int = Field(sa_type=sa.BigInteger)
    cached_input_tokens: int = Field(sa_type=sa.BigInteger)
    reasoning_tokens: int = Field(sa_type=sa.BigInteger)
    unpriced: int = Field(sa_type=sa.BigInteger)
    amount_usd: Decimal = Field(sa_type=sa.Numeric)
    saved_usd: Decimal = Field(sa_type=sa.Numeric)


class UsageHour(TenantTable, table=True):
    """What an hour came to, of what others bill; kept for as long as hours are compared with it."""

    __tablename__ = "usage_hour"

    hour: datetime = Field(sa_type=Timestamp, primary_key=True)
    cost: Decimal = Field(sa_type=sa.Numeric)
    calls: int = Field(sa_type=sa.BigInteger)
    tokens: int = Field(sa_type=sa.BigInteger)


class Measure(StrEnum):
    """What of an hour is compared with other hours."""

    COST = "cost"
    CALLS = "calls"
    TOKENS = "tokens"


class UsageAnomaly(TenantRow, table=True):
    """An hour in which a tenant used far more than it is used to."""

    __tablename__ = "usage_anomaly"
    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "hour", "measure"))

    hour: datetime = Field(sa_type=Timestamp)
    measure: Measure = Field(sa_type=text_enum(Measure))
    value: Decimal = Field(sa_type=sa.Numeric)
    usual: Decimal = Field(sa_type=sa.Numeric)  # The median.
    bound: Decimal = Field(sa_type=sa.Numeric)  # From here on it is unusual.
    reason: str = Field(sa_type=sa.Text)
    acknowledged_at: datetime | None = Field(default=None, sa_type=Timestamp)
    acknowledged_by: UUID | None = None
