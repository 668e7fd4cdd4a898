"""Files of messages: a row each, which is the job of fetching it, and how long a tenant keeps them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "media",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "stored",
                "failed",
                "deleted",
                name="mediastate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("whatsapp_id", sa.Text(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declared", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("mime_type", sa.Text(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversation.tenant_id", "conversation.id"],
            name=op.f("fk_media_tenant_id_conversation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["channel.tenant_id", "channel.id"],
            name=op.f("fk_media_tenant_id_channel_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_media")),
        sa.UniqueConstraint("tenant_id", "message_id", name=op.f("uq_media_tenant_id_message_id")),
    )
    op.create_index(
        "ix_media_due", "media", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index(
        "ix_media_stored", "media", ["stored_at"], postgresql_where=sa.text("state = 'stored'")
    )
    op.create_index("ix_media_conversation", "media", ["tenant_id", "conversation_id"])
    for statement in seal_tenant_table("media"):
        op.execute(statement)
    op.add_column("tenant_retention", sa.Column("media_days", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("tenant_retention", "media_days")
    op.drop_table("media")
