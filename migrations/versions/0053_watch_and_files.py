"""How long an agent's contacts may wait, and files by when they go."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("agent", sa.Column("overdue_after_minutes", sa.Integer(), nullable=True))
    op.create_index(
        "ix_media_unsent",
        "media",
        ["stored_at"],
        postgresql_where=sa.text("state = 'stored' AND message_id IS NULL"),
    )
    op.create_index(
        "ix_media_kept",
        "media",
        ["tenant_id", "stored_at"],
        postgresql_where=sa.text("state = 'stored'"),
    )


def downgrade() -> None:
    op.drop_index("ix_media_kept", "media")
    op.drop_index("ix_media_unsent", "media")
    op.drop_column("agent", "overdue_after_minutes")
