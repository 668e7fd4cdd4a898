"""The audit log by what it is about and by who did it: its filters read one tenant's whole log."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_COLUMNS = {"ix_audit_entry_subject": "subject_id", "ix_audit_entry_user": "user_id"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, column in _COLUMNS.items():
        op.create_index(name, "audit_entry", ["tenant_id", column, "id"], if_not_exists=True)


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_index(name, table_name="audit_entry")
