"""Tables of billing through Stripe. Amounts of money are Stripe's own: none is kept here."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.billing.stripe.standing import Standing
from frontdesk.core.tables import (
    NOW,
    TenantRow,
    TenantTable,
    Timestamp,
    of_tenant,
    refers,
    text_enum,
)


class StripeAccount(TenantTable, table=True):
    """A tenant as Stripe's customer, and how it stands. The row is the job that looks after it."""

    __tablename__ = "stripe_account"
    __table_args__ = (
        of_tenant(),
        # The tenant is found by it when Stripe tells of a customer.
        sa.UniqueConstraint("customer_id"),
        sa.Index("ix_stripe_account_due", "due_at"),
    )

    customer_id: str = Field(sa_type=sa.Text)
    subscription_id: str | None = Field(default=None, sa_type=sa.Text)
    status: str | None = Field(default=None, sa_type=sa.Text)  # Stripe's word.
    plan: str | None = Field(default=None, sa_type=sa.Text)
    standing: Standing = Field(
        default=Standing.NONE,
        sa_type=text_enum(Standing),
        sa_column_kwargs={"server_default": "none"},
    )
    standing_since: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    period_start: datetime | None = Field(default=None, sa_type=Timestamp)
    period_end: datetime | None = Field(default=None, sa_type=Timestamp)
    cancel_at_period_end: bool = Field(
        default=False, sa_column_kwargs={"server_default": sa.false()}
    )
    # Suspended by us for want of payment, and by nobody else: payment alone ends that.
    suspended_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # Whoever asked Stripe last may write what it heard; an earlier answer may be older.
    asked: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    heard_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # From when on usage is metered, and up to when it has been cut into batches.
    metered_from: datetime | None = Field(default=None, sa_type=Timestamp)
    metered_until: datetime | None = Field(default=None, sa_type=Timestamp)
    due_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class EventState(StrEnum):
    """What became of an event of Stripe's."""

    PENDING = "pending"
    DONE = "done"
    IGNORED = "ignored"


class StripeEvent(SQLModel, table=True):
    """That Stripe told something: of which customer, not what. What is so is asked of Stripe."""

    __tablename__ = "stripe_event"
    __table_args__ = (
        sa.UniqueConstraint("event_id"),
        sa.Index("ix_stripe_event_due", "due_at", postgresql_where=sa.text("state = 'pending'")),
        sa.Index("ix_stripe_event_received", "received_at"),
    )

    id: UUID = Field(primary_key=True)
    event_id: str = Field(sa_type=sa.Text)
    kind: str = Field(sa_type=sa.Text)
    customer_id: str | None = Field(default=None, sa_type=sa.Text)
    received_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    state: EventState = Field(sa_type=text_enum(EventState))
    due_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class BatchState(StrEnum):
    """What became of a batch. Two of these need a person, see `docs/stripe.md`."""

    PENDING = "pending"
    SENT = "sent"
    NOTHING = "nothing"
    TOO_OLD = "too_old"
    UNCERTAIN = "uncertain"
    WRITTEN_OFF = "written_off"


class StripeBatch(TenantRow, table=True):
    """Usage of one meter in one hour (UTC) that is told to Stripe as one event.

    `quantity` is the sum of its rows of the ledger, below nothing if corrections outweigh the rest;
    `value` is what is sent of it.
    """

    __tablename__ = "stripe_batch"
    __table_args__ = (
        sa.Index("ix_stripe_batch_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index("ix_stripe_batch_hour", "tenant_id", "meter", "hour_at"),
    )

    meter: str = Field(sa_type=sa.Text)
    hour_at: datetime = Field(sa_type=Timestamp)
    entries: int
    quantity: int = Field(sa_type=sa.BigInteger)
    value: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    state: BatchState = Field(sa_type=text_enum(BatchState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    doubtful_since: datetime | None = Field(default=None, sa_type=Timestamp)
    sent_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class StripeBatchEntry(TenantTable, table=True):
    """That a row of the ledger is in a batch; its key lets it be in one of each meter."""

    __tablename__ = "stripe_batch_entry"
    __table_args__ = (
        refers("batch_id", to="stripe_batch"),
        sa.Index("ix_stripe_batch_entry_batch", "tenant_id", "batch_id", "entry_id"),
    )

    meter: str = Field(sa_type=sa.Text, primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    batch_id: UUID
    quantity: int = Field(sa_type=sa.BigInteger)


class StripeDebt(TenantTable, table=True):
    """What is owed to a tenant of a meter: corrections that no batch has taken off yet."""

    __tablename__ = "stripe_debt"

    meter: str = Field(sa_type=sa.Text, primary_key=True)
    owed: int = Field(sa_type=sa.BigInteger)


class CheckState(StrEnum):
    """What a comparison with Stripe found."""

    OPEN = "open"
    AGREES = "agrees"
    DIFFERS = "differs"


class StripeCheck(TenantRow, table=True):
    """A day (UTC) whose usage is compared with what Stripe counted. The row is the job."""

    __tablename__ = "stripe_check"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "day"),
        sa.Index("ix_stripe_check_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    day: date = Field(sa_type=sa.Date)
    state: CheckState = Field(
        default=CheckState.OPEN,
        sa_type=text_enum(CheckState),
        sa_column_kwargs={"server_default": "open"},
    )
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    checked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class StripeDifference(TenantRow, table=True):
    """A day on which Stripe counted otherwise than we did, with both numbers."""

    __tablename__ = "stripe_difference"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "day", "meter"),)

    day: date = Field(sa_type=sa.Date)
    meter: str = Field(sa_type=sa.Text)
    ours: int = Field(sa_type=sa.BigInteger)
    theirs: int = Field(sa_type=sa.BigInteger)
    settled_at: datetime | None = Field(default=None, sa_type=Timestamp)
