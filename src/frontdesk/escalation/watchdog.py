"""Contacts who wait too long: who should answer them, and why nobody has. Told once each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation import Status, lock
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.escalation.happenings import ConversationOverdue
from frontdesk.escalation.schemas import OverduePublic, Owner
from frontdesk.observability import WAITS_TOO_LONG

OVERDUE = "escalation.overdue"
MOST_LISTED = 200

# Tenant by tenant, as each has the waiting ones first in an index of its own.
_UNTOLD = f"""
SELECT t.id AS tenant_id, late.id FROM tenant t CROSS JOIN LATERAL (
    SELECT k.id, k.waiting_since FROM conversation k {WAITS_TOO_LONG}
        AND k.tenant_id = t.id AND k.overdue_told_for IS DISTINCT FROM k.waiting_since
    ORDER BY k.inbox_rank LIMIT $1
) late
ORDER BY row_number() OVER (PARTITION BY t.id ORDER BY late.waiting_since), late.waiting_since LIMIT $1
"""  # noqa: S608  # Ours.
_LATE = f"""
SELECT k.id AS conversation_id, k.status, k.assigned_user_id, k.waiting_since, k.last_error,
    k.due_at IS NOT NULL AND k.lease_until > now() AS in_hand, h.state AS handoff_state, h.rule,
    c.status AS channel_status, k.overdue_told_for
FROM conversation k
JOIN channel c ON c.tenant_id = k.tenant_id AND c.id = k.channel_id
LEFT JOIN handoff h ON h.tenant_id = k.tenant_id AND h.conversation_id = k.id AND h.state <> 'ended'
{WAITS_TOO_LONG}
"""  # noqa: S608  # Ours.


@dataclass(frozen=True)
class Waiting:
    """What is known of a conversation whose contact waits.

    Args:
        handoff_state, rule: of the handoff that is open, if one is.
        in_hand: a worker is at it.
        channel_status: `CONNECTED`, or why nothing is sent.
    """

    status: str
    assigned_user_id: UUID | None
    last_error: str | None
    in_hand: bool
    handoff_state: str | None
    rule: str | None
    channel_status: str


def owner_of(seen: Waiting) -> tuple[Owner, str]:
    """Who should answer a contact who waits, and why they have not yet, in words."""
    if seen.status == Status.WITH_HUMAN:
        if seen.assigned_user_id is not None:
            return Owner.HUMAN_AGENT, "The human agent who has it has not answered."
        if seen.handoff_state == "waiting":
            return Owner.QUEUE, f"It waits for a human agent: {seen.rule}"
        return Owner.NOBODY, "Somebody answered in the phone app, and nobody of the desk has it."
    return Owner.AGENT, _why_the_agent_is_late(seen)


def _why_the_agent_is_late(seen: Waiting) -> str:
    if seen.channel_status != "CONNECTED":
        return f"The channel sends nothing: it is {seen.channel_status}."
    if seen.in_hand:
        return "It is being answered."
    if seen.last_error:
        return f"The last attempt to answer failed: {seen.last_error}"
    return "It is due, and no worker has taken it."


async def list_overdue(tx: Transaction) -> list[OverduePublic]:
    """Contacts who have waited too long, the longest wait first, at most 200."""
    rows = await tx.sql.fetch(f"{_LATE} ORDER BY k.inbox_rank LIMIT {MOST_LISTED}")
    return [OverduePublic(**_told(row)) for row in rows]


async def list_untold(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Conversations that have become overdue and of which nobody has been told, over all tenants."""
    rows = await connection.fetch(_UNTOLD, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def tell_overdue(resources: Resources, tenant_id: UUID, conversation_id: UUID) -> None:
    """Tell people that a contact has waited too long, once for each message that begins a wait.

    Nothing, if they have been answered since. Run twice, the second run finds it told.
    """
    async with resources.db.hot(tenant_id) as tx:
        await lock(tx, conversation_id)
        row = await tx.sql.fetchrow(f"{_LATE} AND k.id = $1", conversation_id)
        if row is None or row["overdue_told_for"] == row["waiting_since"]:
            return
        await tx.sql.execute(
            "UPDATE conversation SET overdue_told_for = waiting_since WHERE id = $1",
            conversation_id,
        )
        feed.tell(tx, ConversationOverdue(**_told(row)))


def _told(row: Any) -> dict[str, Any]:
    seen = Waiting(**{name: row[name] for name in Waiting.__dataclass_fields__})
    owner, reason = owner_of(seen)
    waiting_since: datetime = row["waiting_since"]
    return {
        "conversation_id": row["conversation_id"],
        "waiting_since": waiting_since,
        "owner": owner,
        "assigned_user_id": seen.assigned_user_id,
        "reason": reason,
    }
