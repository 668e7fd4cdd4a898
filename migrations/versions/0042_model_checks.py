"""When each of the deployment's models was last asked something short, and what came of it."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import reserve_for_system

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_check",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("model", name="pk_model_check"),
    )
    for statement in reserve_for_system("model_check"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("model_check")
