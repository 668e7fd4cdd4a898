"""Which models a tenant wants asked, its own keys for them, and on the ledger whose key was used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "model_routing",
        _tenant(),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("routes", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_model_routing_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_model_routing"),
    )
    op.create_table(
        "provider_key",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        _now("created_at"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("api_key_sealed", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=True),
        _now("set_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_provider_key_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_provider_key"),
        sa.UniqueConstraint("tenant_id", "provider", name="uq_provider_key_tenant_id_provider"),
    )
    for table in ("model_routing", "provider_key"):
        for statement in seal_tenant_table(table):
            op.execute(statement)
    op.add_column(
        "usage_entry",
        sa.Column("own_key", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("usage_entry", "own_key")
    op.drop_table("provider_key")
    op.drop_table("model_routing")


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _now(name: str) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )
