"""What has been promised to contacts."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TABLE = "commitment"


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
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "by", _words("actor", "contact", "agent", "human_agent", "system"), nullable=False
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "state",
            _words("commitmentstate", "noticed", "dismissed", "open", "kept", "cancelled"),
            nullable=False,
        ),
        sa.Column("promised_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_by", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reminders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversation.tenant_id", "conversation.id"],
            name=op.f("fk_commitment_tenant_id_conversation_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_commitment")),
        sa.UniqueConstraint(
            "tenant_id",
            "message_id",
            "place",
            name=op.f("uq_commitment_tenant_id_message_id_place"),
        ),
    )
    op.create_index(
        "ix_commitment_due", TABLE, ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index("ix_commitment_conversation", TABLE, ["tenant_id", "conversation_id", "id"])
    op.create_index(
        "ix_commitment_open",
        TABLE,
        ["tenant_id", "promised_for"],
        postgresql_where=sa.text("state = 'open'"),
    )
    for statement in seal_tenant_table(TABLE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table(TABLE)


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)
