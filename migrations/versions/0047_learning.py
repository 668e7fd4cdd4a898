"""Articles learnt from what people answered, and gaps that mean the same."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _agent(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "agent_id"],
        ["agent.tenant_id", "agent.id"],
        name=f"fk_{table}_tenant_id_agent_id",
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("knowledge_gap", sa.Column("cluster_id", sa.Uuid(), nullable=True))
    op.add_column(
        "knowledge_gap",
        sa.Column("deflected", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_table(
        "learnt_article",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("learnt_from", _one_of("learntfrom", "answer", "gap"), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("gap_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "state",
            _one_of("articlestate", "seen", "proposed", "approved", "rejected"),
            nullable=False,
        ),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        _agent("learnt_article"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_learnt_article")),
        sa.UniqueConstraint(
            "tenant_id",
            "agent_id",
            "content_hash",
            name=op.f("uq_learnt_article_tenant_id_agent_id_content_hash"),
        ),
    )
    op.create_index(
        "ix_learnt_article_conversation", "learnt_article", ["tenant_id", "conversation_id"]
    )
    op.create_table(
        "learning_round",
        _tenant(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("through_at", sa.DateTime(timezone=True), nullable=True),
        _agent("learning_round"),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", name=op.f("pk_learning_round")),
    )
    op.create_index(
        "ix_learning_round_due",
        "learning_round",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    for table in ("learnt_article", "learning_round"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("learning_round")
    op.drop_table("learnt_article")
    op.drop_column("knowledge_gap", "deflected")
    op.drop_column("knowledge_gap", "cluster_id")
