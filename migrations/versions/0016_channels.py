"""Channels: connecting in stages, who holds a number, what Meta says of it, topics of events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

HOLDS_NUMBER = sa.text("claimed_at IS NOT NULL AND status <> 'DISCONNECTED'")
DUE = sa.text("due_at IS NOT NULL")
TOPIC = sa.text("topic IS NOT NULL")
STATUS = "ck_channel_channelstatus"
TIMES = ("claimed_at", "token_expires_at", "token_checked_at", "subscribed_at", "registered_at")
ENUMS = {
    "paused_by": ("pausedby", ("admin", "whatsapp")),
    "stage": ("connectstage", ("exchange", "identify", "subscribe", "register", "confirm")),
}
ADDED = (
    *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in TIMES),
    *(sa.Column(name, sa.Text(), nullable=True) for name in ("code_sealed", "pin_sealed")),
    *(sa.Column(name, sa.Text(), nullable=True) for name in ("failure_code", "check_error")),
    *(
        sa.Column(
            name,
            sa.Enum(*values, name=enum, native_enum=False, create_constraint=True, length=40),
            nullable=True,
        )
        for name, (enum, values) in ENUMS.items()
    ),
    sa.Column(
        "status_since",
        sa.DateTime(timezone=True),
        server_default=sa.text("now()"),
        nullable=False,
    ),
    sa.Column("is_on_phone_app", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    sa.Column("reading", postgresql.JSONB(none_as_null=True), nullable=True),
    sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in ADDED:
        op.add_column("channel", column)
    _allow("CONNECTING", "CONNECTED", "PAUSED", "FAILED", "DISCONNECTED")
    # Those connected before were taken at their word; the first look is soon, and not all at once.
    op.execute(
        "UPDATE channel SET claimed_at = created_at, due_at = CASE WHEN status <> 'DISCONNECTED' "
        "THEN now() + random() * interval '1 hour' END, "
        "paused_by = CASE WHEN status = 'PAUSED' THEN CASE WHEN status_reason = "
        "'Paused by an admin.' THEN 'admin' ELSE 'whatsapp' END END"
    )
    op.drop_constraint("uq_channel_phone_number_id", "channel", type_="unique")
    op.create_index(
        "uq_channel_phone_number_id",
        "channel",
        ["phone_number_id"],
        unique=True,
        postgresql_where=HOLDS_NUMBER,
    )
    op.create_index("ix_channel_phone_number", "channel", ["phone_number_id"])
    op.create_index("ix_channel_due", "channel", ["due_at"], postgresql_where=DUE)
    op.add_column("account_event", sa.Column("topic", sa.Text(), nullable=True))
    op.add_column("account_event", sa.Column("until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "account_event",
        sa.Column(
            "said_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.execute("UPDATE account_event SET said_at = created_at")
    op.create_index(
        "ix_account_event_topic",
        "account_event",
        ["tenant_id", "channel_id", "topic", "said_at"],
        postgresql_where=TOPIC,
    )


def downgrade() -> None:
    op.drop_index("ix_account_event_topic", table_name="account_event", postgresql_where=TOPIC)
    for name in ("topic", "until", "said_at"):
        op.drop_column("account_event", name)
    op.drop_index("ix_channel_due", table_name="channel", postgresql_where=DUE)
    op.drop_index("ix_channel_phone_number", table_name="channel")
    op.drop_index("uq_channel_phone_number_id", table_name="channel", postgresql_where=HOLDS_NUMBER)
    op.execute(
        "UPDATE channel SET status = 'DISCONNECTED' WHERE status IN ('CONNECTING', 'FAILED')"
    )
    # What was never taken, or taken again by somebody else, would stand twice.
    op.execute(
        "UPDATE channel SET phone_number_id = 'released:' || id WHERE claimed_at IS NULL "
        "OR status = 'DISCONNECTED'"
    )
    _allow("CONNECTED", "PAUSED", "DISCONNECTED")
    op.create_unique_constraint("uq_channel_phone_number_id", "channel", ["phone_number_id"])
    for column in ADDED:
        op.drop_column("channel", column.name)


def _allow(*statuses: str) -> None:
    listed = ", ".join(f"'{status}'" for status in statuses)
    op.execute(
        f"ALTER TABLE channel DROP CONSTRAINT {STATUS}, "
        f"ADD CONSTRAINT {STATUS} CHECK (status IN ({listed})) NOT VALID"
    )
    op.execute(f"ALTER TABLE channel VALIDATE CONSTRAINT {STATUS}")
