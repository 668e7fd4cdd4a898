"""Sums of usage take in what was written since, so that reports read the last hour of the ledger only."""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_SLICE = (
    "tenant_id",
    "day",
    "kind",
    "feature",
    "model",
    "agent_id",
    "prompt_name",
    "prompt_version",
    "pricing_type",
    "own_key",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # They are made again from the ledger, which reports read meanwhile.
    op.execute("DELETE FROM usage_rollup")
    op.execute("UPDATE usage_book SET rolled_at = NULL, due_at = now()")
    op.drop_column("usage_book", "rolled_day")
    op.drop_index("ix_usage_rollup_day", "usage_rollup")
    op.create_unique_constraint(
        "uq_usage_rollup_slice", "usage_rollup", list(_SLICE), postgresql_nulls_not_distinct=True
    )


def downgrade() -> None:
    op.execute("DELETE FROM usage_rollup")
    op.execute("UPDATE usage_book SET rolled_at = NULL")
    op.drop_constraint("uq_usage_rollup_slice", "usage_rollup")
    op.create_index("ix_usage_rollup_day", "usage_rollup", ["tenant_id", "day"])
    op.add_column("usage_book", sa.Column("rolled_day", sa.Date(), nullable=True))
