"""Questions that the knowledge did not answer."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "knowledge_gap",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("key", "question", "missing", "language")
        ),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("times_after", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "answered",
                "dismissed",
                name="gapstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agent.tenant_id", "agent.id"],
            name=op.f("fk_knowledge_gap_tenant_id_agent_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_knowledge_gap")),
        sa.UniqueConstraint(
            "tenant_id", "agent_id", "key", name=op.f("uq_knowledge_gap_tenant_id_agent_id_key")
        ),
    )
    op.create_index(
        "ix_knowledge_gap_conversation", "knowledge_gap", ["tenant_id", "conversation_id"]
    )
    for statement in seal_tenant_table("knowledge_gap"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("knowledge_gap")
