"""Snapshots of rows that every message needs and that seldom change, kept close to their use.

A snapshot is looked for in this process, then in Redis, then read from Postgres. Whoever changes
the rows calls `forget_after_commit`: the copy in Redis goes and every process drops its own, so a
change is seen everywhere within two seconds, whatever is down; within a minute, if the process that
made it died, or alone could not reach Redis, before it had told the others. Keys begin with the
tenant's id and carry the version of what is stored under them: a new release does not read an old
one's copies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import structlog

from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.patience import Patience
from frontdesk.core.redis import REDIS_DOWN, listen
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

CHANNEL = "frontdesk:cache"
# Holds a new value after each change, by which who listens finds out whether it missed one.
LAST_CHANGE = "frontdesk:cache:last"
# In Redis, and from then on in a process.
KEPT_SECONDS = 30
# How old a copy may be while nobody can tell us that it has changed.
UNHEARD_SECONDS = 1.5
# A changed key refuses new copies for so long: a read from before the commit may still be on its
# way, and it must not put the old rows back.
CLOSED_SECONDS = 5
_CLOSED = b"-"
REDIS_PATIENCE_SECONDS = 0.3
_MOST_KEPT = 20_000

T = TypeVar("T")


class Changes:
    """What has changed in other processes, heard on one subscription per process.

    `generation` grows with each change and whenever one may have been missed: when Redis is lost or
    found again, or when it tells, on a quiet channel, of a change since that was last asked. Copies
    of an older generation are checked in Redis.
    """

    def __init__(self, resources: Resources) -> None:
        self._redis = resources.redis
        self._kept: list[dict[str, _Kept[object]]] = []
        self._listener: asyncio.Task[None] | None = None
        self._untold: dict[str, float] = {}
        self._teller: asyncio.Task[None] | None = None
        self._last_change: bytes | None = None
        self.generation = 0
        self.heard_at = 0.0

    def watch(self, kept: "dict[str, _Kept[object]]") -> None:
        """Drop from this dictionary what turns out to have changed."""
        self._kept.append(kept)

    def start(self) -> None:
        """Begin to listen, unless that is so already."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def stop(self) -> None:
        """Tell what is untold if that takes no more than a second, and listen no longer."""
        if self._teller is not None:
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._teller, 1)
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    def tell(self, key: str) -> None:
        """Drop a key here, and everywhere else as soon as Redis can be reached."""
        self._drop(key)
        # After this the copies have run out by themselves.
        self._untold[key] = time.monotonic() + 2 * KEPT_SECONDS
        if self._teller is None or self._teller.done():
            self._teller = asyncio.get_running_loop().create_task(self._tell_all())

    def is_untold(self, key: str) -> bool:
        """Whether it has changed here, and no other process may know yet."""
        return key in self._untold

    def _drop(self, key: str) -> None:
        self.generation += 1
        for kept in self._kept:
            kept.pop(key, None)

    async def _tell_all(self) -> None:
        while self._untold:
            batch = dict(self._untold)
            try:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for key in batch:
                        pipeline.set(key, _CLOSED, ex=CLOSED_SECONDS)
                        pipeline.set(LAST_CHANGE, ids.new().bytes)
                        pipeline.publish(CHANNEL, key)
                    await pipeline.execute()
                for key, until in batch.items():
                    # Else it has changed again meanwhile.
                    if self._untold.get(key) == until:
                        del self._untold[key]
            except REDIS_DOWN as error:
                log.warning("cache_untold", keys=len(self._untold), error=type(error).__name__)
                await asyncio.sleep(1)
                now = time.monotonic()
                self._untold = {key: until for key, until in self._untold.items() if until > now}

    async def _listen(self) -> None:
        async for message in listen(self._redis, CHANNEL, idle_seconds=1):
            if message:
                self._drop(message.decode())
            elif message == b"" or await self._missed_a_change():
                self.generation += 1
            self.heard_at = time.monotonic()

    async def _missed_a_change(self) -> bool:
        """Whether there may have been one since this was last asked: one read for all copies."""
        try:
            last_change = await self._redis.get(LAST_CHANGE)
        except REDIS_DOWN:
            return True
        before, self._last_change = self._last_change, last_change
        return bool(before != last_change)


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    at: float
    generation: int


class SnapshotCache(Generic[T]):
    """Copies of one kind of snapshot.

    Args:
        kind: what is stored, with the version of its form, e.g. `agent:v1`.
        encode: the snapshot as bytes for Redis.
        decode: the snapshot again; a `ValueError` counts as not found.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        kind: str,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
    ) -> None:
        self._redis = resources.redis
        self._kind = kind
        self._encode = encode
        self._decode = decode
        self._kept: dict[str, _Kept[T]] = {}
        self._loading: dict[str, asyncio.Task[T]] = {}
        self._patience = Patience(REDIS_PATIENCE_SECONDS)
        self._changes = resources.keep(Changes)
        self._changes.watch(self._kept)  # type: ignore[arg-type]  # It only removes entries.

    async def get(self, tenant_id: UUID, name: str, load: Callable[[], Awaitable[T]]) -> T:
        """The snapshot under this name; `load` reads it from Postgres when no copy is good.

        Raises:
            Whatever `load` raises; a failure is not kept.
        """
        key = self._key(tenant_id, name)
        kept = self._kept.get(key)
        if kept is not None and self._is_fresh(kept):
            return kept.value
        self._changes.start()
        task = self._loading.get(key)
        if task is None:
            # One read for all who ask at the same moment.
            task = asyncio.get_running_loop().create_task(self._fetch(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    def forget_after_commit(self, tx: Transaction, name: str) -> None:
        """Once this transaction has committed, let no process use its copy any longer."""
        tx.after_commit(lambda: self._forget(self._key(tx.tenant_id, name)))

    def _loaded(self, key: str, task: "asyncio.Task[T]") -> None:
        if self._loading.get(key) is task:
            del self._loading[key]

    def _forget(self, key: str) -> None:
        # Who asks from now on must not be given what a read from before the commit will find.
        self._loading.pop(key, None)
        self._changes.tell(key)

    def _key(self, tenant_id: UUID, name: str) -> str:
        return f"{tenant_id}:{self._kind}:{name}"

    def _is_fresh(self, kept: _Kept[T]) -> bool:
        if kept.generation != self._changes.generation:
            return False
        now = time.monotonic()
        is_heard = now - self._changes.heard_at <= UNHEARD_SECONDS
        return now - kept.at < (KEPT_SECONDS if is_heard else UNHEARD_SECONDS)

    async def _fetch(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        started, generation = time.monotonic(), self._changes.generation
        found: bytes | None = _CLOSED
        # The copy in Redis stands until others are told.
        if not self._changes.is_untold(key):
            found = await self._patience.ask(lambda: self._redis.get(key))
        if found is not None and found != _CLOSED:
            with suppress(ValueError):
                return self._keep(key, self._decode(found), started, generation)
        value = await load()
        if found is None:
            data = self._encode(value)
            await self._patience.ask(lambda: self._redis.set(key, data, ex=KEPT_SECONDS, nx=True))
        return self._keep(key, value, started, generation)

    def _keep(self, key: str, value: T, started: float, generation: int) -> T:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        # With the generation from before the read: what changed since makes the copy stale.
        self._kept[key] = _Kept(value, started, generation)
        return value
