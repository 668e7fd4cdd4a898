"""A tenant may hide contact details from its human agents; its admins say so themselves."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.settings import APP_ROLE

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "tenant",
        sa.Column("contacts_masked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    # Of its own row, and of it nothing else: the plan is the platform's.
    op.execute(f"GRANT UPDATE (contacts_masked) ON tenant TO {APP_ROLE}")


def downgrade() -> None:
    op.drop_column("tenant", "contacts_masked")
