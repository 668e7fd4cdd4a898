"""Batches of usage that a person has written off, and who set which price when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from frontdesk.core.policies import reserve_for_system
from frontdesk.core.settings import SYSTEM_ROLE

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

_STATES = ("pending", "sent", "nothing", "too_old", "uncertain")


def _check(states: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    op.execute(
        "ALTER TABLE stripe_batch DROP CONSTRAINT ck_stripe_batch_batchstate, "
        f"ADD CONSTRAINT ck_stripe_batch_batchstate CHECK (state IN ({listed}))"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _check((*_STATES, "written_off"))
    op.create_table(
        "price_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=True),
        sa.Column("after", JSONB(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_price_change"),
    )
    op.create_index("ix_price_change_model", "price_change", ["model", "id"])
    for statement in reserve_for_system("price_change"):
        op.execute(statement)
    # Nobody changes what was noted.
    op.execute(f"REVOKE UPDATE, DELETE ON price_change FROM {SYSTEM_ROLE}")


def downgrade() -> None:
    op.drop_table("price_change")
    op.execute("UPDATE stripe_batch SET state = 'too_old' WHERE state = 'written_off'")
    _check(_STATES)
