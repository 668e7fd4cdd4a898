"""What a contact who waits for a person is told: their place, and how long it will take if we know."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.escalation.assignment import MAY_TAKE

# With fewer conversations behind us, or a longer wait, a number would be a guess.
_LEAST_EXPERIENCE = 5
_LONGEST_SAID_MINUTES = 120
_STEP_MINUTES = 5

_STANDING = f"""
SELECT (SELECT count(*) FROM handoff w WHERE w.state = 'waiting' AND w.urgency >= $2
        AND (w.team_ids && h.team_ids OR w.team_ids = '{{}}' OR h.team_ids = '{{}}'))::int AS ahead,
    (SELECT coalesce(sum(a.max_conversations), 0) FROM availability a
        WHERE a.presence = 'online' AND {MAY_TAKE})::int AS places,
    lately.count::int AS count, lately.minutes
FROM (SELECT $1::uuid[] AS team_ids) h, (
    SELECT count(*) AS count, avg(extract(epoch FROM ended_at - assigned_at) / 60)::float8 AS minutes
    FROM (SELECT ended_at, assigned_at FROM handoff WHERE state = 'ended'
        AND assigned_at IS NOT NULL ORDER BY id DESC LIMIT 50) ended
) lately
"""  # noqa: S608  # Ours.


@dataclass(frozen=True)
class Standing:
    """A contact's place in the queue, from 1, and about how many minutes; None: nobody can tell."""

    position: int
    minutes: int | None


async def look_ahead(tx: Transaction, team_ids: Sequence[UUID], urgency: int) -> Standing:
    """Where a handoff that comes now will stand."""
    row = await tx.sql.fetchrow(_STANDING, list(team_ids), urgency)
    assert row is not None
    position = row["ahead"] + 1
    known = row["count"] >= _LEAST_EXPERIENCE
    return Standing(
        position, expected_minutes(position, row["places"], row["minutes"] if known else None)
    )


def expected_minutes(position: int, places: int, handling_minutes: float | None) -> int | None:
    """About how long until it is one's turn: rounded up, and None where it would be a guess.

    Args:
        places: conversations that people have at once; each becomes free once in `handling_minutes`.
    """
    if handling_minutes is None or places == 0:
        return None
    minutes = position * handling_minutes / places
    rounded = max(1, math.ceil(minutes / _STEP_MINUTES)) * _STEP_MINUTES
    return rounded if rounded <= _LONGEST_SAID_MINUTES else None
