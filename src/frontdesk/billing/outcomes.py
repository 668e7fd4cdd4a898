"""How many conversations a month had and how they ended: what costs are divided by.

Conversations belong to a context above. Asking it would need a registry for a few numbers, so its
tables are read here by name, as `observability/overdue.py` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from frontdesk.core.db import Transaction

# A resolution is a conversation that was closed, whoever closed it. It is people's when a human
# agent ever had it, and else the AI's.
_RESOLVED = """
SELECT k.closed_by, people.had_it, count(*) AS conversations
FROM conversation k, LATERAL (SELECT EXISTS (
    SELECT FROM handoff h WHERE h.conversation_id = k.id AND h.assigned_user_id IS NOT NULL
) AS had_it) people
WHERE k.status = 'CLOSED' AND k.closed_at >= $1 AND k.closed_at < $2
GROUP BY 1, 2
"""
_ACTIVE = """
SELECT count(*) FROM conversation WHERE last_activity_at >= $1 AND created_at < $2
"""


@dataclass(frozen=True)
class Outcomes:
    """What became of conversations in a span.

    Args:
        active: those in which something happened.
        by_agent: closed, and only the AI ever had them.
        by_people: closed, and a human agent had them.
        closed_by: how many each closed: contact, agent, human_agent, or system for silence.
    """

    active: int
    by_agent: int
    by_people: int
    closed_by: Mapping[str, int]

    @property
    def resolutions(self) -> int:
        """All that were closed."""
        return self.by_agent + self.by_people


async def count_outcomes(tx: Transaction, start_at: datetime, end_at: datetime) -> Outcomes:
    """What became of the tenant's conversations from one moment to before another."""
    rows = await tx.sql.fetch(_RESOLVED, start_at, end_at)
    closed_by: dict[str, int] = {}
    for row in rows:
        who = row["closed_by"] or "system"
        closed_by[who] = closed_by.get(who, 0) + row["conversations"]
    return Outcomes(
        active=await tx.sql.fetchval(_ACTIVE, start_at, end_at),
        by_agent=sum(row["conversations"] for row in rows if not row["had_it"]),
        by_people=sum(row["conversations"] for row in rows if row["had_it"]),
        closed_by=closed_by,
    )
