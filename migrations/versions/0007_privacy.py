"""Exports, erasures, the list of the erased, retention per tenant; texts of model calls go earlier."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXTS = sa.text("texts_erased_at IS NULL")
QUEUED = sa.text("state = 'queued'")
DUE = sa.text("due_at IS NOT NULL")
JOBS = {
    "data_export": ("exportstate", ("queued", "done", "failed", "expired")),
    "erasure": ("erasurestate", ("queued", "done", "failed")),
}
UNIQUE = {"data_export": ["tenant_id"], "erasure": ["tenant_id", "contact_id"]}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "llm_call", sa.Column("texts_erased_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "ix_llm_call_texts", "llm_call", ["created_at", "tenant_id"], postgresql_where=TEXTS
    )
    for table, (enum, states) in JOBS.items():
        _create_job(table, enum, states)
    for column in (
        sa.Column("row_count", sa.Integer(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("data_export", column)
    for column in (
        sa.Column("identifiers_sealed", sa.Text(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "report",
            postgresql.JSONB(none_as_null=True),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    ):
        op.add_column("erasure", column)
    op.create_table(
        "erased_identity",
        _tenant(),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_erased_identity_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_erased_identity"),
    )
    op.create_index("ix_erased_identity_at", "erased_identity", ["tenant_id", "erased_at"])
    op.create_table(
        "tenant_retention",
        _tenant(),
        sa.Column("feed_days", sa.Integer(), nullable=True),
        sa.Column("llm_text_days", sa.Integer(), nullable=True),
        sa.Column("export_days", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tenant_retention_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant_retention"),
    )
    for table in (*JOBS, "erased_identity", "tenant_retention"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    for table in ("tenant_retention", "erased_identity", "erasure", "data_export"):
        op.drop_table(table)
    op.drop_index("ix_llm_call_texts", table_name="llm_call", postgresql_where=TEXTS)
    op.drop_column("llm_call", "texts_erased_at")


def _create_job(table: str, enum: str, states: tuple[str, ...]) -> None:
    op.create_table(
        table,
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(*states, name=enum, native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("stage", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=f"fk_{table}_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_due", table, ["due_at"], postgresql_where=DUE)
    op.create_index(
        f"uq_{table}_queued", table, UNIQUE[table], unique=True, postgresql_where=QUEUED
    )


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)
