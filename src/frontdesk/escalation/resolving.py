"""What counts as resolved by the AI: a conversation it answered, that ended, and that no person had."""

from decimal import Decimal

from frontdesk import conversation
from frontdesk.billing import UsageKind, UsageRecord, record_usage
from frontdesk.core.db import Transaction

_IS_RESOLUTION = """
SELECT EXISTS (SELECT FROM turn WHERE conversation_id = $1 AND outcome = 'replied')
    AND NOT EXISTS (SELECT FROM handoff WHERE conversation_id = $1)
"""


async def count_resolution(tx: Transaction, event: conversation.ConversationHasClosed) -> None:
    """Subscriber: write a resolution into the ledger, which tenants may be billed for.

    Counted once, however often the conversation is opened again and closed.
    """
    if await tx.sql.fetchval(_IS_RESOLUTION, event.conversation_id):
        await record_usage(
            tx,
            UsageRecord(
                kind=UsageKind.RESOLUTION,
                source_id=str(event.conversation_id),
                feature="resolution",
                model="frontdesk/resolution",
                conversation_id=event.conversation_id,
                amount_usd=Decimal(0),  # It costs nothing beyond what it was made of.
            ),
        )
