"""Previews of agents' configurations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLE = "agent_preview"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("config", JSONB(), nullable=False),
        sa.Column("messages", JSONB(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "done",
                "failed",
                name="previewstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answer", JSONB(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agent.tenant_id", "agent.id"],
            name="fk_agent_preview_tenant_id_agent_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_agent_preview"),
    )
    op.create_index(
        "ix_agent_preview_due", TABLE, ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    for statement in seal_tenant_table(TABLE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table(TABLE)
