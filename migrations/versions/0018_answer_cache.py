"""Answers from the cache: on the call, and on the ledger with what they saved."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("llm_call", "usage_entry")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.add_column(
            table,
            sa.Column("cache_hit", sa.Boolean(), server_default=sa.false(), nullable=False),
        )
    op.add_column("usage_entry", sa.Column("saved_usd", sa.Numeric(18, 9), nullable=True))


def downgrade() -> None:
    op.drop_column("usage_entry", "saved_usd")
    for table in TABLES:
        op.drop_column(table, "cache_hit")
