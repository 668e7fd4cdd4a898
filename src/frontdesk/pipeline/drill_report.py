"""What contacts saw of a drill: read from what is kept of their messages in any case."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.observability import DrillRecord

_MOST_NOTICES = 5
# By ids, which rise with time and are what the tables are found by; from the first, before the last.
# A turn of that time, and how long after the message that it answers the contact had a word.
_TURNS = """
SELECT t.outcome, extract(epoch FROM (SELECT min(coalesce(o.finished_at, now())) FROM message s
    JOIN outbound o ON o.tenant_id = s.tenant_id AND o.id = s.id
    WHERE s.tenant_id = t.tenant_id AND s.conversation_id = t.conversation_id
        AND s.direction = 'out' AND s.created_at >= m.created_at) - m.created_at)::float8 AS seconds
FROM turn t
JOIN message m ON m.tenant_id = t.tenant_id AND m.conversation_id = t.conversation_id
    AND m.seq = t.from_seq
WHERE t.id >= $1 AND t.id < $2
"""
_HANDOFFS = (
    "SELECT reason, count(*) AS count FROM handoff WHERE id >= $1 AND id < $2 GROUP BY reason"
)
_SENDS = """
SELECT count(*) FILTER (WHERE finished_at IS NULL OR finished_at > $3) AS held,
    count(*) FILTER (WHERE finished_at > $3) AS gone_since,
    count(*) FILTER (WHERE state = 'failed') AS failed,
    max(extract(epoch FROM coalesce(finished_at, now()) - created_at))::float8 AS longest_seconds
FROM outbound WHERE id >= $1 AND id < $2
"""
_WAITING = """
SELECT count(*) FROM conversation WHERE status = 'ACTIVE' AND inbound_seq > handled_seq
    AND waiting_since BETWEEN $1 AND $2
"""
# What people or models wrote is not the drill's; what the desk says by itself is. A template names
# its contact, whom a super admin is not to see.
_NOTICES = """
SELECT m.text FROM message m JOIN outbound o ON o.tenant_id = m.tenant_id AND o.id = m.id
WHERE m.id >= $1 AND m.id < $2 AND m.author = 'system' AND o.content ->> 'type' <> 'template'
GROUP BY m.text ORDER BY count(*) DESC LIMIT $3
"""


@dataclass(frozen=True)
class DrillReport:
    """What contacts saw between the drill's beginning and its end, or until now.

    Attributes:
        turns: bursts that got their outcome in that time, by outcome.
        handoffs: conversations that went to people, by reason.
        notices: what those contacts were told, the most frequent first.
        longest_wait_seconds: from a contact's message to the first word they got, at most.
        median_wait_seconds: the same in the middle.
        still_waiting: contacts who wrote in that time and have no outcome yet.
        held_sends: messages that had not left when it ended, or have not left yet.
        sent_since: how many of them have left by now.
        failed_sends: messages of that time that will never leave; a drill makes none.
        longest_send_seconds: how long a message of that time took to leave, at most.
    """

    turns: Mapping[str, int]
    handoffs: Mapping[str, int]
    notices: tuple[str, ...]
    longest_wait_seconds: float | None
    median_wait_seconds: float | None
    still_waiting: int
    held_sends: int
    sent_since: int
    failed_sends: int
    longest_send_seconds: float | None


async def report_of(tx: Transaction, drill: DrillRecord) -> DrillReport:
    """The report of one of the tenant's drills, as things stand; it gets fuller after its end."""
    until = drill.ended_at or datetime.now(UTC)
    ids = _first_id(drill.created_at), _first_id(until + timedelta(milliseconds=1))
    turns = await tx.sql.fetch(_TURNS, *ids)
    handoffs = await tx.sql.fetch(_HANDOFFS, *ids)
    sends = await tx.sql.fetchrow(_SENDS, *ids, until)
    assert sends is not None
    waits = sorted(row["seconds"] for row in turns if row["seconds"] is not None)
    outcomes = [row["outcome"] for row in turns]
    return DrillReport(
        turns={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        handoffs={row["reason"]: row["count"] for row in handoffs},
        notices=tuple(row["text"] for row in await tx.sql.fetch(_NOTICES, *ids, _MOST_NOTICES)),
        longest_wait_seconds=waits[-1] if waits else None,
        median_wait_seconds=waits[len(waits) // 2] if waits else None,
        still_waiting=await tx.sql.fetchval(_WAITING, drill.created_at, until),
        held_sends=sends["held"],
        sent_since=sends["gone_since"],
        failed_sends=sends["failed"],
        longest_send_seconds=sends["longest_seconds"],
    )


def _first_id(at: datetime) -> UUID:
    """No id made at that time, which UUIDv7 tells in milliseconds, comes before it."""
    return UUID(int=int(at.timestamp() * 1000) << 80)
