"""What of the recorded call is missing in a replay."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("llm_replay", sa.Column("remark", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("llm_replay", "remark")
