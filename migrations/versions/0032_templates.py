"""The catalogue of message templates, and what delivered WhatsApp messages cost where it is known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# USD for a delivered service or utility message, which have one rate (WhatsApp Cloud API: pricing).
# What others read off the rate card; the card itself decides, and changes with a quarter.
_RATES = {
    "CO": "0.0008",
    "US": "0.0034",
    "CA": "0.0034",
    "BR": "0.0068",
    "MX": "0.0085",
    "ES": "0.02",
    "DE": "0.055",
}
_SINCE = "2026-10-01"
_SOURCE = "Meta's rate card of 2026-10-01 as read by others; check it against the card"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "message_template",
        *_row(),
        sa.Column("waba_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("components", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column(
            "synced_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_message_template_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_message_template")),
        sa.UniqueConstraint(
            "tenant_id",
            "waba_id",
            "name",
            "language",
            name=op.f("uq_message_template_tenant_id_waba_id_name_language"),
        ),
    )
    op.create_table(
        "template_catalogue",
        *_row(),
        sa.Column("waba_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_template_catalogue_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_template_catalogue")),
        sa.UniqueConstraint(
            "tenant_id", "waba_id", name=op.f("uq_template_catalogue_tenant_id_waba_id")
        ),
    )
    op.create_index(
        "ix_template_catalogue_due",
        "template_catalogue",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    for table in ("message_template", "template_catalogue"):
        for statement in seal_tenant_table(table):
            op.execute(statement)
    for country, usd in _RATES.items():
        for category in ("service", "utility"):
            op.execute(
                sa.text(
                    "INSERT INTO price (model, effective_from, input_usd_per_million, "
                    "output_usd_per_million, source) VALUES (:model, CAST(:since AS timestamptz), "
                    "CAST(:usd AS numeric) * 1000000, 0, :source) ON CONFLICT DO NOTHING"
                ).bindparams(
                    model=f"whatsapp/{category}/{country}", since=_SINCE, usd=usd, source=_SOURCE
                )
            )


def _row() -> list[sa.Column]:
    return [
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    ]


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM price WHERE source = :source").bindparams(source=_SOURCE))
    op.drop_table("template_catalogue")
    op.drop_table("message_template")
