"""What people's time costs: each span in which a human agent had a conversation is an entry.

It is the time from the assignment to its end, whatever they did meanwhile: nobody's clicks are
watched. Without a price of the tenant's own the time is counted and has no amount.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from frontdesk.core import ids
from frontdesk.core.db import Transaction

FEATURE = "human_agent"

# The span ends now; what lasts for more than 68 years does not fit the column.
_INSERT = """
INSERT INTO usage_entry (id, kind, source_id, feature, conversation_id, contact_id, agent_id, model,
                         quantity, unit_prices, amount_usd, input_tokens, output_tokens,
                         cached_input_tokens)
SELECT $1, 'human', $2, $3, $4, k.contact_id, k.agent_id, $5::text, held.seconds,
       CASE WHEN t.human_usd_per_minute IS NOT NULL
           THEN jsonb_build_object('usd_per_minute', t.human_usd_per_minute::text) END,
       t.human_usd_per_minute * held.seconds / 60, 0, 0, 0
FROM (SELECT least(greatest(extract(epoch FROM now() - $6::timestamptz), 0), 2147483647)::int
      AS seconds) held
LEFT JOIN cost_terms t ON true
LEFT JOIN conversation k ON k.id = $4
ON CONFLICT (tenant_id, kind, source_id) DO NOTHING
"""


@dataclass(frozen=True)
class Held:
    """A human agent's span with a conversation, which ends now."""

    handoff_id: UUID
    conversation_id: UUID
    user_id: UUID
    since: datetime


async def record_human_time(tx: Transaction, held: Held) -> None:
    """Count a span in which a human agent had a conversation, in one round trip; safe to repeat."""
    await tx.sql.execute(
        _INSERT,
        ids.new(),
        # Somebody may have the same handoff twice.
        f"{held.handoff_id}:{held.since.isoformat()}",
        FEATURE,
        held.conversation_id,
        str(held.user_id),
        held.since,
    )
