"""Evaluation runs that somebody has cancelled."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_STATES = ("queued", "done", "stopped", "failed")


def _check(states: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "ALTER TABLE eval_run DROP CONSTRAINT ck_eval_run_runstate, "
        f"ADD CONSTRAINT ck_eval_run_runstate CHECK (state IN ({listed}))"
    )


def upgrade() -> None:
    _check((*_STATES, "cancelled"))


def downgrade() -> None:
    op.execute("UPDATE eval_run SET state = 'stopped' WHERE state = 'cancelled'")
    _check(_STATES)
