"""Secrets that the headers of tenants' tools refer to; handoffs that a tool made necessary."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

REASONS = (
    "requested", "keyword", "angry", "low_confidence", "model_asked", "model_down", "guard", "stuck",
    "taken_over", "phone_app", "media_only", "send_failed", "rule", "budget",
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "tool_secret",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value_sealed", sa.Text(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tool_secret_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_tool_secret"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_tool_secret_tenant_id_name"),
    )
    for statement in seal_tenant_table("tool_secret"):
        op.execute(statement)
    _allow_reasons(*REASONS, "tool")


def downgrade() -> None:
    op.execute("UPDATE handoff SET reason = 'rule' WHERE reason = 'tool'")
    _allow_reasons(*REASONS)
    op.drop_table("tool_secret")


def _allow_reasons(*reasons: str) -> None:
    """Check the reasons anew: first for what comes, then, without blocking writers, for what is."""
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    op.execute(
        "ALTER TABLE handoff DROP CONSTRAINT ck_handoff_reason, "
        f"ADD CONSTRAINT ck_handoff_reason CHECK (reason IN ({listed})) NOT VALID"
    )
    op.execute("ALTER TABLE handoff VALIDATE CONSTRAINT ck_handoff_reason")
