"""Contacts: merges that can be taken back, a tenant's own fields, who opted out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("contact", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.add_column(
        "contact",
        sa.Column(
            "fields",
            postgresql.JSONB(none_as_null=True),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_foreign_key(
        "fk_contact_tenant_id_merged_into",
        "contact",
        "contact",
        ["tenant_id", "merged_into"],
        ["tenant_id", "id"],
    )
    op.create_index(
        "ix_contact_merged",
        "contact",
        ["tenant_id", "merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index(
        "ix_contact_opted_out",
        "contact",
        ["tenant_id", "opted_out_at", "id"],
        postgresql_where=sa.text("opted_out_at IS NOT NULL"),
    )
    op.create_table(
        "contact_field",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "type",
            sa.Enum(
                "text",
                "number",
                "date",
                "choice",
                name="fieldtype",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "choices", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_contact_field_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="pk_contact_field"),
    )
    for statement in seal_tenant_table("contact_field"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("contact_field")
    op.drop_index("ix_contact_opted_out", table_name="contact")
    op.drop_index("ix_contact_merged", table_name="contact")
    op.drop_constraint("fk_contact_tenant_id_merged_into", "contact", type_="foreignkey")
    op.drop_column("contact", "fields")
    op.drop_column("contact", "merged_into")
