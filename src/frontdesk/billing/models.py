"""Tables of billing: what things cost since when, the append-only ledger of what was used, budgets."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.billing.rules import BudgetPeriod, BudgetScope
from frontdesk.core.tables import (
    NOW,
    Json,
    TenantRow,
    TenantTable,
    Timestamp,
    Usd,
    of_tenant,
    text_enum,
)

TODAY = sa.text("(now() AT TIME ZONE 'UTC')::date")


class Price(SQLModel, table=True):
    """What a model costs from a moment on, in USD per million tokens. The platform's, not a tenant's."""

    model: str = Field(sa_type=sa.Text, primary_key=True)
    effective_from: datetime = Field(sa_type=Timestamp, primary_key=True)
    input_usd_per_million: Decimal = Field(sa_type=Usd)
    output_usd_per_million: Decimal = Field(sa_type=Usd)
    cached_input_usd_per_million: Decimal | None = Field(default=None, sa_type=Usd)
    source: str = Field(sa_type=sa.Text)


class PriceChange(SQLModel, table=True):
    """That somebody set a price: who, when, and what it was before. Append-only, the platform's."""

    __tablename__ = "price_change"
    __table_args__ = (sa.Index("ix_price_change_model", "model", "id"),)

    id: UUID = Field(primary_key=True)
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    model: str = Field(sa_type=sa.Text)
    # The price that held from the new one's day on, None without any, and the new one.
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] = Field(sa_type=Json)
    user_id: UUID | None = None  # None is the operator at the command line.
    request_id: str | None = Field(default=None, sa_type=sa.Text)


class UsageEntry(TenantRow, table=True):
    """Something used, with the unit prices that applied. Corrections are new entries."""

    __tablename__ = "usage_entry"
    # No reference to the tenant: each would lock the tenant's one row, for every entry anew.
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "kind", "source_id"),
        sa.Index("ix_usage_entry_created", "tenant_id", "created_at"),
        sa.Index("ix_usage_entry_conversation", "tenant_id", "conversation_id"),
        sa.Index("ix_usage_entry_day", "tenant_id", "day"),
        sa.Index(
            "ix_usage_entry_corrects",
            "tenant_id",
            "corrects_id",
            postgresql_where=sa.text("corrects_id IS NOT NULL"),
        ),
    )

    # When it was used (UTC), whenever that was written: reports go by it, whoever reads on by
    # `created_at`.
    day: date = Field(
        default=None, sa_type=sa.Date, sa_column_kwargs={"server_default": TODAY}, nullable=False
    )
    kind: str = Field(sa_type=sa.Text)  # One of `ledger.UsageKind`.
    source_id: str = Field(sa_type=sa.Text)  # What was used: counted once, whatever happens.
    feature: str = Field(sa_type=sa.Text)
    conversation_id: UUID | None = None
    contact_id: UUID | None = None
    agent_id: UUID | None = None
    prompt_name: str | None = Field(default=None, sa_type=sa.Text)
    prompt_version: str | None = Field(default=None, sa_type=sa.Text)
    model: str = Field(sa_type=sa.Text)
    quantity: int  # Calls or messages; seconds of speech or of people; MiB kept for a day.
    input_tokens: int = 0
    output_tokens: int = 0  # The reasoning ones included.
    cached_input_tokens: int = 0
    reasoning_tokens: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # WhatsApp's word: `regular`, or why it is free.
    pricing_type: str | None = Field(default=None, sa_type=sa.Text)
    currency: str = Field(
        default="USD", sa_type=sa.Text, sa_column_kwargs={"server_default": "USD"}
    )
    unit_prices: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # Null when no price is known: an alarm, never zero.
    amount_usd: Decimal | None = Field(default=None, sa_type=Usd)
    # The provider bills the tenant itself, whose key was used.
    own_key: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    # A kept answer was given again, for nothing; null when nobody knows what that saved.
    cache_hit: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    saved_usd: Decimal | None = Field(default=None, sa_type=Usd)
    # The entry that this one puts right, and why; its numbers are what is to be added.
    corrects_id: UUID | None = None
    note: str | None = Field(default=None, sa_type=sa.Text)
    # That entry lacked an amount, and has one now.
    settles_unpriced: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})


class CostTerms(TenantTable, table=True):
    """What no provider's list says: what a tenant's people and its storage cost, and what it pays."""

    __tablename__ = "cost_terms"
    __table_args__ = (of_tenant(),)

    human_usd_per_minute: Decimal | None = Field(default=None, sa_type=Usd)
    storage_usd_per_gib_month: Decimal | None = Field(default=None, sa_type=Usd)
    revenue_usd_per_month: Decimal | None = Field(default=None, sa_type=Usd)
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class Budget(TenantRow, table=True):
    """How much may be spent on models, by whom, in which period."""

    __table_args__ = (
        of_tenant(),
        sa.CheckConstraint("hard_usd > 0 AND soft_usd > 0 AND soft_usd <= hard_usd", name="caps"),
        sa.CheckConstraint("(scope = 'feature') = (feature IS NOT NULL)", name="feature"),
        sa.UniqueConstraint(
            "tenant_id", "scope", "feature", "period", postgresql_nulls_not_distinct=True
        ),
    )

    scope: BudgetScope = Field(sa_type=text_enum(BudgetScope))
    feature: str | None = Field(default=None, sa_type=sa.Text)
    period: BudgetPeriod = Field(sa_type=text_enum(BudgetPeriod))
    hard_usd: Decimal = Field(sa_type=Usd)
    soft_usd: Decimal | None = Field(default=None, sa_type=Usd)
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class BudgetUse(TenantTable, table=True):
    """What has been spent and what is reserved of a budget by one subject in one period."""

    __tablename__ = "budget_use"

    # No reference to the budget, which a call may outlive.
    budget_id: UUID = Field(primary_key=True)
    # The conversation or contact; for what is not theirs the nil UUID.
    subject: UUID = Field(primary_key=True)
    period_start: date = Field(sa_type=sa.Date, primary_key=True)
    spent_usd: Decimal = Field(sa_type=Usd, sa_column_kwargs={"server_default": "0"})
    reserved_usd: Decimal = Field(sa_type=Usd, sa_column_kwargs={"server_default": "0"})
    # Which of the caps the tenant's people have been told was reached.
    told: str | None = Field(default=None, sa_type=sa.Text)
    # The highest share of the hard cap whose spending they have been told of.
    alerted_percent: int = Field(
        default=0, sa_type=sa.SmallInteger, sa_column_kwargs={"server_default": "0"}
    )


class BudgetReservation(TenantTable, table=True):
    """The worst case of a call in flight, taken from one account; a call has one for each."""

    __tablename__ = "budget_reservation"
    __table_args__ = (sa.Index("ix_budget_reservation_due", "due_at"),)

    id: UUID = Field(primary_key=True)
    budget_id: UUID = Field(primary_key=True)
    subject: UUID
    period_start: date = Field(sa_type=sa.Date)
    amount_usd: Decimal = Field(sa_type=Usd)
    # By then the call has ended, or its worker has.
    due_at: datetime = Field(sa_type=Timestamp)
