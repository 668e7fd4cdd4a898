"""The site's clock. Postgres's time is the only one the product compares with, so moving the times
in its tables back is the same as letting time pass: leases end, deadlines come, nobody waits."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from faults.scenario import Broken

if TYPE_CHECKING:
    from faults.site import Site

# Nothing has happened for so long, and nothing is due: only time can change anything.
_STALLED_SECONDS = 1.5
_SOON_SECONDS = 1.2
# A worker that was stopped inside a transaction keeps its locks until Postgres ends that after 30 s,
# and what was put off meanwhile has its own pauses.
_PATIENCE_SECONDS = 60.0
_MOST_SECONDS = 150.0
_MOST_SKIPPED_SECONDS = 30 * 60

_LOOK = """
WITH open AS (
    SELECT 'raw' AS kind, due_at FROM webhook_event WHERE state = 'pending'
    UNION ALL
    SELECT 'burst', greatest(due_at, lease_until) FROM conversation
    WHERE status = 'ACTIVE' AND inbound_seq > handled_seq
    UNION ALL
    -- What waits behind an earlier message is looked at all the time, and is due after that one.
    SELECT state, CASE WHEN o.state <> 'pending' OR NOT EXISTS (
        SELECT 1 FROM outbound e WHERE e.conversation_id = o.conversation_id
        AND e.state IN ('pending', 'sending', 'unknown') AND e.created_at < o.created_at)
        THEN due_at END
    FROM outbound o WHERE state IN ('pending', 'sending', 'unknown')
)
SELECT count(*) AS left, count(*) FILTER (WHERE kind = 'unknown') AS unknown,
    extract(epoch FROM min(due_at) - now())::float8 AS next_seconds,
    coalesce(string_agg(kind || due_at::text, ',' ORDER BY due_at, kind), '') AS print
FROM open
"""

# Times of open work, and what is compared with them.
_SKIP = (
    "UPDATE webhook_event SET due_at = due_at - $1, received_at = received_at - $1 "
    "WHERE state = 'pending'",
    "UPDATE conversation SET due_at = due_at - $1, first_due_at = first_due_at - $1, "
    "lease_until = lease_until - $1, waiting_since = waiting_since - $1 "
    "WHERE due_at IS NOT NULL OR lease_until IS NOT NULL",
    "UPDATE outbound SET due_at = due_at - $1, sending_since = sending_since - $1, "
    "created_at = created_at - $1 WHERE state IN ('pending', 'sending', 'unknown')",
    "UPDATE channel SET alive_at = alive_at - $1",
)


@dataclass(frozen=True)
class Look:
    """What is left to do."""

    left: int
    unknown: int
    next_seconds: float | None
    """Until the next of it is due; negative when it is due already."""
    print: str


class Clock:
    """Waits until a site has nothing left to do, and moves its time on where that is all it takes."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self.skipped_seconds = 0.0

    def reset(self) -> None:
        """Forget what was skipped."""
        self.skipped_seconds = 0.0

    async def skip(self, seconds: float) -> bool:
        """Let so many seconds pass at once; False when somebody keeps a row locked meanwhile."""
        shift = f"make_interval(secs => {seconds:f})"
        statements = [statement.replace("$1", shift) for statement in _SKIP]
        try:
            # Together they are one transaction.
            await self._site.execute("; ".join(["SET LOCAL lock_timeout = '1s'", *statements]))
        except asyncpg.LockNotAvailableError:
            return False
        self.skipped_seconds += seconds
        return True

    async def drain(self, enough: Callable[[], bool] | None = None) -> None:
        """Wait until every webhook is taken, every burst has its turn and every send its outcome.

        Args:
            enough: ends the wait sooner once it is true.

        Raises:
            Broken: something stays undone although nothing keeps it from being done.
        """
        site = self._site
        began = changed_at = time.monotonic()
        before = None
        while True:
            await asyncio.sleep(0.05)
            look = await self._look()
            on_the_way = any(
                not task.done() for p in site.simulator.webhooks.postings for task in p.tasks
            )
            if look is not None and not look.left and not on_the_way:
                return
            if enough is not None and enough():
                return
            seen = (look, on_the_way) if look is None else (look.print, look.left, on_the_way)
            if seen != before or site.simulator.model.open_requests:
                before, changed_at = seen, time.monotonic()
            stalled = time.monotonic() - changed_at
            too_long = time.monotonic() - began > _MOST_SECONDS
            too_late = self.skipped_seconds > _MOST_SKIPPED_SECONDS
            if stalled > _PATIENCE_SECONDS or too_long or too_late:
                raise Broken(f"it does not drain: {look}")
            if look is None or stalled < _STALLED_SECONDS or look.next_seconds is None:
                continue
            if look.next_seconds > _SOON_SECONDS:
                skipped = await self.skip(look.next_seconds)
                if skipped and look.unknown and not site.silent:
                    await self._let_others_write()

    async def _look(self) -> Look | None:
        try:
            rows = await self._site.sql(_LOOK)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None  # It may be what the scenario has broken.
        return Look(**rows[0])

    async def _let_others_write(self) -> None:
        """The business goes on: where a send's outcome is unknown, another contact writes."""
        rows = await self._site.sql(
            "SELECT DISTINCT channel_id FROM outbound WHERE state = 'unknown'"
        )
        affected = {row["channel_id"] for row in rows}
        written_at = self._site.written_at
        for tenant in self._site.tenants:
            if tenant.channel_id in affected:
                self._site.say(self._site.phone(tenant))
        self._site.written_at = written_at  # They are no part of what is being timed.
