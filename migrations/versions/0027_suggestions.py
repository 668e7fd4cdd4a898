"""Suggestions that models write for people, and what became of drafts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "suggestion",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        _now("created_at"),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "task",
            _words("task", "draft", "rewrite", "translate", "summarise", "explain", "shadow"),
            nullable=False,
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("wish", postgresql.JSONB(), nullable=False),
        sa.Column("client_key", sa.Text(), nullable=True),
        sa.Column("state", _words("suggestionstate", "queued", "done", "failed"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("sources", postgresql.JSONB(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("prompt_name", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column(
            "call_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("input_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cost_usd", sa.Numeric(18, 9), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        _of_conversation("suggestion"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_suggestion")),
        sa.UniqueConstraint(
            "tenant_id", "client_key", name=op.f("uq_suggestion_tenant_id_client_key")
        ),
    )
    op.create_index(
        "ix_suggestion_conversation", "suggestion", ["tenant_id", "conversation_id", "id"]
    )
    op.create_index(
        "ix_suggestion_due",
        "suggestion",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "uq_suggestion_shadow",
        "suggestion",
        ["tenant_id", "conversation_id"],
        unique=True,
        postgresql_where=sa.text("task = 'shadow' AND state = 'queued'"),
    )
    op.create_table(
        "draft_outcome",
        _tenant(),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("source", _words("draftsource", "copilot", "packet", "shadow"), nullable=False),
        sa.Column("fate", _words("fate", "kept", "edited", "discarded"), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("sent", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("edit_ratio", sa.Float(), nullable=True),
        sa.Column("prompt_name", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        _now("created_at"),
        _of_conversation("draft_outcome"),
        sa.PrimaryKeyConstraint("tenant_id", "draft_id", name=op.f("pk_draft_outcome")),
    )
    op.create_index(
        "ix_draft_outcome_conversation", "draft_outcome", ["tenant_id", "conversation_id"]
    )
    op.create_index(
        "ix_draft_outcome_prompt", "draft_outcome", ["tenant_id", "prompt_name", "prompt_version"]
    )
    for table in ("suggestion", "draft_outcome"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("draft_outcome")
    op.drop_table("suggestion")


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _now(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def _of_conversation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "conversation_id"],
        ["conversation.tenant_id", "conversation.id"],
        name=op.f(f"fk_{table}_tenant_id_conversation_id"),
    )
