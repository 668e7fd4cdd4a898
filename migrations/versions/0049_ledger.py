"""The ledger takes in whatever is used, by its day, and tells who for; corrections; what time costs."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_TODAY = "(now() AT TIME ZONE 'UTC')::date"
_NEW = (
    "day",
    "contact_id",
    "agent_id",
    "prompt_name",
    "prompt_version",
    "reasoning_tokens",
    "pricing_type",
    "currency",
    "corrects_id",
    "settles_unpriced",
    "note",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("usage_entry", sa.Column("day", sa.Date(), nullable=True))
    op.execute("UPDATE usage_entry SET day = (created_at AT TIME ZONE 'UTC')::date")
    op.alter_column("usage_entry", "day", server_default=sa.text(_TODAY), nullable=False)
    for name in ("contact_id", "agent_id", "corrects_id"):
        op.add_column("usage_entry", sa.Column(name, sa.Uuid(), nullable=True))
    for name in ("prompt_name", "prompt_version", "pricing_type", "note"):
        op.add_column("usage_entry", sa.Column(name, sa.Text(), nullable=True))
    for column in (
        sa.Column("reasoning_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("currency", sa.Text(), server_default="USD", nullable=False),
        sa.Column("settles_unpriced", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("usage_entry", column)
    op.create_index("ix_usage_entry_day", "usage_entry", ["tenant_id", "day"])
    op.create_index(
        "ix_usage_entry_corrects",
        "usage_entry",
        ["tenant_id", "corrects_id"],
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    # Of voice notes seconds were kept where tokens belong.
    op.execute(
        "UPDATE usage_entry SET kind = 'speech', quantity = input_tokens, input_tokens = 0 "
        "WHERE kind = 'llm' AND feature = 'transcription' AND output_tokens = 0 AND NOT cache_hit"
    )
    op.execute(
        "UPDATE usage_entry SET kind = 'speech' WHERE kind = 'llm' AND feature = 'transcription'"
    )
    op.execute(
        "UPDATE usage_entry SET kind = 'embedding' WHERE kind = 'llm' AND feature = 'embedding'"
    )
    op.create_table(
        "cost_terms",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("human_usd_per_minute", sa.Numeric(18, 9), nullable=True),
        sa.Column("storage_usd_per_gib_month", sa.Numeric(18, 9), nullable=True),
        sa.Column("revenue_usd_per_month", sa.Numeric(18, 9), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_cost_terms_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_cost_terms"),
    )
    for statement in seal_tenant_table("cost_terms"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("cost_terms")
    op.execute(
        "DELETE FROM usage_entry WHERE kind IN ('human', 'storage') OR corrects_id IS NOT NULL"
    )
    op.execute(
        "UPDATE usage_entry SET input_tokens = quantity, quantity = 1 "
        "WHERE kind = 'speech' AND input_tokens = 0"
    )
    op.execute("UPDATE usage_entry SET kind = 'llm' WHERE kind IN ('speech', 'embedding')")
    op.drop_index("ix_usage_entry_corrects", "usage_entry")
    op.drop_index("ix_usage_entry_day", "usage_entry")
    for name in reversed(_NEW):
        op.drop_column("usage_entry", name)
