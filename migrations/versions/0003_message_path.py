"""What the message path needs under load.

Sends count apart how often they were refused and how often nobody could tell what became of them:
an outage that ends must not leave a message without the tries that an unknown outcome is given.

No reference to the tenant on what is written for every message. Checking it locks the tenant's one
row, which all of its messages then contend for. The row is there anyway: row-level security fills in
the tenant of the transaction, and the tables these rows are about refer to it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("feed_event", "llm_call", "usage_entry")


def upgrade() -> None:
    for name in ("refusals", "unknowns"):
        column = sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
        op.add_column("outbound", column)
    for table in TABLES:
        op.drop_constraint(f"fk_{table}_tenant_id", table, type_="foreignkey")


def downgrade() -> None:
    for table in TABLES:
        op.create_foreign_key(
            f"fk_{table}_tenant_id",
            table,
            "tenant",
            ["tenant_id"],
            ["id"],
            postgresql_not_valid=True,
        )
    for name in ("unknowns", "refusals"):
        op.drop_column("outbound", name)
