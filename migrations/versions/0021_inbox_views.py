"""The inbox is sorted by one column, each view by an index; and users have read marks.

Adding the computed column writes `conversation` anew, which takes a lock for that long: some ten
seconds for a million rows.
"""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, seal_tenant_table

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_RANK = (
    "coalesce(waiting_since - timestamptz '2000-01-01 00:00:00+00', "
    "timestamptz '9000-01-01 00:00:00+00' - last_activity_at)"
)
_VIEWS = {
    "open": ([], "status <> 'CLOSED'"),
    "mine": (["assigned_user_id"], "status = 'WITH_HUMAN'"),
    "unassigned": ([], "status = 'WITH_HUMAN' AND assigned_user_id IS NULL"),
    "closed": ([], "status = 'CLOSED'"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "conversation",
        sa.Column("inbox_rank", sa.Interval(), sa.Computed(_RANK, persisted=True), nullable=True),
    )
    op.drop_index("ix_conversation_inbox", table_name="conversation")
    for view, (columns, where) in _VIEWS.items():
        op.create_index(
            f"ix_conversation_{view}",
            "conversation",
            ["tenant_id", *columns, "inbox_rank", "id"],
            postgresql_where=sa.text(where),
        )
    op.create_index("ix_conversation_contact", "conversation", ["tenant_id", "contact_id", "id"])
    op.create_index(
        "ix_timer_snoozed",
        "timer",
        ["tenant_id", "due_at", "conversation_id"],
        postgresql_where=sa.text("kind = 'snooze'"),
    )
    op.create_table(
        "read_mark",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("message_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversation.tenant_id", "conversation.id"],
            name="fk_read_mark_tenant_id_conversation_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "conversation_id", name="pk_read_mark"),
    )
    for statement in seal_tenant_table("read_mark"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("read_mark")
    op.drop_index("ix_timer_snoozed", table_name="timer")
    op.drop_index("ix_conversation_contact", table_name="conversation")
    for view in _VIEWS:
        op.drop_index(f"ix_conversation_{view}", table_name="conversation")
    op.drop_column("conversation", "inbox_rank")
    op.create_index(
        "ix_conversation_inbox", "conversation", ["tenant_id", "status", "waiting_since", "id"]
    )
