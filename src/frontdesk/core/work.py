"""Due work: a row with a due time is the job; arq and Redis are only the bell.

A context declares each kind of row once, as a `Due`. Whoever makes a row due calls
`tx.ring(kind, id)`; after the commit the bell wakes a worker, which handles the row if it can
claim it. What was never rung, the sweep finds in Postgres: every worker looks there each second,
so Redis may be down, emptied or frozen and work only gets slower. There is no other job mechanism.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import structlog
from arq import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import deserialize_job_raw, serialize_job
from arq.utils import timestamp_ms
from arq.worker import Worker as ArqWorker
from arq.worker import func

from frontdesk.core.db import Connection
from frontdesk.core.errors import Unavailable
from frontdesk.core.fairness import Room, patience_seconds, take_turns
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.redis import REDIS_DOWN, listen
from frontdesk.core.tracing import apart, root_span

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

T = TypeVar("T")

QUEUE = "frontdesk:bell"
CHANNEL = "frontdesk:bell:wake"
JOB = "ring"
# A ring is worthless once the sweep has come by; arq would keep it for a day.
RING_LIFETIME_SECONDS = 60
# Rings for one row collapse while the last ones are being sent; between batches a busy process
# waits this long, since one ring wakes a worker that empties the table.
RING_PAUSE_SECONDS = 0.02
# A place that becomes free is filled by the next sweep, which waits so long for more of them.
HUNGRY_PAUSE_SECONDS = 0.05
# Between two beginnings of those that wait for their turn.
TURN_SECONDS = 0.01
# Two transactions that got into each other's way: one of them is tried again, a little later.
CLASHES = 3
CLASH_PAUSE_SECONDS = (0.02, 0.2)


async def despite_clashes(act: Callable[[], Awaitable[T]]) -> T:
    """Do something, and again when Postgres ended it for the sake of another transaction.

    A deadlock or a serialization failure says nothing against the work, and all of its transaction
    is undone; so `Unavailable` with no time to wait is tried again at once, three times at most.
    """
    for clash in range(1, CLASHES):
        try:
            return await act()
        except Unavailable as error:
            if error.retry_after_seconds > 0:
                raise
            log.info("work_clashed", clash=clash)
        await asyncio.sleep(random.uniform(*CLASH_PAUSE_SECONDS))  # noqa: S311  # No secret.
    return await act()


@dataclass(frozen=True)
class Due:
    """One kind of row that becomes due.

    `list_ids(connection, limit)` gives up to `limit` due rows as (tenant id, row id), fairly over
    tenants, from a connection that sees all of them. `handle(resources, tenant_id, row_id)` claims
    the row and does the work; it must be safe to run twice and do nothing when the row is not due.
    Of `at_once` rows in a process, `tenant_at_once` may be one tenant's: half of them by default.
    `carries_trace`: its rows say which trace they belong to, and `handle` makes their spans.
    """

    kind: str
    list_ids: Callable[[Connection, int], Awaitable[Sequence[tuple[UUID, UUID]]]]
    handle: Callable[["Resources", UUID, UUID], Awaitable[None]]
    at_once: int
    sweep_seconds: float = 1
    tenant_at_once: int | None = None
    carries_trace: bool = False

    def room(self) -> Room:
        """The room for such rows in one process, still empty."""
        return Room(self.at_once, self.tenant_at_once or max(1, self.at_once // 2))


Key = tuple[str, UUID, UUID]


class RedisBell:
    """Rings workers through arq. Rings are sent by one background task, never by the caller."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        # Of which tenants no ring is sent: a drill, which the sweep makes up for.
        self.is_mute_for: Callable[[UUID], bool] = lambda _: False
        self._waiting: dict[Key, float] = {}
        self._sender: asyncio.Task[None] | None = None

    def ring(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float = 0) -> None:
        """Queue a ring for this row; rings for a row already queued collapse into one."""
        if self.is_mute_for(tenant_id):
            return
        self._waiting.setdefault((kind, tenant_id, row_id), after_seconds)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send_all())

    async def aclose(self) -> None:
        """Send what is queued if that takes no more than a second."""
        if self._sender is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._sender), 1)

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                await self._send(take_turns(batch.items(), lambda ring: ring[0][1]))
                await asyncio.sleep(RING_PAUSE_SECONDS)
            except REDIS_DOWN as error:
                log.warning("bell_unheard", rings=len(batch), error=type(error).__name__)
                # The sweep does the work meanwhile; trying at every ring would only cost.
                await asyncio.sleep(1)
                self._waiting.clear()

    async def _send(self, rings: Iterable[tuple[Key, float]]) -> None:
        """Do for all of them at once what arq's `enqueue_job` takes four round trips for, each.

        It makes sure that an id is not there yet; these are random.
        """
        now_ms = timestamp_ms()
        async with self._redis.pipeline(transaction=False) as pipe:
            for (kind, tenant_id, row_id), after_seconds in rings:
                ring = (kind, str(tenant_id), str(row_id))
                job = serialize_job(JOB, ring, {}, None, now_ms, serializer=dumps_bytes)
                job_id, after_ms = uuid4().hex, round(after_seconds * 1000)
                pipe.psetex(job_key_prefix + job_id, RING_LIFETIME_SECONDS * 1000 + after_ms, job)
                pipe.zadd(QUEUE, {job_id: now_ms + after_ms})
            pipe.publish(CHANNEL, b"")
            await pipe.execute()


