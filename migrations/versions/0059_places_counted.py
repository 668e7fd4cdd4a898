"""Places of human agents are counted anew: an assignment could take one with each who was online.

A worker of the release before goes on so until it is replaced; `frontdesk invariants` tells.
"""

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

COUNT_ANEW = """
UPDATE availability a SET open_conversations = counted.places
FROM (
    SELECT a.tenant_id, a.user_id, count(h.id) AS places FROM availability a
    LEFT JOIN handoff h ON h.tenant_id = a.tenant_id AND h.assigned_user_id = a.user_id
        AND h.state = 'assigned'
    GROUP BY a.tenant_id, a.user_id
) counted
WHERE a.tenant_id = counted.tenant_id AND a.user_id = counted.user_id
    AND a.open_conversations <> counted.places
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Nobody is assigned meanwhile, or would be counted twice or not at all.
    op.execute("LOCK TABLE handoff, availability IN SHARE ROW EXCLUSIVE MODE")
    op.execute(COUNT_ANEW)


def downgrade() -> None:
    """What was counted stays."""
