"""Who has been away too long, who waits too long, and what people give back with a conversation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in ("away_return_minutes", "away_after_minutes"):
        op.add_column("assignment_policy", sa.Column(column, sa.Integer(), nullable=True))
    op.add_column(
        "assignment_policy",
        sa.Column("overdue_after_minutes", sa.Integer(), server_default="15", nullable=True),
    )
    op.add_column(
        "availability",
        sa.Column(
            "presence_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.add_column("handoff", sa.Column("hand_back", postgresql.JSONB(), nullable=True))
    op.add_column(
        "conversation", sa.Column("overdue_told_for", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("conversation", "overdue_told_for")
    op.drop_column("handoff", "hand_back")
    op.drop_column("availability", "presence_at")
    for column in ("overdue_after_minutes", "away_after_minutes", "away_return_minutes"):
        op.drop_column("assignment_policy", column)