class Dispatcher:
    """Runs due work in this process: so many rows of a kind at once, each row once at a time.

    Tenants take turns. A row that finds no place waits for one here; Postgres has it all the same.
    """

    def __init__(self, resources: "Resources", kinds: Sequence[Due]) -> None:
        self._resources = resources
        self.kinds = {due.kind: due for due in kinds}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._rung_again: set[Key] = set()
        self._hungry: dict[str, asyncio.Event] = {due.kind: asyncio.Event() for due in kinds}
        self._timers: set[asyncio.TimerHandle] = set()
        self._usher: asyncio.Task[None] | None = None
        self._rooms = {due.kind: due.room() for due in kinds}
        # Kinds of which the last sweep filled every place and could not even look at all rows.
        self._crowded: set[str] = set()
        self._open = True
        self._draining = False

    def start(self, kind: str, tenant_id: UUID, row_id: UUID, *, goes_on: bool = False) -> bool:
        """Begin handling a row; False when it has to wait for a place, here or in another process.

        While the process drains it only takes what goes on from work in hand (the reply to a burst
        that was being answered).
        """
        key = (kind, tenant_id, row_id)
        due = self.kinds.get(kind)
        if due is None or not self._open or (self._draining and not goes_on):
            return False
        if key in self._running:
            self._rung_again.add(key)
            return True
        room = self._rooms[kind]
        if not room.has_place_for(tenant_id):
            room.wait(tenant_id, row_id)
            return False
        if self._draining or not room.is_crowd(tenant_id):
            self._begin(due, key)
        else:
            room.wait(tenant_id, row_id)
            self._call_in()
        return True

    def start_later(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float) -> None:
        """Begin handling a row after a while, unless the process is draining by then."""
        loop = asyncio.get_running_loop()

        def due_now() -> None:
            self._timers.discard(handle)
            self.start(kind, tenant_id, row_id)

        handle = loop.call_later(after_seconds, due_now)
        self._timers.add(handle)

    async def sweep(self, kind: str) -> int:
        """Take what Postgres says is due, as far as there is room; the number taken."""
        due, room = self.kinds[kind], self._rooms[kind]
        async with self._resources.db.system() as connection:
            rows = await due.list_ids(connection, due.at_once)
        started = 0
        for tenant_id, row_id in room.in_turn(rows):
            # A tenant with its share in hand is left to the next sweep, in whichever process.
            wanted = room.is_full or room.has_place_for(tenant_id)
            if wanted and (kind, tenant_id, row_id) not in self._running:
                started += self.start(kind, tenant_id, row_id)
        if room.is_full and len(rows) == due.at_once:
            self._crowded.add(kind)
        else:
            self._crowded.discard(kind)
        return started

    async def sweep_for_ever(self, kind: str, pause_seconds: float) -> None:
        """Sweep one kind at its pace, sooner when a crowded house has a place again."""
        hungry = self._hungry[kind]
        while True:
            hungry.clear()
            try:
                await self.sweep(kind)
            except Unavailable as error:
                log.warning("sweep_waits", kind=kind, error=str(error))
            except Exception:
                log.exception("sweep_failed", kind=kind)
            await asyncio.sleep(HUNGRY_PAUSE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    hungry.wait(), max(pause_seconds, self.kinds[kind].sweep_seconds)
                )

    @property
    def busy(self) -> int:
        """Rows being handled now."""
        return len(self._running)

    async def idle(self, *, within_seconds: float = 0.6) -> None:
        """Wait until nothing is being handled, and nothing will be within so many seconds."""
        while self._running or self._is_soon(within_seconds):
            if self._running:
                await asyncio.wait(list(self._running.values()))
            else:
                await asyncio.sleep(0.005)

    def _is_soon(self, seconds: float) -> bool:
        if self._usher is not None and not self._usher.done():
            return True
        soon = asyncio.get_running_loop().time() + seconds
        return any(timer.when() < soon for timer in self._timers)

    async def drain(self, seconds: float) -> None:
        """Take nothing new, let work in hand end for so long, cancel the rest. Rows keep it all."""
        self._draining = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._usher is not None:
            self._usher.cancel()
        until = asyncio.get_running_loop().time() + seconds
        while self._running and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(list(self._running.values()), timeout=left)
        self._open = False
        late = list(self._running.values())
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=2)
            log.warning("drain_cut_work_short", rows=len(late))

    async def _run(self, due: Due, key: Key) -> None:
        _, tenant_id, row_id = key
        try:
            while True:
                self._rung_again.discard(key)
                await self._handle(due, tenant_id, row_id)
                if key not in self._rung_again or self._draining:
                    return
        finally:
            self._running.pop(key, None)
            self._resources.metrics.rows_in_hand.labels(due.kind).dec()
            self._rung_again.discard(key)
            room = self._rooms[due.kind]
            room.leave(tenant_id)
            if not self._draining:
                if room.somebody_waits:
                    self._call_in()
                if due.kind in self._crowded:
                    self._hungry[due.kind].set()

    def _begin(self, due: Due, key: Key) -> None:
        if key in self._running:  # It was rung again while it waited.
            return
        loop = asyncio.get_running_loop()
        self._rooms[due.kind].enter(key[1], loop.time())
        self._running[key] = loop.create_task(self._run(due, key), name=due.kind)
        self._resources.metrics.rows_in_hand.labels(due.kind).inc()

    def _call_in(self) -> None:
        """See to it that those who wait are begun in turn."""
        if self._usher is None or self._usher.done():
            self._usher = asyncio.get_running_loop().create_task(self._call_in_turn())

    async def _call_in_turn(self) -> None:
        clock = asyncio.get_running_loop().time
        called = True
        while called:
            asleep_at = clock()
            await asyncio.sleep(TURN_SECONDS)
            late_seconds = clock() - asleep_at - TURN_SECONDS
            if any(r.somebody_waits and r.is_shared(clock()) for r in self._rooms.values()):
                await asyncio.sleep(patience_seconds(late_seconds))
            called = False
            for kind, room in self._rooms.items():
                if waiting := room.next_waiting():
                    self._begin(self.kinds[kind], (kind, *waiting))
                    called = True

    async def _handle(self, due: Due, tenant_id: UUID, row_id: UUID) -> None:
        """Handle one row; whatever goes wrong is logged, and the row comes due again by its lease."""
        started = time.perf_counter()
        with contextlib.ExitStack() as stack:
            stack.enter_context(
                structlog.contextvars.bound_contextvars(
                    work=due.kind, tenant_id=str(tenant_id), row_id=str(row_id)
                )
            )
            try:
                # The task may have been started from within another row's span.
                with apart() if due.carries_trace else root_span(f"work {due.kind}"):
                    await despite_clashes(lambda: due.handle(self._resources, tenant_id, row_id))
                outcome = "done"
            except Unavailable as error:
                outcome = "put_off"
                log.warning("work_put_off", error=str(error))
            except Exception:
                outcome = "failed"
                log.exception("work_failed")
            seconds = time.perf_counter() - started
            # What carries a trace says by itself what was done; it is most of the rows.
            if outcome != "done" or not due.carries_trace:
                log.info("work", outcome=outcome, seconds=round(seconds, 4))
        self._resources.metrics.work.labels(due.kind, outcome).inc()
        self._resources.metrics.work_seconds.labels(due.kind).observe(seconds)


