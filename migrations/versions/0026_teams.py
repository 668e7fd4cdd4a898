"""Teams of human agents, how urgent a handoff is, and what becomes of one whose assignee is silent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "handoff",
        sa.Column(
            "team_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column(
        "handoff", sa.Column("urgency", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.add_column("handoff", sa.Column("taken_from", sa.Uuid(), nullable=True))
    op.add_column("handoff", sa.Column("alerted_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_handoff_waiting", table_name="handoff")
    op.create_index(
        "ix_handoff_waiting",
        "handoff",
        ["tenant_id", sa.text("urgency DESC"), "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_handoff_conversation", "handoff", ["tenant_id", "conversation_id", "id"])
    op.create_table(
        "team",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("skills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_team_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_team")),
    )
    op.create_index("uq_team_name", "team", ["tenant_id", sa.text("lower(name)")], unique=True)
    op.create_table(
        "team_member",
        _tenant(),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "team_id"],
            ["team.tenant_id", "team.id"],
            name=op.f("fk_team_member_tenant_id_team_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["membership.tenant_id", "membership.user_id"],
            name=op.f("fk_team_member_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "team_id", "user_id", name=op.f("pk_team_member")),
    )
    op.create_index("ix_team_member_user", "team_member", ["tenant_id", "user_id"])
    op.create_table(
        "assignment_policy",
        _tenant(),
        sa.Column("return_after_minutes", sa.Integer(), nullable=True),
        sa.Column(
            "return_to",
            sa.Enum(
                "queue",
                "colleague",
                "alert",
                name="silentassignee",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_assignment_policy_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_assignment_policy")),
    )
    for table in ("team", "team_member", "assignment_policy"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def _tenant() -> sa.Column:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def downgrade() -> None:
    op.drop_table("assignment_policy")
    op.drop_table("team_member")
    op.drop_table("team")
    op.drop_index("ix_handoff_conversation", table_name="handoff")
    op.drop_index("ix_handoff_waiting", table_name="handoff")
    for column in ("alerted_at", "taken_from", "urgency", "team_ids"):
        op.drop_column("handoff", column)
    op.create_index(
        "ix_handoff_waiting",
        "handoff",
        ["tenant_id", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
