"""How long people have conversations: each span is counted when it ends, as it costs money."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from frontdesk import billing
from frontdesk.core.db import Transaction

# Before an UPDATE that gives the handoff `$1` away: whose it was, which RETURNING can't tell any more.
HELD = """WITH held AS (SELECT assigned_user_id AS by_user_id, assigned_at AS since FROM handoff
    WHERE id = $1 FOR UPDATE)"""


async def count_time(
    tx: Transaction, handoff: Record, user_id: UUID | None, since: datetime | None
) -> None:
    """Count the time somebody has had a handoff, whose it is no longer; nothing, if nobody had it."""
    if user_id is None or since is None:
        return
    held = billing.Held(handoff["id"], handoff["conversation_id"], user_id, since)
    await billing.record_human_time(tx, held)