class WorkerBell:
    """A worker's own bell: goes on with the next row itself while it has room, else rings others."""

    def __init__(self, dispatcher: Dispatcher, others: RedisBell) -> None:
        self._dispatcher = dispatcher
        self._others = others

    def ring(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float = 0) -> None:
        """Start the row here, at once or by a local timer; over capacity, tell the other workers."""
        if after_seconds > 0:
            self._dispatcher.start_later(kind, tenant_id, row_id, after_seconds)
        elif not self._dispatcher.start(kind, tenant_id, row_id, goes_on=True):
            self._others.ring(kind, tenant_id, row_id)


async def ring_job(ctx: dict[str, Any], kind: str, tenant_id: str, row_id: str) -> None:
    """The only arq job: look at this row now. Over capacity it does nothing and costs nothing."""
    dispatcher: Dispatcher = ctx["dispatcher"]
    dispatcher.start(kind, UUID(tenant_id), UUID(row_id))


def arq_options() -> dict[str, Any]:
    """How arq is run, as its worker takes it: a doorbell whose jobs end at once and never retry."""
    return {
        "functions": [func(ring_job, name=JOB)],
        "queue_name": QUEUE,
        # As `core.redis.connect` writes them; arq's own form is pickle, which runs what it reads.
        "job_serializer": dumps_bytes,
        "job_deserializer": loads,
        "max_jobs": 500,
        "queue_read_limit": 2_000,
        "job_timeout": 30,
        "keep_result": 0,
        "max_tries": 1,
        "retry_jobs": False,
        "log_results": False,
        "health_check_interval": 3600,
    }


