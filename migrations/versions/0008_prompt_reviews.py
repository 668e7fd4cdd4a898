"""Prompt versions carry tags and an approval; a tenant may ask for the approval."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in (
        sa.Column(
            "tags",
            postgresql.JSONB(none_as_null=True),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("prompt_version", column)
    op.create_table(
        "prompt_policy",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column(
            "requires_approval", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_prompt_policy_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_prompt_policy"),
    )
    for statement in seal_tenant_table("prompt_policy"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("prompt_policy")
    for column in ("approved_at", "approved_by", "tags"):
        op.drop_column("prompt_version", column)
