"""What contacts say of a conversation after its close, and thumbs on the AI's answers."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def _tenant() -> "sa.Column[object]":
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _created() -> "sa.Column[object]":
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False)


def _refers(table: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", f"{to}_id"],
        [f"{to}.tenant_id", f"{to}.id"],
        name=f"fk_{table}_tenant_id_{to}_id",
    )


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "survey",
        _tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        _created(),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            _words("surveystate", "due", "asked", "answered", "skipped"),
            server_default="due",
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_by", sa.String(40), nullable=False),
        sa.Column("closed_by_user_id", sa.Uuid(), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=False),
        sa.Column("handled_by", sa.String(40), nullable=True),
        sa.Column("handled_by_user_id", sa.Uuid(), nullable=True),
        sa.Column("skipped_reason", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        _refers("survey", "conversation"),
        _refers("survey", "contact"),
        _refers("survey", "agent"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_survey"),
        sa.UniqueConstraint(
            "tenant_id", "conversation_id", name="uq_survey_tenant_id_conversation_id"
        ),
    )
    op.create_index(
        "ix_survey_due", "survey", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index("ix_survey_contact", "survey", ["tenant_id", "contact_id", "asked_at"])
    op.create_index("ix_survey_agent", "survey", ["tenant_id", "agent_id", "created_at"])
    op.create_table(
        "answer_rating",
        _tenant(),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("rater_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.Column("value", _words("thumb", "up", "down"), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        _created(),
        _refers("answer_rating", "message"),
        _refers("answer_rating", "conversation"),
        _refers("answer_rating", "agent"),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "rater_id", name="pk_answer_rating"),
    )
    op.create_index(
        "ix_answer_rating_newest", "answer_rating", ["tenant_id", "created_at", "message_id"]
    )
    op.create_index(
        "ix_answer_rating_conversation", "answer_rating", ["tenant_id", "conversation_id"]
    )
    for table in ("survey", "answer_rating"):
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("answer_rating")
    op.drop_table("survey")
