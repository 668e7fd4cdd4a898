"""Dead letters: whom a raw webhook concerns, and what people have put aside."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DEAD_WEBHOOK = sa.text("state = 'dead'")
LETTER = sa.text("letter_id IS NOT NULL")
DEAD_SEND = sa.text("state IN ('failed', 'needs_attention') AND discarded_at IS NULL")


def upgrade() -> None:
    op.add_column("webhook_event", sa.Column("letter_id", sa.Uuid(), nullable=True))
    for name in ("concerns", "let_go"):
        op.add_column("webhook_event", sa.Column(name, postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.create_index(
        "ix_webhook_event_letter",
        "webhook_event",
        ["letter_id"],
        unique=True,
        postgresql_where=LETTER,
    )
    _allow_states("pending", "done", "dead", "discarded")
    op.create_index(
        "ix_webhook_event_dead",
        "webhook_event",
        ["id"],
        unique=False,
        postgresql_where=DEAD_WEBHOOK,
    )
    op.add_column("outbound", sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_outbound_dead",
        "outbound",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=DEAD_SEND,
    )


def downgrade() -> None:
    op.drop_index("ix_outbound_dead", table_name="outbound", postgresql_where=DEAD_SEND)
    op.drop_column("outbound", "discarded_at")
    op.drop_index(
        "ix_webhook_event_dead", table_name="webhook_event", postgresql_where=DEAD_WEBHOOK
    )
    op.execute("UPDATE webhook_event SET state = 'done' WHERE state = 'discarded'")
    _allow_states("pending", "done", "dead")
    op.drop_index("ix_webhook_event_letter", table_name="webhook_event", postgresql_where=LETTER)
    for name in ("let_go", "concerns", "letter_id"):
        op.drop_column("webhook_event", name)


def _allow_states(*states: str) -> None:
    """Check the states anew: first for what comes, then, without blocking writers, for what is."""
    listed = ", ".join(f"'{state}'" for state in states)
    name = "ck_webhook_event_webhookstate"
    op.execute(
        f"ALTER TABLE webhook_event DROP CONSTRAINT {name}, "
        f"ADD CONSTRAINT {name} CHECK (state IN ({listed})) NOT VALID"
    )
    op.execute(f"ALTER TABLE webhook_event VALIDATE CONSTRAINT {name}")
