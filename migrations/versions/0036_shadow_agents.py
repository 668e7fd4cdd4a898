"""Handoffs of agents that only propose, and how often contacts repeat themselves in a handoff."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

REASONS = (
    "requested", "keyword", "angry", "low_confidence", "model_asked", "model_down", "guard", "stuck",
    "taken_over", "phone_app", "media_only", "send_failed", "budget", "rule", "tool",
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow_reasons(*REASONS, "shadow")
    op.add_column("handoff", sa.Column("facts_given", sa.SmallInteger(), nullable=True))
    op.add_column("handoff", sa.Column("facts_repeated", sa.SmallInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("handoff", "facts_repeated")
    op.drop_column("handoff", "facts_given")
    op.execute("UPDATE handoff SET reason = 'rule' WHERE reason = 'shadow'")
    _allow_reasons(*REASONS)


def _allow_reasons(*reasons: str) -> None:
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    op.execute(
        "ALTER TABLE handoff DROP CONSTRAINT ck_handoff_reason, "
        f"ADD CONSTRAINT ck_handoff_reason CHECK (reason IN ({listed})) NOT VALID"
    )
    op.execute("ALTER TABLE handoff VALIDATE CONSTRAINT ck_handoff_reason")
