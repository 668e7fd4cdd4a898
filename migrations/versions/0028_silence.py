"""What silence leads to: several follow-ups, who wants a close, and the conversation before."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "timer", sa.Column("cause", sa.String(40), server_default="system", nullable=False)
    )
    op.add_column("timer", sa.Column("step", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("conversation", sa.Column("previous_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("conversation", "previous_id")
    op.drop_column("timer", "step")
    op.drop_column("timer", "cause")
