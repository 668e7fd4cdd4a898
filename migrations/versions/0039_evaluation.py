"""Datasets with versions, runs that go on after a crash, the gate, cases from production, canaries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
NEW_TABLES = (
    "eval_dataset",
    "eval_result",
    "eval_proposal",
    "eval_collection",
    "canary_watch",
    "agent_pass",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _make_tables()
    _move_cases()
    _extend_runs()
    op.add_column("prompt_version", sa.Column("passed_run_id", sa.Uuid(), nullable=True))
    op.add_column("prompt_policy", _flag("requires_run"))
    op.add_column("agent", _flag("requires_run"))
    op.add_column(
        "agent_preview",
        sa.Column("history", JSON, server_default=sa.text("'[]'"), nullable=False),
    )
    op.add_column("agent_preview", sa.Column("client_key", sa.Text(), nullable=True))
    op.create_unique_constraint(
        "uq_agent_preview_tenant_id_client_key", "agent_preview", ["tenant_id", "client_key"]
    )
    for table in NEW_TABLES:
        for statement in seal_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_constraint("uq_agent_preview_tenant_id_client_key", "agent_preview")
    op.drop_column("agent_preview", "client_key")
    op.drop_column("agent_preview", "history")
    op.drop_column("agent", "requires_run")
    op.drop_column("prompt_policy", "requires_run")
    op.drop_column("prompt_version", "passed_run_id")
    for table in ("agent_pass", "canary_watch", "eval_collection", "eval_proposal", "eval_result"):
        op.drop_table(table)
    op.execute("DELETE FROM eval_run")
    op.drop_index("ix_eval_run_fingerprint", "eval_run")
    op.drop_constraint("fk_eval_run_tenant_id_dataset_id", "eval_run")
    for column in reversed(_run_columns()):
        op.drop_column("eval_run", column.name)
    op.add_column("eval_run", sa.Column("results", JSON, server_default="[]", nullable=False))
    _allow_states("queued", "done", "failed")
    # Cases were of an agent, and had no versions.
    op.execute("DELETE FROM eval_case WHERE until_version IS NOT NULL OR NOT body ? 'messages'")
    op.drop_index("uq_eval_case_present", "eval_case")
    op.add_column("eval_case", sa.Column("agent_id", sa.Uuid(), nullable=True))
    for name in ("messages", "must_contain", "must_not_contain", "tags"):
        op.add_column("eval_case", sa.Column(name, JSON, server_default="[]", nullable=False))
        op.execute(f"UPDATE eval_case SET {name} = coalesce(body -> '{name}', '[]')")
        op.alter_column("eval_case", name, server_default=None)
    op.add_column("eval_case", sa.Column("expect_handoff", sa.Boolean(), server_default="false"))
    op.execute(
        "UPDATE eval_case c SET expect_handoff = coalesce(body ->> 'action', '') = 'hand_off', "
        "agent_id = d.agent_id, name = CASE WHEN d.name = 'golden' THEN c.name "
        "ELSE d.name || ': ' || c.name END FROM eval_dataset d WHERE d.id = c.dataset_id"
    )
    op.alter_column("eval_case", "agent_id", nullable=False)
    op.alter_column("eval_case", "expect_handoff", nullable=False, server_default=None)
    op.drop_constraint("fk_eval_case_tenant_id_dataset_id", "eval_case")
    for name in ("dataset_id", "body", "since_version", "until_version", "conversation_id"):
        op.drop_column("eval_case", name)
    op.create_foreign_key(
        "fk_eval_case_tenant_id_agent_id",
        "eval_case",
        "agent",
        ["tenant_id", "agent_id"],
        ["tenant_id", "id"],
    )
    op.create_unique_constraint(
        "uq_eval_case_tenant_id_agent_id_name", "eval_case", ["tenant_id", "agent_id", "name"]
    )
    op.drop_table("eval_dataset")


def _make_tables() -> None:
    op.create_table(
        "eval_dataset",
        _tenant(),
        *_row(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _refers("eval_dataset", "agent_id", "agent"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_eval_dataset"),
        sa.UniqueConstraint(
            "tenant_id", "agent_id", "name", name="uq_eval_dataset_tenant_id_agent_id_name"
        ),
    )
    op.create_table(
        "eval_result",
        _tenant(),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        _refers("eval_result", "run_id", "eval_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "item_id", "repeat", name="pk_eval_result"),
    )
    op.create_index("ix_eval_result_conversation", "eval_result", ["tenant_id", "conversation_id"])
    op.create_table(
        "eval_proposal",
        _tenant(),
        *_row(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "origin",
            _words("origin", "human_edit", "take_over", "thumbs_down", "escalation"),
            nullable=False,
        ),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column(
            "state", _words("proposalstate", "proposed", "accepted", "rejected"), nullable=False
        ),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
        _moment("reviewed_at"),
        _refers("eval_proposal", "agent_id", "agent"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_eval_proposal"),
        sa.UniqueConstraint(
            "tenant_id",
            "agent_id",
            "content_hash",
            name="uq_eval_proposal_tenant_id_agent_id_content_hash",
        ),
    )
    op.create_index(
        "ix_eval_proposal_conversation", "eval_proposal", ["tenant_id", "conversation_id"]
    )
    op.create_table(
        "eval_collection",
        _tenant(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        _moment("due_at"),
        _moment("through_at"),
        _refers("eval_collection", "agent_id", "agent"),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", name="pk_eval_collection"),
    )
    op.create_table(
        "canary_watch",
        _tenant(),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        _moment("due_at"),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("evidence", JSON, nullable=True),
        _refers("canary_watch", "experiment_id", "prompt_experiment"),
        sa.PrimaryKeyConstraint("tenant_id", "experiment_id", name="pk_canary_watch"),
    )
    for table in ("eval_collection", "canary_watch"):
        op.create_index(
            f"ix_{table}_due", table, ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
        )
    op.create_table(
        "agent_pass",
        _tenant(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column(
            "passed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        _refers("agent_pass", "agent_id", "agent"),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "config_hash", name="pk_agent_pass"),
    )


def _move_cases() -> None:
    """What was an agent's cases is its dataset `golden`, version 1."""
    op.execute(
        "INSERT INTO eval_dataset (tenant_id, id, agent_id, name, version) "
        "SELECT tenant_id, gen_random_uuid(), agent_id, 'golden', 1 "
        "FROM (SELECT DISTINCT tenant_id, agent_id FROM eval_case) AS of_agents"
    )
    op.add_column("eval_case", sa.Column("dataset_id", sa.Uuid(), nullable=True))
    op.add_column("eval_case", sa.Column("body", JSON, nullable=True))
    op.add_column(
        "eval_case", sa.Column("since_version", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column("eval_case", sa.Column("until_version", sa.Integer(), nullable=True))
    op.add_column("eval_case", sa.Column("conversation_id", sa.Uuid(), nullable=True))
    op.execute(
        "UPDATE eval_case c SET dataset_id = d.id, body = jsonb_build_object('name', c.name, "
        "'messages', c.messages, 'must_contain', c.must_contain, "
        "'must_not_contain', c.must_not_contain, 'tags', c.tags, "
        "'action', CASE WHEN c.expect_handoff THEN 'hand_off' ELSE 'reply' END) "
        "FROM eval_dataset d WHERE d.tenant_id = c.tenant_id AND d.agent_id = c.agent_id"
    )
    op.alter_column("eval_case", "dataset_id", nullable=False)
    op.alter_column("eval_case", "body", nullable=False)
    op.alter_column("eval_case", "since_version", server_default=None)
    op.drop_constraint("uq_eval_case_tenant_id_agent_id_name", "eval_case")
    op.drop_constraint("fk_eval_case_tenant_id_agent_id", "eval_case")
    for name in (
        "agent_id",
        "messages",
        "must_contain",
        "must_not_contain",
        "expect_handoff",
        "tags",
    ):
        op.drop_column("eval_case", name)
    op.create_foreign_key(
        "fk_eval_case_tenant_id_dataset_id",
        "eval_case",
        "eval_dataset",
        ["tenant_id", "dataset_id"],
        ["tenant_id", "id"],
    )
    op.create_index(
        "uq_eval_case_present",
        "eval_case",
        ["tenant_id", "dataset_id", "name"],
        unique=True,
        postgresql_where=sa.text("until_version IS NULL"),
    )


def _extend_runs() -> None:
    """A run of before says how it ended; the results it had are of no form that could be compared."""
    op.execute(
        "UPDATE eval_run SET state = 'failed', due_at = NULL, "
        "last_error = 'It was asked for before an update: start another.' WHERE state = 'queued'"
    )
    _allow_states("queued", "done", "stopped", "failed")
    op.drop_column("eval_run", "results")
    for column in _run_columns():
        op.add_column("eval_run", column)
    op.create_foreign_key(
        "fk_eval_run_tenant_id_dataset_id",
        "eval_run",
        "eval_dataset",
        ["tenant_id", "dataset_id"],
        ["tenant_id", "id"],
    )
    op.create_index(
        "ix_eval_run_fingerprint", "eval_run", ["tenant_id", "dataset_id", "fingerprint", "id"]
    )


def _run_columns() -> list[sa.Column]:
    return [
        sa.Column(
            "kind", _words("runkind", "cases", "traffic"), server_default="cases", nullable=False
        ),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("dataset_version", sa.Integer(), nullable=True),
        sa.Column("wish", JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("candidate", JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column("repeats", sa.Integer(), server_default="1", nullable=False),
        sa.Column("budget_usd", sa.Numeric(18, 9), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("spent_usd", sa.Numeric(18, 9), server_default="0", nullable=False),
        sa.Column("judge", JSON, nullable=True),
        sa.Column("summary", JSON, nullable=True),
        sa.Column("gate", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        _moment("finished_at"),
    ]


def _allow_states(*states: str) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    op.execute(
        "ALTER TABLE eval_run DROP CONSTRAINT ck_eval_run_runstate, "
        f"ADD CONSTRAINT ck_eval_run_runstate CHECK (state IN ({listed}))"
    )


def _tenant() -> sa.Column:
    return sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False)


def _row() -> tuple[sa.Column, sa.Column]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _refers(
    table: str, column: str, to: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{to}.tenant_id", f"{to}.id"],
        name=f"fk_{table}_tenant_id_{column}",
        ondelete=ondelete,
    )
