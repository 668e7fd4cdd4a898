"""The live feed of one process: one Redis subscription and one poll, fanned out to its streams."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from uuid import UUID

import structlog
from sse_starlette.sse import AppStatus

from frontdesk.core.callers import Principal
from frontdesk.core.errors import RateLimited, Unavailable
from frontdesk.core.redis import listen
from frontdesk.core.resources import Resources
from frontdesk.feed.announcer import CHANNEL, announce_commits
from frontdesk.feed.rules import start_at
from frontdesk.feed.stream import Stream
from frontdesk.feed.tail import Tail
from frontdesk.feed.whispers import MARK

log = structlog.get_logger(__name__)

# How long an event can go unnoticed whose announcement was lost.
POLL_SECONDS = 5
# Transactions at once for all tails, so that a crowd can't take the pool from the API.
READS_AT_ONCE = 4
RETRY_AFTER_SECONDS = 30

_COUNTERS = "SELECT tenant_id, n FROM feed_counter WHERE tenant_id = ANY ($1)"


class FeedHub:
    """Who watches which tenant in this process. Start it in the lifespan of a web process."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._tails: dict[UUID, Tail] = {}
        self._loading: dict[UUID, asyncio.Task[Tail]] = {}
        self._users: Counter[tuple[UUID, UUID]] = Counter()
        self._tenants: Counter[UUID] = Counter()
        self._streams: set[Stream] = set()
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        # Set while there are streams: announcements to nobody are not even heard.
        self._watched = asyncio.Event()
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        announce_commits(resources)

    def start(self) -> None:
        """Begin to listen and to poll; does nothing when that is so already."""
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(self._listen()),
                loop.create_task(self._poll()),
                loop.create_task(self._end_at_exit()),
            ]

    async def stop(self) -> None:
        """Stop listening and end the streams that are still open."""
        self._end_streams()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        for tail in self._tails.values():
            tail.close()

    async def open(self, principal: Principal, cursor: str | None) -> Stream:
        """A stream of the principal's tenant that goes on after `cursor`; close it at the end.

        Raises:
            RateLimited: the user or the tenant has as many streams here as settings allow.
            Unavailable: the database can't be reached.
        """
        self.start()
        self._admit(principal)
        try:
            tail = await self._tail(principal.tenant_id)
            # Subscribed first, so that what happens while we look for the cursor is not missed.
            news = asyncio.Event()
            tail.readers.add(news)
        except BaseException:
            self._leave(principal)
            raise
        stream = Stream(self._resources, principal, tail, news, lambda: self._close(stream))
        self._streams.add(stream)
        try:
            extent = await tail.extent()
        except BaseException:
            stream.close()
            raise
        # The tail reads on by itself; a stream never starts ahead of it.
        tail.hear(extent.last)
        stream.begin(start_at(cursor, extent), fresh=cursor is None)
        return stream

    @property
    def streams(self) -> int:
        """Streams open in this process."""
        return self._tenants.total()

    def _admit(self, principal: Principal) -> None:
        limits = self._resources.settings.limits
        if self._users[principal.tenant_id, principal.user_id] >= limits.streams_per_user:
            raise RateLimited(
                f"A user may have {limits.streams_per_user} streams open; close one.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if self._tenants[principal.tenant_id] >= limits.streams_per_tenant:
            raise RateLimited(
                f"A tenant may have {limits.streams_per_tenant} streams open.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._users[principal.tenant_id, principal.user_id] += 1
        self._tenants[principal.tenant_id] += 1
        self._watched.set()
        self._resources.metrics.streams.inc()

    def _leave(self, principal: Principal) -> None:
        tenant_id, user = principal.tenant_id, (principal.tenant_id, principal.user_id)
        self._users[user] -= 1
        self._tenants[tenant_id] -= 1
        if not self._users[user]:
            del self._users[user]
        if not self._tenants[tenant_id]:
            del self._tenants[tenant_id]
            if tail := self._tails.pop(tenant_id, None):
                tail.close()
        if not self._tenants:
            self._watched.clear()
        self._resources.metrics.streams.dec()

    def _close(self, stream: Stream) -> None:
        self._streams.discard(stream)
        stream.tail.readers.discard(stream.news)
        self._leave(stream.principal)

    def _end_streams(self) -> None:
        for stream in list(self._streams):
            stream.end()

    async def _end_at_exit(self) -> None:
        """A stream would hold up the server's shutdown until its patience ends."""
        # The library notices the server's signal; nothing wakes who waits for it.
        while not AppStatus.should_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        self._end_streams()

    async def _tail(self, tenant_id: UUID) -> Tail:
        """The tenant's tail, loaded once for all who ask for it meanwhile."""
        if tail := self._tails.get(tenant_id):
            return tail
        task = self._loading.get(tenant_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(tenant_id))
            self._loading[tenant_id] = task
            task.add_done_callback(lambda _: self._loading.pop(tenant_id, None))
        tail = await asyncio.shield(task)
        # Those who asked first may have left again and taken the tail with them.
        return self._tails.setdefault(tenant_id, tail)

    async def _load(self, tenant_id: UUID) -> Tail:
        lag = self._resources.metrics.feed_lag_seconds
        tail = Tail(self._resources.db, tenant_id, self._reading, lag)
        await tail.load()
        return tail

    async def _listen(self) -> None:
        redis = self._resources.redis
        while True:
            await self._watched.wait()
            async with aclosing(listen(redis, CHANNEL, idle_seconds=POLL_SECONDS)) as messages:
                async for message in messages:
                    if not self._watched.is_set():
                        break
                    self._hear(message)

    def _hear(self, message: bytes | None) -> None:
        if not message:
            # Quiet, or Redis was lost or found again: something may have been missed.
            self._look.set()
            return
        tenant, _, seq = message.decode().partition(":")
        try:
            tail = self._tails.get(UUID(tenant))
            if tail is None:
                return
            if seq.startswith(MARK):
                tail.pass_on(seq.removeprefix(MARK).encode())
            else:
                tail.hear(int(seq))
        except ValueError:
            log.warning("feed_announcement_unreadable")

    async def _poll(self) -> None:
        """Compare the counters of the tenants watched here: one small query for all of them."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._look.wait()
            self._look.clear()
            if not self._tails:
                continue
            try:
                # Numbers only, of all tenants watched: the events are read by tenant, sealed.
                async with self._resources.db.system() as connection:
                    rows = await connection.fetch(_COUNTERS, list(self._tails))
            except Unavailable as error:
                log.warning("feed_poll_waits", error=str(error))
                continue
            except Exception:
                # Without the poll a lost announcement would never be made up for.
                log.exception("feed_poll_failed")
                continue
            for row in rows:
                if tail := self._tails.get(row["tenant_id"]):
                    tail.hear(row["n"])


def hub(resources: Resources) -> FeedHub:
    """The one hub of this process."""
    return resources.keep(FeedHub)
