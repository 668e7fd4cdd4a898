"""Calls of programs through /v1/chat/completions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLE = "chat_request"


def upgrade() -> None:
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
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "done",
                "failed",
                name="chatstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=True),
        sa.Column("client_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_chat_request")),
        sa.UniqueConstraint(
            "tenant_id", "client_key", name=op.f("uq_chat_request_tenant_id_client_key")
        ),
    )
    op.create_index("ix_chat_request_due", TABLE, ["due_at"])
    for statement in seal_tenant_table(TABLE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table(TABLE)
