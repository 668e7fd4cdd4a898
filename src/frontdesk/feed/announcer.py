"""Saying through Redis that a tenant has news: a hint for other processes, never the news itself."""

import asyncio
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog

from frontdesk.core.db import Database
from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources
from frontdesk.observability import Drills, Outage

log = structlog.get_logger(__name__)

CHANNEL = "frontdesk:feed"
# Between two batches of a busy process: one hint of a tenant stands for all of that time.
PAUSE_SECONDS = 0.02

_announcers: "WeakKeyDictionary[Database, Announcer]" = WeakKeyDictionary()


class Announcer:
    """Publishes `tenant:seq` from one background task: at once, and then what collapsed meanwhile.

    A hint that is lost costs nothing but time: whoever has streams open also looks by itself.
    """

    def __init__(self, resources: Resources) -> None:
        self._redis = resources.redis
        self._drills = resources.keep(Drills)
        self._waiting: dict[UUID, int] = {}
        self._sender: asyncio.Task[None] | None = None
        _announcers[resources.db] = self

    def announce(self, tenant_id: UUID, seq: int) -> None:
        """Say that the tenant has events up to this number; returns at once and never raises."""
        if self._drills.find(tenant_id, Outage.REDIS):
            return
        self._waiting[tenant_id] = max(seq, self._waiting.get(tenant_id, 0))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for tenant_id, seq in batch.items():
                        pipeline.publish(CHANNEL, f"{tenant_id}:{seq}")
                    await pipeline.execute()
                await asyncio.sleep(PAUSE_SECONDS)
            except REDIS_DOWN as error:
                log.warning("feed_unannounced", tenants=len(batch), error=type(error).__name__)
                # Readers poll meanwhile; trying at every commit would only cost.
                await asyncio.sleep(1)
                self._waiting.clear()


def announce_commits(resources: Resources) -> None:
    """From now on announce the events this process commits. Without it readers find them by poll."""
    resources.keep(Announcer)


def announcer_of(db: Database) -> Announcer | None:
    """The announcer of this process's database, if it was asked for."""
    return _announcers.get(db)