# KEYS: the queue; ARGV: now in milliseconds, how many rings at most, how keys of jobs begin. Who is
# given a ring has it alone. Answers the jobs that are due, and when the next one will be.
_TAKE_RINGS = """
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local jobs = {}
for _, id in ipairs(ids) do
  jobs[#jobs + 1] = redis.call('GET', ARGV[3] .. id) or nil
  redis.call('DEL', ARGV[3] .. id)
end
if #ids > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #ids - 1) end
return {jobs, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]}
"""


class BellWorker(ArqWorker):
    """arq's worker with its poll woken by pub/sub: a ring is heard in a millisecond or two.

    A deferred ring is not announced when it comes due, so the poll also wakes for the next one. A
    poll is one round trip, where arq takes three and seven for each ring, for jobs that run long,
    are tried again or have a result. Of a ring that is lost on the way the sweep knows.
    """

    def __init__(self, redis: ArqRedis, dispatcher: Dispatcher) -> None:
        super().__init__(
            **arq_options(),
            redis_pool=redis,
            handle_signals=False,
            poll_delay=1,
            ctx={"dispatcher": dispatcher},
        )
        self._take_rings = redis.register_script(_TAKE_RINGS)
        self._woken = asyncio.Event()

    async def main(self) -> None:
        """Poll, then wait for the bell, the next deferred ring, or a second."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                self._woken.clear()
                pause_seconds = await self._poll()
                await self.heart_beat()
                # Not wait_for: before Python 3.12 it forgets a cancellation that comes together
                # with the ring, and the worker would listen for ever after SIGTERM.
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_seconds):
                        await self._woken.wait()
        finally:
            listener.cancel()

    async def _poll(self) -> float:
        """Start what was rung; how long until it is worth to look again."""
        jobs, *first = await self._take_rings(
            (QUEUE,), (timestamp_ms(), self.queue_read_limit, job_key_prefix)
        )
        for job in jobs:
            _, ring, *_ = deserialize_job_raw(job, deserializer=loads)
            await ring_job(self.ctx, *ring)
        if not first:
            return self.poll_delay_s
        return min(self.poll_delay_s, max(0.005, float(first[0]) / 1000 - time.time()))

    async def _listen(self) -> None:
        async for _ in listen(self.pool, CHANNEL):
            self._woken.set()


async def hear_for_ever(redis: ArqRedis, dispatcher: Dispatcher) -> None:
    """Run arq's worker, and again a second after Redis has taken it down."""
    while True:
        worker = BellWorker(redis, dispatcher)
        try:
            await worker.async_run()
        except REDIS_DOWN as error:
            log.warning("bell_down", error=type(error).__name__)
        except Exception:
            # Without the bell the sweep does the work; without this loop it would stay so.
            log.exception("bell_failed")
        finally:
            for task in worker.tasks.values():
                task.cancel()
        await asyncio.sleep(1)
