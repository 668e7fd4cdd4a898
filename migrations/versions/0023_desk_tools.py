"""What people work with at the desk: priorities, tags, notes, saved replies, drafts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def _tenant() -> "sa.Column[object]":
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _time(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), server_default=_NOW, nullable=False)


def _of_conversation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "conversation_id"],
        ["conversation.tenant_id", "conversation.id"],
        name=f"fk_{table}_tenant_id_conversation_id",
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "conversation",
        sa.Column("priority", sa.String(40), server_default="normal", nullable=False),
    )
    op.create_index(
        "ix_conversation_priority",
        "conversation",
        ["tenant_id", "priority", "inbox_rank", "id"],
        postgresql_where=sa.text("priority <> 'normal'"),
    )
    op.create_table(
        "conversation_tag",
        _tenant(),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        _of_conversation("conversation_tag"),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "tag", name="pk_conversation_tag"),
    )
    op.create_index(
        "ix_conversation_tag_tag", "conversation_tag", ["tenant_id", "tag", "conversation_id"]
    )
    op.create_table(
        "note",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "mentions", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False
        ),
        _time("created_at"),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        _of_conversation("note"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_note"),
    )
    op.create_index("ix_note_conversation", "note", ["tenant_id", "conversation_id", "id"])
    op.create_table(
        "saved_reply",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shortcut", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _time("created_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_saved_reply_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_saved_reply"),
        sa.UniqueConstraint("tenant_id", "shortcut", name="uq_saved_reply_tenant_id_shortcut"),
    )
    op.create_table(
        "draft",
        _tenant(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _time("updated_at"),
        _of_conversation("draft"),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "conversation_id", name="pk_draft"),
    )
    for table in ("conversation_tag", "note", "saved_reply", "draft"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    for table in ("draft", "saved_reply", "note", "conversation_tag"):
        op.drop_table(table)
    op.drop_index("ix_conversation_priority", table_name="conversation")
    op.drop_column("conversation", "priority")
