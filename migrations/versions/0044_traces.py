"""What a row that is a job says of the trace it belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_CARRIERS = ("webhook_event", "conversation", "outbound")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in _CARRIERS:
        op.add_column(table, sa.Column("traceparent", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in _CARRIERS:
        op.drop_column(table, "traceparent")
