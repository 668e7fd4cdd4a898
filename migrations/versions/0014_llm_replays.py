"""Replays of model calls."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE = "llm_replay"


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
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("knowledge", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "done",
                "failed",
                name="replaystate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("result_call_id", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("client_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "call_id"],
            ["llm_call.tenant_id", "llm_call.id"],
            name="fk_llm_replay_tenant_id_call_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_llm_replay"),
        sa.UniqueConstraint("tenant_id", "client_key", name="uq_llm_replay_tenant_id_client_key"),
    )
    op.create_index("ix_llm_replay_call", TABLE, ["tenant_id", "call_id", "id"])
    op.create_index(
        "ix_llm_replay_due", TABLE, ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    for statement in seal_tenant_table(TABLE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table(TABLE)
