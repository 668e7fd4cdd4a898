"""API keys, and who used one in the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CURRENT_API_KEY = "nullif(current_setting('app.api_key_id', true), '')::uuid"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "api_key",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_api_key_tenant_id"),
        sa.ForeignKeyConstraint(["created_by"], ["app_user.id"], name="fk_api_key_created_by"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_api_key"),
        sa.UniqueConstraint("tenant_id", "key_hash", name="uq_api_key_tenant_id_key_hash"),
    )
    for statement in seal_tenant_table("api_key", grants="SELECT, INSERT, UPDATE"):
        op.execute(statement)
    # In two steps: a column added with a default that is not constant would rewrite the table.
    op.add_column("audit_entry", sa.Column("api_key_id", sa.Uuid(), nullable=True))
    op.alter_column("audit_entry", "api_key_id", server_default=sa.text(CURRENT_API_KEY))


def downgrade() -> None:
    op.drop_column("audit_entry", "api_key_id")
    op.drop_table("api_key")
