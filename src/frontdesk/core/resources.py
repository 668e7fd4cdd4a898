"""What a process holds open: made once in its lifespan, passed to everything that needs it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from arq import ArqRedis

from frontdesk.core import redis as redis_client
from frontdesk.core.connections import allow_many_connections
from frontdesk.core.crypto import Sealer
from frontdesk.core.db import Database
from frontdesk.core.events import Subscriptions
from frontdesk.core.http import HttpClient
from frontdesk.core.limits import RateLimiter
from frontdesk.core.metrics import Metrics
from frontdesk.core.pool_gauges import PoolGauges
from frontdesk.core.settings import Settings
from frontdesk.core.work import RedisBell

T = TypeVar("T")


@dataclass(frozen=True)
class Resources:
    """The open connections and settings of one process."""

    settings: Settings
    db: Database
    redis: ArqRedis
    http: HttpClient
    sealer: Sealer
    limiter: RateLimiter
    metrics: Metrics
    # One object per context that keeps something for the life of the process (caches, pacers, a
    # hub), made by the context itself on first use, under its own type.
    _kept: dict[Any, Any] = field(default_factory=dict)

    def keep(self, kind: Callable[["Resources"], T]) -> T:
        """The one `kind` of this process: made from these resources when first asked for."""
        if kind not in self._kept:
            self._kept[kind] = kind(self)
        kept: T = self._kept[kind]
        return kept

    async def stop_kept(self) -> None:
        """Stop those kept that run something in the background: the ones with a `stop`."""
        for kept in self._kept.values():
            if (stop := getattr(kept, "stop", None)) is not None:
                await stop()


@asynccontextmanager
async def open_resources(
    settings: Settings, subscriptions: Subscriptions
) -> AsyncIterator[Resources]:
    """Open everything a process needs and close it at the end; nothing is contacted yet."""
    allow_many_connections()
    db = Database(settings.database, subscriptions)
    await db.open()
    redis = redis_client.connect(settings.redis)
    bell = RedisBell(redis)
    db.bell = bell
    http = HttpClient(allow_loopback=settings.fetch.allow_loopback)
    resources = Resources(
        settings=settings,
        db=db,
        redis=redis,
        http=http,
        sealer=Sealer(settings.security),
        limiter=RateLimiter(redis),
        metrics=Metrics(),
    )
    PoolGauges(resources.metrics.registry, db)
    try:
        yield resources
    finally:
        await resources.stop_kept()
        await bell.aclose()
        await http.aclose()
        await redis.aclose(close_connection_pool=True)
        await db.close()
