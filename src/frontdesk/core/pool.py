"""Bare connections, handed on from one unit of work to the next."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from asyncpg.pool import PoolConnectionProxy

# What was idle for longer may have been dropped on the way, by something that told neither end.
IDLE_SECONDS = 300


class Pool:
    """asyncpg's pool, from which connections are taken once and kept while they are in order.

    Giving one back there starts a task, a third of what a short transaction costs this process. So
    only those go back that something went wrong with.

    Args:
        connections: as many as `size`; this is the only one to take any.
        patience_seconds: how long to wait for a connection, and for one in disorder to be let go.
    """

    def __init__(
        self,
        connections: "asyncpg.Pool[asyncpg.Record]",
        *,
        size: int,
        patience_seconds: float,
    ) -> None:
        self._connections = connections
        self._patience_seconds = patience_seconds
        self._places = asyncio.Semaphore(size)
        self._busy = 0
        # Each with since when; the one used last is the first to be used again.
        self._kept: deque[tuple[PoolConnectionProxy[asyncpg.Record], float]] = deque()

    @property
    def busy(self) -> int:
        """Connections in use, or being made for it."""
        return self._busy

    @property
    def idle(self) -> int:
        """Connections open and not in use."""
        return len(self._kept) + self._connections.get_idle_size()

    def terminate(self) -> None:
        """Close all connections, whatever runs on them."""
        self._connections.terminate()

    @asynccontextmanager
    async def one(self) -> "AsyncIterator[PoolConnectionProxy[asyncpg.Record]]":
        """A connection for a while; neither getting it nor giving it back lasts for ever.

        Raises:
            TimeoutError: all are in use.
            OSError, asyncpg.PostgresError: none can be made.
        """
        if self._places.locked():
            # Only then: a timer costs as much as the rest.
            async with asyncio.timeout(self._patience_seconds):
                await self._places.acquire()
        else:
            await self._places.acquire()
        self._busy += 1
        try:
            connection = await self._take()
            try:
                yield connection
            except BaseException:
                # What was being asked is to be cancelled first, by a database that may be frozen.
                await self._connections.release(connection, timeout=self._patience_seconds)
                raise
            if not _is_in_order(connection):
                await self._connections.release(connection, timeout=self._patience_seconds)
                return
            now = time.monotonic()
            # A burst needs more of them than the hours after it.
            while self._kept and now - self._kept[0][1] >= IDLE_SECONDS:
                _close(self._kept.popleft()[0])
            self._kept.append((connection, now))
        finally:
            self._busy -= 1
            self._places.release()

    async def _take(self) -> "PoolConnectionProxy[asyncpg.Record]":
        while self._kept:
            connection, since = self._kept.pop()
            if time.monotonic() - since < IDLE_SECONDS and _is_in_order(connection):
                return connection
            _close(connection)
        return await self._connections.acquire(timeout=self._patience_seconds)


def _is_in_order(connection: "PoolConnectionProxy[asyncpg.Record]") -> bool:
    # What has been closed is no longer asyncpg's, which says so to whoever asks it anything.
    with suppress(asyncpg.InterfaceError):
        return not connection.is_closed() and not connection.is_in_transaction()
    return False


def _close(connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()
