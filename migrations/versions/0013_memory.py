"""What is remembered of long conversations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "conversation_memory",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("summary", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("through_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversation.tenant_id", "conversation.id"],
            name="fk_conversation_memory_tenant_id_conversation_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", name="pk_conversation_memory"),
    )
    op.create_index(
        "ix_conversation_memory_due",
        "conversation_memory",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    for statement in seal_tenant_table("conversation_memory"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("conversation_memory")
