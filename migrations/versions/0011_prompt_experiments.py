"""Experiments on prompts; calls and turns say what they were given, and how a prompt was filled in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(none_as_null=True)
OPEN = sa.text("state IN ('running', 'held')")
NAME = "prompt_experiment"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        NAME,
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", _enum("unit", "conversation", "tenant"), nullable=False),
        sa.Column("variants", JSON, nullable=False),
        sa.Column("guards", JSON, nullable=False),
        sa.Column(
            "state",
            _enum("experimentstate", "running", "held", "rolled_forward", "rolled_back"),
            nullable=False,
        ),
        sa.Column("winner", sa.Text(), nullable=True),
        sa.Column("history", JSON, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "prompt_id"],
            ["prompt.tenant_id", "prompt.id"],
            name="fk_prompt_experiment_tenant_id_prompt_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_prompt_experiment"),
    )
    op.create_index(
        "uq_prompt_experiment_open",
        NAME,
        ["tenant_id", "prompt_id"],
        unique=True,
        postgresql_where=OPEN,
    )
    for statement in seal_tenant_table(NAME):
        op.execute(statement)
    for table, column in (
        ("llm_call", sa.Column("variables", JSON, nullable=True)),
        ("llm_call", sa.Column("experiment_id", sa.Uuid(), nullable=True)),
        ("llm_call", sa.Column("variant", sa.Text(), nullable=True)),
        ("turn", sa.Column("exposures", JSON, nullable=True)),
    ):
        op.add_column(table, column)


def downgrade() -> None:
    op.drop_column("turn", "exposures")
    for column in ("variant", "experiment_id", "variables"):
        op.drop_column("llm_call", column)
    op.drop_table(NAME)


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
