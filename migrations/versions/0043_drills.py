"""Outages that are simulated for one tenant, each with the time at which it ends by itself."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drill",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "outage",
            sa.Enum(
                "models",
                "whatsapp",
                "redis",
                name="outage",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_drill"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_drill_tenant_id"),
    )
    op.create_index(
        "uq_drill_running",
        "drill",
        ["tenant_id", "outage"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_drill_due", "drill", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    for statement in seal_tenant_table("drill"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("drill")
