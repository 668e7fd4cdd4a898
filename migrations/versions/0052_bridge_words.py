"""The language of the bridge, and who was sent away rather than went."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("bridge_phone", sa.Column("language", sa.Text(), nullable=True))
    op.add_column(
        "availability",
        sa.Column("sent_away", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("availability", "sent_away")
    op.drop_column("bridge_phone", "language")
