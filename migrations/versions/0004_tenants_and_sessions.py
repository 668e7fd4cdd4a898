"""Plans of tenants, refresh tokens of sessions, and a super admin's time in a tenant."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table
from frontdesk.core.settings import APP_ROLE

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LIMITS = ("max_users", "max_channels", "max_agents", "max_conversations_at_once")
MOMENTS = ("renewed_at", "seen_at")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenant", sa.Column("plan", sa.Text(), server_default="standard", nullable=False))
    for limit in LIMITS:
        op.add_column("tenant", sa.Column(limit, sa.Integer(), nullable=True))
    # Whether it is served and what its plan allows is the platform's to say.
    op.execute(f"REVOKE UPDATE ON tenant FROM {APP_ROLE}")
    op.add_column("membership", sa.Column("name", sa.Text(), nullable=True))
    op.alter_column("user_session", "tenant_id", nullable=True)
    op.add_column(
        "user_session", sa.Column("address", sa.Text(), server_default="", nullable=False)
    )
    op.add_column(
        "user_session",
        sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    for moment in MOMENTS:
        op.add_column(
            "user_session",
            sa.Column(
                moment,
                sa.DateTime(timezone=True),
                server_default=sa.text("now()"),
                nullable=False,
            ),
        )
    op.create_table(
        "acting",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_acting_tenant_id"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_acting_user_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_acting"),
    )
    op.create_index(
        "ix_acting_session",
        "acting",
        ["session_id"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_acting_user", "acting", ["tenant_id", "user_id", "expires_at"])
    for statement in seal_tenant_table("acting", grants="SELECT"):
        op.execute(statement)
    op.add_column("audit_entry", sa.Column("acting_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_entry", "acting_id")
    op.drop_table("acting")
    op.execute("DELETE FROM user_session WHERE tenant_id IS NULL")
    for column in (*MOMENTS, "generation", "address"):
        op.drop_column("user_session", column)
    op.alter_column("user_session", "tenant_id", nullable=False)
    op.drop_column("membership", "name")
    op.execute(f"GRANT UPDATE ON tenant TO {APP_ROLE}")
    for limit in LIMITS:
        op.drop_column("tenant", limit)
    op.drop_column("tenant", "plan")
