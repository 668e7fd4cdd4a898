"""Tenants as Stripe's customers, and what Stripe told of them."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, reserve_for_system, seal_tenant_table

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def _time(name: str, *, nullable: bool = True) -> sa.Column:
    default = None if nullable else _NOW
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "stripe_account",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=True)
            for name in ("subscription_id", "status", "plan")
        ),
        sa.Column(
            "standing",
            _one_of("standing", "none", "good", "warned", "stopped"),
            server_default="none",
            nullable=False,
        ),
        _time("standing_since", nullable=False),
        _time("period_start"),
        _time("period_end"),
        sa.Column(
            "cancel_at_period_end", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        _time("suspended_at"),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        _time("heard_at"),
        _time("metered_from"),
        _time("metered_until"),
        _time("due_at", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_stripe_account_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_stripe_account"),
        sa.UniqueConstraint("customer_id", name="uq_stripe_account_customer_id"),
    )
    op.create_index("ix_stripe_account_due", "stripe_account", ["due_at"])
    op.create_table(
        "stripe_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        _time("received_at", nullable=False),
        sa.Column("state", _one_of("eventstate", "pending", "done", "ignored"), nullable=False),
        _time("due_at", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_event"),
        sa.UniqueConstraint("event_id", name="uq_stripe_event_event_id"),
    )
    op.create_index(
        "ix_stripe_event_due",
        "stripe_event",
        ["due_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_stripe_event_received", "stripe_event", ["received_at"])
    for statement in (
        *seal_tenant_table("stripe_account"),
        *reserve_for_system("stripe_event"),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("stripe_event")
    op.drop_table("stripe_account")
