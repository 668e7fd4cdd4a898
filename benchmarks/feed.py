"""The feed rows: one event to thousands of open streams, and what a stream costs that is idle."""

import asyncio
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from benchmarks import floor_feed, meter
from benchmarks.ground import Ground
from benchmarks.processes import Failed, Process
from benchmarks.report import Row
from frontdesk import identity
from frontdesk.core.callers import Role
from frontdesk.core.connections import allow_many_connections
from frontdesk.core.resources import open_resources
from frontdesk.demo.world import free_port
from frontdesk.feed.announcer import CHANNEL
from frontdesk.feed.events import append

EVENTS = 10
# Open before memory is counted: the first streams load code and fill caches.
_WARM_STREAMS = 100
_SETTLE_SECONDS = 1.0
_SPARE_FILES = 200
_EMAIL, _PASSWORD = "admin@benchmark.example", "a-long-benchmark-passphrase"


@dataclass(frozen=True)
class Announcement:
    """What is to be published in Redis for an event to go out."""

    channel: str
    message: str


@dataclass(frozen=True)
class Server:
    """One of the two, just started: where its streams are, and how an event is made for it."""

    process: Process
    url: str
    cookie: str
    make_event: Callable[[str], Announcement]


class Desk:
    """A tenant with an admin, and its events: committed, and left for the load to announce."""

    def __init__(self, ground: Ground) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._resources, self._tenant_id = self._runner.run(self._open(ground))

    async def _open(self, ground: Ground) -> Any:
        resources = await self._stack.enter_async_context(open_resources(ground.settings(), {}))
        async with resources.db.system_transaction() as tx:
            tenant = await identity.create_tenant(tx, "Watched shop", "benchmark-watched")
            admin = await identity.create_user(tx, _EMAIL, "Admin", _PASSWORD)
            await identity.add_member(tx, tenant.id, admin, Role.ADMIN)
        return resources, tenant.id

    def make_event(self, marker: str) -> Announcement:
        """Commit an event; what Frontdesk would say in Redis now."""

        async def commit() -> int:
            async with self._resources.db.hot(self._tenant_id) as tx:
                append(tx, "conversation.changed", _payload(marker))
            async with self._resources.db.hot(self._tenant_id) as tx:
                seq: int = await tx.sql.fetchval("SELECT n FROM feed_counter")
            return seq

        return Announcement(CHANNEL, f"{self._tenant_id}:{self._runner.run(commit())}")

    def close(self) -> None:
        """Close its connections."""
        self._runner.run(self._stack.aclose())
        self._runner.close()


def measure(
    ground: Ground, *, rounds: int, crowds: Sequence[int], tell: Callable[[str], None]
) -> list[Row]:
    """Both in turn, each in a fresh process, and the rows that come of it.

    Args:
        crowds: how many streams are open when events are made, rising.
    """
    crowds = _possible(crowds, tell)
    desk = Desk(ground)
    ours: dict[str, list[float]] = defaultdict(list)
    theirs: dict[str, list[float]] = defaultdict(list)

    def keep(samples: dict[str, list[float]], server: Server) -> None:
        for name, value in _take_turn(ground, server, crowds).items():
            samples[name].append(value)

    for number in range(rounds):
        keep(ours, _start_product(ground, desk))
        keep(theirs, _start_floor(ground))
        tell(f"feed: round {number + 1} of {rounds}")
    desk.close()
    rows = [
        Row(
            f"feed p99, one event to {streams:,} streams", "ms",
            ours[f"p99 {streams}"], theirs[f"p99 {streams}"], must=1.5, aim=1,
        )
        for streams in crowds
    ]  # fmt: skip
    memory = ours["memory"], theirs["memory"]
    return [*rows, Row("memory per idle stream", "KiB", *memory, must=1.3, aim=0.5)]


def _possible(crowds: Sequence[int], tell: Callable[[str], None]) -> list[int]:
    """Those for which a process may have enough files open; children inherit the limit."""
    allow_many_connections()
    hard, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = [
        streams
        for streams in crowds
        if hard == resource.RLIM_INFINITY or streams + _SPARE_FILES <= hard
    ]
    if not possible:
        raise Failed(f"The feed rows need more than the {hard} files a process may open here.")
    if len(possible) < len(crowds):
        tell(f"feed: a process may open {hard} files, so no more than {max(possible)} streams")
    return possible


def _start_product(ground: Ground, desk: Desk) -> Server:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = ground.product_variables(
        WEB__PORT=str(port),
        WEB__PUBLIC_URL=url,
        WEB__INSECURE_COOKIES="true",
        WEB__MAX_CONNECTIONS="20000",
        # All streams are one user's.
        LIMITS__STREAMS_PER_USER="20000",
        LIMITS__STREAMS_PER_TENANT="20000",
        LIMITS__REQUESTS_PER_MINUTE="1000000",
        LIMITS__TENANT_REQUESTS_PER_MINUTE="1000000",
    )
    web = ground.serve("feed-web", "frontdesk", "web", port=port, variables=variables)
    signed_in = httpx.post(
        f"{url}/api/v1/auth/sign-in",
        json={"email": _EMAIL, "password": _PASSWORD},
        headers={"Origin": url},
        trust_env=False,
    ).raise_for_status()
    cookie = "; ".join(f"{name}={value}" for name, value in signed_in.cookies.items())
    return Server(web, f"{url}/api/v1/feed", cookie, desk.make_event)


def _start_floor(ground: Ground) -> Server:
    port = free_port()
    floor = ground.serve(
        "feed-floor",
        "benchmarks.floor_feed",
        port=port,
        variables={"FLOOR_PORT": str(port), "FLOOR_REDIS": ground.redis.url},
    )

    def make_event(marker: str) -> Announcement:
        return Announcement(floor_feed.CHANNEL, orjson.dumps(_payload(marker)).decode())

    return Server(floor, f"http://127.0.0.1:{port}/feed", "who=nobody", make_event)


def _payload(marker: str) -> dict[str, str]:
    return {"conversation_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001", "marker": marker}


def _take_turn(ground: Ground, server: Server, crowds: Sequence[int]) -> dict[str, float]:
    watch = ground.start("watch", "benchmarks.watch")
    made = 0

    def open_streams(streams: int) -> None:
        watch.ask(do="open", url=server.url, cookie=server.cookie, streams=streams)

    def p99_ms() -> float:
        nonlocal made
        made += 1
        marker = f"marker-{made}."
        event = server.make_event(marker)
        told = watch.ask(
            do="tell",
            redis_url=ground.redis.url,
            channel=event.channel,
            message=event.message,
            marker=marker,
        )
        return meter.percentile(told["took"], 0.99) * 1000

    open_streams(_WARM_STREAMS)
    p99_ms()
    seen = {}
    before = meter.resident_kib(server.process.pid)
    for streams in crowds:
        open_streams(streams)
        time.sleep(_SETTLE_SECONDS)
        if "memory" not in seen:
            grown = meter.resident_kib(server.process.pid) - before
            seen["memory"] = grown / (streams - _WARM_STREAMS)
        p99_ms()  # Not counted: the first event to new streams.
        seen[f"p99 {streams}"] = meter.median(p99_ms() for _ in range(EVENTS))
    ground.end(watch)
    ground.end(server.process)
    return seen
