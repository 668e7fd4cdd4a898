"""Raw webhooks that wait, by the order in which they came: what is received reads no other."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Upgrade."""
    op.create_index("ix_webhook_event_pending", "webhook_event", ["id"], postgresql_where=_PENDING)
    op.drop_index("ix_webhook_event_due", table_name="webhook_event")


def downgrade() -> None:
    """Downgrade."""
    op.create_index(
        "ix_webhook_event_due", "webhook_event", ["due_at", "id"], postgresql_where=_PENDING
    )
    op.drop_index("ix_webhook_event_pending", table_name="webhook_event")
