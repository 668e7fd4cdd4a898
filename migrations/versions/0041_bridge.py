"""The bridge: human agents' phones, the conversations they have there, messages that go to them."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_STATES = ("calling", "open", "ended")
_ENDS = ("closed", "released", "taken_away", "switched_off", "unreachable")


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("outbound", sa.Column("to_user_id", sa.Uuid(), nullable=True))
    op.add_column("outbound", sa.Column("media_id", sa.Uuid(), nullable=True))
    op.create_table(
        "bridge_phone",
        _tenant(),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("wa_id", sa.Text(), nullable=True),
        sa.Column("bsuid", sa.Text(), nullable=True),
        sa.Column("code_hash", sa.Text(), nullable=True),
        sa.Column("code_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="pk_bridge_phone"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["membership.tenant_id", "membership.user_id"],
            name="fk_bridge_phone_tenant_id_user_id",
        ),
        sa.UniqueConstraint("tenant_id", "wa_id", name="uq_bridge_phone_tenant_id_wa_id"),
        sa.UniqueConstraint("tenant_id", "bsuid", name="uq_bridge_phone_tenant_id_bsuid"),
        sa.UniqueConstraint("tenant_id", "code_hash", name="uq_bridge_phone_tenant_id_code_hash"),
    )
    op.create_table(
        "bridge",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state", _one_of("bridgestate", *_STATES), nullable=False),
        sa.Column("told_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", _one_of("bridgeend", *_ENDS), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_bridge"),
        *(
            sa.ForeignKeyConstraint(
                ["tenant_id", f"{name}_id"],
                [f"{name}.tenant_id", f"{name}.id"],
                name=f"fk_bridge_tenant_id_{name}_id",
            )
            for name in ("conversation", "channel", "handoff")
        ),
    )
    for name, column in (
        ("uq_bridge_user", "user_id"),
        ("uq_bridge_conversation", "conversation_id"),
    ):
        op.create_index(
            name,
            "bridge",
            ["tenant_id", column],
            unique=True,
            postgresql_where=sa.text("state <> 'ended'"),
        )
    op.create_index("ix_bridge_handoff", "bridge", ["tenant_id", "handoff_id"])
    op.create_index("ix_bridge_last", "bridge", ["tenant_id", "user_id", "id"])
    op.create_table(
        "bridge_heard",
        _tenant(),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("wamid", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "said_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "channel_id", "wamid", name="pk_bridge_heard"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["channel.tenant_id", "channel.id"],
            name="fk_bridge_heard_tenant_id_channel_id",
        ),
    )
    op.create_index(
        "ix_bridge_heard_window", "bridge_heard", ["tenant_id", "user_id", "channel_id", "said_at"]
    )
    for table in ("bridge_phone", "bridge", "bridge_heard"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("bridge_heard")
    op.drop_table("bridge")
    op.drop_table("bridge_phone")
    op.drop_column("outbound", "media_id")
    op.drop_column("outbound", "to_user_id")
