"""Budgets, what is used of them, and what is set aside for calls in flight."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = ("budget", "budget_use", "budget_reservation")
REASONS = (
    "requested", "keyword", "angry", "low_confidence", "model_asked", "model_down", "guard", "stuck",
    "taken_over", "phone_app", "media_only", "send_failed", "rule",
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "budget",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope", _enum("budgetscope", "tenant", "feature", "conversation", "contact"), nullable=False),
        sa.Column("feature", sa.Text(), nullable=True),
        sa.Column("period", _enum("budgetperiod", "day", "month", "total"), nullable=False),
        _usd("hard_usd"),
        _usd("soft_usd", nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "hard_usd > 0 AND soft_usd > 0 AND soft_usd <= hard_usd", name=op.f("ck_budget_caps")
        ),
        sa.CheckConstraint(
            "(scope = 'feature') = (feature IS NOT NULL)", name=op.f("ck_budget_feature")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_budget_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_budget"),
        sa.UniqueConstraint(
            "tenant_id", "scope", "feature", "period",
            name="uq_budget_tenant_id_scope_feature_period",
            postgresql_nulls_not_distinct=True,
        ),
    )  # fmt: skip
    op.create_table(
        "budget_use",
        _tenant(),
        *_account(),
        _usd("spent_usd", server_default="0"),
        _usd("reserved_usd", server_default="0"),
        sa.Column("told", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "tenant_id", "budget_id", "subject", "period_start", name="pk_budget_use"
        ),
    )
    op.create_table(
        "budget_reservation",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        *_account(),
        _usd("amount_usd"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "budget_id", name="pk_budget_reservation"),
    )
    op.create_index("ix_budget_reservation_due", "budget_reservation", ["due_at"])
    for table in TABLES:
        for statement in seal_tenant_table(table):
            op.execute(statement)
    _allow_reasons(*REASONS, "budget")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    _allow_reasons(*REASONS)


def _tenant() -> sa.Column[sa.Uuid]:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _account() -> tuple[sa.Column, ...]:
    return (
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
    )


def _usd(name: str, *, nullable: bool = False, **more: str) -> sa.Column:
    return sa.Column(name, sa.Numeric(18, 9), nullable=nullable, **more)


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _allow_reasons(*reasons: str) -> None:
    """Check the reasons anew: first for what comes, then, without blocking writers, for what is."""
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    op.execute(
        "ALTER TABLE handoff DROP CONSTRAINT ck_handoff_reason, "
        f"ADD CONSTRAINT ck_handoff_reason CHECK (reason IN ({listed})) NOT VALID"
    )
    op.execute("ALTER TABLE handoff VALIDATE CONSTRAINT ck_handoff_reason")
