"""Usage on its way to Stripe, row by row, and the days compared with what Stripe counted."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

TABLES = ("stripe_batch", "stripe_batch_entry", "stripe_debt", "stripe_check", "stripe_difference")


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _row() -> tuple[sa.Column, ...]:
    return (
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )


def _time(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _number(name: str, **more: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False, **more)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _tries() -> tuple[sa.Column, ...]:
    return (
        _time("due_at"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "stripe_batch",
        *_row(),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("hour_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        _number("quantity"),
        _number("value", server_default="0"),
        sa.Column(
            "state",
            _one_of("batchstate", "pending", "sent", "nothing", "too_old", "uncertain"),
            nullable=False,
        ),
        *_tries(),
        _time("doubtful_since"),
        _time("sent_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_stripe_batch"),
    )
    op.create_table(
        "stripe_batch_entry",
        _tenant(),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        _number("quantity"),
        sa.PrimaryKeyConstraint("tenant_id", "meter", "entry_id", name="pk_stripe_batch_entry"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "batch_id"],
            ["stripe_batch.tenant_id", "stripe_batch.id"],
            name="fk_stripe_batch_entry_tenant_id_batch_id",
        ),
    )
    op.create_table(
        "stripe_debt",
        _tenant(),
        sa.Column("meter", sa.Text(), nullable=False),
        _number("owed"),
        sa.PrimaryKeyConstraint("tenant_id", "meter", name="pk_stripe_debt"),
    )
    op.create_table(
        "stripe_check",
        *_row(),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "state",
            _one_of("checkstate", "open", "agrees", "differs"),
            server_default="open",
            nullable=False,
        ),
        _time("checked_at"),
        *_tries(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_stripe_check"),
        sa.UniqueConstraint("tenant_id", "day", name="uq_stripe_check_tenant_id_day"),
    )
    op.create_table(
        "stripe_difference",
        *_row(),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        _number("ours"),
        _number("theirs"),
        _time("settled_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_stripe_difference"),
        sa.UniqueConstraint(
            "tenant_id", "day", "meter", name="uq_stripe_difference_tenant_id_day_meter"
        ),
    )
    for table in ("stripe_batch", "stripe_check"):
        op.create_index(
            f"ix_{table}_due", table, ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
        )
    op.create_index("ix_stripe_batch_hour", "stripe_batch", ["tenant_id", "meter", "hour_at"])
    op.create_index(
        "ix_stripe_batch_entry_batch", "stripe_batch_entry", ["tenant_id", "batch_id", "entry_id"]
    )
    for table in TABLES:
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    for table in (
        "stripe_batch_entry",
        "stripe_batch",
        "stripe_debt",
        "stripe_check",
        "stripe_difference",
    ):
        op.drop_table(table)
