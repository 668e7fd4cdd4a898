"""The record of each attempt: one `llm_call`, and one ledger entry when it was billed.

What queued while a tenant's last commit ran goes into the next one together, so a busy process
commits less often than it calls, and a quiet one never waits for others. Nor does a record that
another is about to follow take a commit of its own at once.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from frontdesk.billing import Alert, Settlement, UsageRecord, record_usage, settle
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.observability import LlmCallRecord, record_llm_calls

log = structlog.get_logger(__name__)

# Together shorter than the lease of the turn that waits for it.
RETRY_PAUSES_SECONDS = (0.2, 1.0, 3.0, 5.0)
# How long a record waits for the one that is about to follow it.
PATIENCE_SECONDS = 0.1


@dataclass(frozen=True)
class _Entry:
    call: LlmCallRecord
    usage: UsageRecord | None
    settlement: Settlement | None
    written: asyncio.Future[None] = field(repr=False)


class CallLog:
    """Writes the records of one process's calls."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        # What a tenant's next commit takes.
        self._waiting: dict[UUID, list[_Entry]] = {}
        self._writers: dict[UUID, asyncio.Task[None]] = {}
        self._timers: dict[UUID, asyncio.TimerHandle] = {}

    def write(
        self,
        tenant_id: UUID,
        call: LlmCallRecord,
        usage: UsageRecord | None,
        settlement: Settlement | None = None,
        *,
        is_followed: bool = False,
    ) -> asyncio.Future[None]:
        """Begin to write; the future ends with the commit, and may also be left alone.

        The future raises `Unavailable` when the database stays down for some ten seconds.
        Cancelling whoever waits does not stop the writing: what was used was used.

        Args:
            is_followed: another record of the tenant comes soon, and may take this one with it.
        """
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        # Marks a failure as seen, so that nobody has to wait for the future.
        written.add_done_callback(_seen)
        entry = _Entry(call, usage, settlement, written)
        self._waiting.setdefault(tenant_id, []).append(entry)
        if not is_followed:
            self._begin(tenant_id)
        elif tenant_id not in self._timers and tenant_id not in self._writers:
            self._timers[tenant_id] = loop.call_later(PATIENCE_SECONDS, self._begin, tenant_id)
        return written

    async def finish(self, tenant_id: UUID, begun: Iterable[asyncio.Future[None]]) -> None:
        """Wait until what was begun is written, and for nothing else of the tenant.

        Raises:
            Unavailable: the database stays down.
        """
        for written in begun:
            if not written.done():
                self._begin(tenant_id)
            await asyncio.shield(written)

    async def drain(self) -> None:
        """Wait until all that was begun is written, or has failed."""
        for tenant_id in list(self._timers):
            self._begin(tenant_id)
        while self._writers:
            await asyncio.gather(*self._writers.values(), return_exceptions=True)

    def _begin(self, tenant_id: UUID) -> None:
        if timer := self._timers.pop(tenant_id, None):
            timer.cancel()
        if tenant_id not in self._writers:
            writer = asyncio.create_task(self._write_all(tenant_id))
            self._writers[tenant_id] = writer
            writer.add_done_callback(lambda _: self._ended(tenant_id))

    async def _write_all(self, tenant_id: UUID) -> None:
        while entries := self._waiting.pop(tenant_id, None):
            await self._write(tenant_id, entries)

    def _ended(self, tenant_id: UUID) -> None:
        writer = self._writers.pop(tenant_id)
        if writer.cancelled():
            for entry in self._waiting.pop(tenant_id, ()):
                entry.written.cancel()
        elif tenant_id in self._waiting:  # Begun after it had looked for the last time.
            self._begin(tenant_id)

    async def _write(self, tenant_id: UUID, entries: Sequence[_Entry], tries: int = 0) -> None:
        try:
            await self._store(tenant_id, entries)
        except asyncio.CancelledError:
            for entry in entries:
                entry.written.cancel()
            raise
        except Unavailable as error:
            await self._try_again(tenant_id, entries, error, tries)
        except Exception as error:  # Handed to whoever waits for the entry.
            if len(entries) == 1:
                self._failed(entries, error)
                return
            # One bad record must not take the others down with it.
            for entry in entries:
                await self._write(tenant_id, [entry])
        else:
            for entry in entries:
                if not entry.written.done():
                    entry.written.set_result(None)

    async def _store(self, tenant_id: UUID, entries: Sequence[_Entry]) -> None:
        alerts: list[Alert] = []
        async with self._resources.db.hot(tenant_id) as tx:
            await record_llm_calls(tx, [entry.call for entry in entries])
            new: frozenset[str] = frozenset()
            if used := [entry.usage for entry in entries if entry.usage is not None]:
                new = await record_usage(tx, *used)
            # Last: other calls wait for the budgets' rows.
            if due := [entry.settlement for entry in entries if entry.settlement is not None]:
                alerts = await settle(tx, due, new)
        for alert in alerts:
            metric = self._resources.metrics.budget_alerts
            metric.labels(alert.scope, str(alert.percent)).inc()

    async def _try_again(
        self, tenant_id: UUID, entries: Sequence[_Entry], error: Unavailable, tries: int
    ) -> None:
        """What was paid for is not forgotten because the database is busy or away for a moment."""
        if tries == len(RETRY_PAUSES_SECONDS):
            self._failed(entries, error)
            return
        log.warning("llm_call_waits", calls=len(entries), error=str(error), tries=tries + 1)
        await asyncio.sleep(RETRY_PAUSES_SECONDS[tries])
        await self._write(tenant_id, entries, tries + 1)

    def _failed(self, entries: Sequence[_Entry], error: Exception) -> None:
        log.error("llm_call_not_recorded", calls=len(entries), error=type(error).__name__)
        for entry in entries:
            if not entry.written.done():
                entry.written.set_exception(error)


def _seen(written: asyncio.Future[None]) -> None:
    if not written.cancelled():
        written.exception()
