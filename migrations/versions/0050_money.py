"""Usage by day for quick reports, unusual usage, alerts of budgets, and prices of authentication."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_COUNTED = (
    "entries",
    "calls",
    "cache_hits",
    "quantity",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "unpriced",
)
_MEASURES = ("cost", "calls", "tokens")


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _row() -> list[sa.Column]:
    return [
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    ]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "usage_book",
        _tenant(),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rolled_day", sa.Date(), nullable=True),
        sa.Column("stored_day", sa.Date(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_usage_book_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_usage_book"),
    )
    op.create_index("ix_usage_book_due", "usage_book", ["due_at"])
    op.create_table(
        "usage_rollup",
        *_row(),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("prompt_name", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("pricing_type", sa.Text(), nullable=True),
        sa.Column("own_key", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTED),
        sa.Column("amount_usd", sa.Numeric(), nullable=False),
        sa.Column("saved_usd", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_rollup"),
    )
    op.create_index("ix_usage_rollup_day", "usage_rollup", ["tenant_id", "day"])
    op.create_table(
        "usage_anomaly",
        *_row(),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "measure",
            sa.Enum(
                *_MEASURES, name="measure", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("usual", sa.Numeric(), nullable=False),
        sa.Column("bound", sa.Numeric(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_usage_anomaly_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_anomaly"),
        sa.UniqueConstraint(
            "tenant_id", "hour", "measure", name="uq_usage_anomaly_tenant_id_hour_measure"
        ),
    )
    op.create_table(
        "usage_hour",
        _tenant(),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "hour", name="pk_usage_hour"),
    )
    for table in ("usage_book", "usage_rollup", "usage_anomaly", "usage_hour"):
        for statement in seal_tenant_table(table):
            op.execute(statement)
    op.add_column(
        "budget_use",
        sa.Column("alerted_percent", sa.SmallInteger(), server_default="0", nullable=False),
    )
    # Meta has one rate for utility and authentication.
    op.execute(
        "INSERT INTO price (model, effective_from, input_usd_per_million, output_usd_per_million, "
        "source) SELECT replace(model, '/utility/', '/authentication/'), effective_from, "
        "input_usd_per_million, output_usd_per_million, source FROM price "
        "WHERE model LIKE 'whatsapp/utility/%' ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    op.execute("DELETE FROM price WHERE model LIKE 'whatsapp/authentication/%'")
    op.drop_column("budget_use", "alerted_percent")
    op.drop_table("usage_hour")
    op.drop_table("usage_anomaly")
    op.drop_table("usage_rollup")
    op.drop_table("usage_book")
