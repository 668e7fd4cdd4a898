"""Redis and Postgres: killed, frozen, emptied, full, out of connections, in each other's way."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg
from redis.asyncio import Redis

from faults.disk import full_disk
from faults.scenario import Broken, Scenario
from faults.site import Site

Fault = Callable[[Site], AbstractAsyncContextManager[None]]
_FAULT_SECONDS = 4.0


def _beset_by(fault: Fault, *, takes_webhooks: bool = True) -> Callable[[Site], Awaitable[None]]:
    """Contacts write before, during and after a fault of four seconds."""

    async def play(site: Site) -> None:
        writing = asyncio.create_task(site.chat(over_seconds=_FAULT_SECONDS + 2))
        await asyncio.sleep(1)
        async with fault(site):
            await asyncio.sleep(_FAULT_SECONDS)
        await writing
        if takes_webhooks and (refused := site.refused_webhooks()):
            raise Broken(f"{refused} webhooks were not answered 200")
        if not takes_webhooks:
            await site.drain()
            if not site.refused_webhooks():
                raise Broken("every webhook was taken: nothing was broken")

    return play


# Redis


@asynccontextmanager
async def _redis_killed(site: Site) -> AsyncIterator[None]:
    await asyncio.to_thread(site.ground.redis.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(site.ground.redis.start)


@asynccontextmanager
async def _redis_frozen(site: Site) -> AsyncIterator[None]:
    os.kill(site.ground.redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(site.ground.redis.pid, signal.SIGCONT)


@asynccontextmanager
async def _redis_emptied(site: Site) -> AsyncIterator[None]:
    """What the product keeps there is gone again and again."""
    lost = 0

    async def empty(redis: Redis) -> None:
        nonlocal lost
        while True:
            lost += await redis.dbsize()
            await redis.flushall()
            await asyncio.sleep(0.2)

    async with Redis.from_url(site.ground.redis.url) as redis:
        emptying = asyncio.create_task(empty(redis))
        try:
            yield
        finally:
            emptying.cancel()
            with suppress(asyncio.CancelledError):
                await emptying
    if not lost:
        raise Broken("Redis held nothing that could get lost")


def _redis_refusing(error: str, during: tuple[Any, ...], after: tuple[Any, ...]) -> Fault:
    """Redis refuses with such an error what the product writes."""

    @asynccontextmanager
    async def fault(site: Site) -> AsyncIterator[None]:
        async with Redis.from_url(site.ground.redis.url) as redis:
            before = await _refusals(redis, error)
            await redis.execute_command(*during)
            try:
                yield
                refused = await _refusals(redis, error) - before
            finally:
                await redis.execute_command(*after)
        if not refused:
            raise Broken(f"Redis refused nothing with {error}")

    return fault


async def _refusals(redis: Redis, error: str) -> int:
    """How many commands have been refused so."""
    found = (await redis.info("errorstats")).get(f"errorstat_{error}", {"count": 0})
    return int(found["count"])


async def _redis_away_at_start(site: Site) -> None:
    """Web and workers start while there is no Redis, which comes later."""
    await site.end()
    async with _redis_killed(site):
        await site.open()
        await site.chat()
        await site.drain()
    if refused := site.refused_webhooks():
        raise Broken(f"{refused} webhooks were not answered 200")
    await site.chat(contacts=3, bursts=1)


# Postgres


@asynccontextmanager
async def _postgres_killed(site: Site) -> AsyncIterator[None]:
    pid = site.ground.postgres.pid
    os.kill(pid, signal.SIGQUIT)  # "Immediate": no checkpoint, no goodbye.
    await site.until(lambda: not os.path.exists(f"/proc/{pid}"), 60, "Postgres did not end")
    site.ground.postgres.kill()
    try:
        yield
    finally:
        await asyncio.to_thread(site.ground.postgres.start)


@asynccontextmanager
async def _no_connection_left(site: Site) -> AsyncIterator[None]:
    """Somebody else with the application's password takes every connection there is."""
    taken: list[Any] = []
    enough = asyncio.Event()
    tasks = [asyncio.create_task(_take_all(site, taken, enough)) for _ in range(4)]
    tasks.append(asyncio.create_task(_end_ours(site, enough)))
    try:
        yield
    finally:
        enough.set()
        await asyncio.gather(*tasks)
        for connection in taken:
            connection.terminate()


async def _take_all(site: Site, taken: list[Any], enough: asyncio.Event) -> None:
    dsn = site.ground.product_variables()["DATABASE__URL"]
    while not enough.is_set():
        try:
            taken.append(await asyncpg.connect(dsn))
        except (asyncpg.TooManyConnectionsError, OSError):
            await asyncio.sleep(0.01)


async def _end_ours(site: Site, enough: asyncio.Event) -> None:
    """Pools keep what they have: so what is freed again and again goes to whoever is faster."""
    while not enough.is_set():
        await site.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'frontdesk'"
        )
        await asyncio.sleep(0.3)


async def _deadlocks(site: Site) -> None:
    """A stranger locks what the product locks, in the other order, and never gives way."""
    before = await _deadlocks_seen(site)
    writing = asyncio.create_task(site.chat(bursts=3, over_seconds=6))
    async with _connection(site) as stranger:
        await stranger.execute("SET deadlock_timeout = '60s'")
        while not writing.done():
            for tenant in site.tenants:
                async with stranger.transaction():
                    await stranger.execute(
                        "SELECT 1 FROM feed_counter WHERE tenant_id = $1 FOR UPDATE", tenant.id
                    )
                    await asyncio.sleep(0.5)
                    await stranger.execute(
                        "SELECT 1 FROM conversation WHERE tenant_id = $1 FOR UPDATE", tenant.id
                    )
    await writing
    await site.drain()
    if await _deadlocks_seen(site) == before:
        raise Broken("there was no deadlock")


async def _deadlocks_seen(site: Site) -> int:
    await asyncio.sleep(1.2)  # Backends report what they count once a second.
    rows = await site.sql(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return int(rows[0]["deadlocks"])


def _table_locked(table: str) -> Fault:
    @asynccontextmanager
    async def fault(site: Site) -> AsyncIterator[None]:
        async with _connection(site) as stranger, stranger.transaction():
            await stranger.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield

    return fault


@asynccontextmanager
async def _connection(site: Site) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(site.dsn)
    try:
        yield connection
    finally:
        connection.terminate()


# All of it


async def _everything(site: Site) -> None:
    """Processes die at random while Redis and Postgres are killed too."""
    writing = asyncio.create_task(site.chat(contacts=24, bursts=3, over_seconds=14))
    killing = asyncio.create_task(_kill_for_ever(site))
    for fault in (_redis_killed, _postgres_killed, _redis_frozen):
        await asyncio.sleep(1)
        async with fault(site):
            await asyncio.sleep(2)
    await writing
    killing.cancel()


async def _kill_for_ever(site: Site) -> None:
    while True:
        await asyncio.sleep(site.chance.uniform(0.5, 1.5))
        site.kill(site.chance.choice([site.web, *site.workers]))


SCENARIOS = (
    Scenario(
        name="redis-killed",
        point="Redis killed, all of it lost, back after 4 s",
        left="none of it is needed",
        follows="the sweep; rings again once it is back",
        outcome="once, a second or two late; webhooks get 200",
        play=_beset_by(_redis_killed),
        fast=True,
    ),
    Scenario(
        name="redis-emptied",
        point="Redis emptied, over and over",
        left="none of it is needed",
        follows="the sweep finds what was not rung",
        outcome="once, a second or two late; webhooks get 200",
        play=_beset_by(_redis_emptied),
    ),
    Scenario(
        name="redis-frozen",
        point="Redis frozen: it takes connections and never answers",
        left="none of it is needed",
        follows="the socket timeout, then as above",
        outcome="once, a few seconds late; webhooks get 200",
        play=_beset_by(_redis_frozen),
    ),
    Scenario(
        name="redis-read-only",
        point="Redis read-only: a replica of nowhere",
        left="none of it is needed",
        follows="the sweep",
        outcome="once, a second or two late; webhooks get 200",
        play=_beset_by(
            _redis_refusing("READONLY", ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"))
        ),
    ),
    Scenario(
        name="redis-full",
        point="Redis out of memory",
        left="none of it is needed",
        follows="the sweep",
        outcome="once, a second or two late; webhooks get 200",
        play=_beset_by(
            _redis_refusing(
                "OOM", ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")
            )
        ),
    ),
    Scenario(
        name="redis-away-at-start",
        point="no Redis when web and workers start",
        left="none of it is needed",
        follows="they start without; the sweep",
        outcome="once; webhooks get 200",
        play=_redis_away_at_start,
    ),
    Scenario(
        name="postgres-killed",
        point="Postgres killed, back after 4 s",
        left="all that was committed",
        follows="webhooks get 503, Meta delivers again; workers reconnect",
        outcome="once, late",
        play=_beset_by(_postgres_killed, takes_webhooks=False),
    ),
    Scenario(
        name="no-connection-left",
        point="every Postgres connection taken by somebody else",
        left="all that was committed",
        follows="webhooks get 503, Meta delivers again; workers wait",
        outcome="once, late",
        play=_beset_by(_no_connection_left, takes_webhooks=False),
    ),
    Scenario(
        name="deadlocks",
        point="a deadlock with somebody else's transaction",
        left="the transaction rolled back",
        follows="the work is done again",
        outcome="once",
        play=_deadlocks,
    ),
    Scenario(
        name="statements-time-out",
        point="a table is locked for longer than a statement may take",
        left="the transactions rolled back",
        follows="the work is put off and done again; webhooks get 200",
        outcome="once, late",
        play=_beset_by(_table_locked("conversation")),
        settings={"DATABASE__STATEMENT_TIMEOUT_SECONDS": "1"},
    ),
    Scenario(
        name="webhooks-time-out",
        point="the table of raw webhooks is locked",
        left="nothing",
        follows="webhooks get 503, Meta delivers again",
        outcome="once, late",
        play=_beset_by(_table_locked("webhook_event"), takes_webhooks=False),
        settings={"DATABASE__STATEMENT_TIMEOUT_SECONDS": "1"},
    ),
    Scenario(
        name="disk-full",
        point="Postgres's disk is full",
        left="all that was committed",
        follows="webhooks get 503, Meta delivers again; goes on by itself once there is room",
        outcome="once, late",
        play=_beset_by(full_disk, takes_webhooks=False),
    ),
    Scenario(
        name="everything-at-once",
        point="processes killed at random, Redis killed and frozen, Postgres killed",
        left="any of the above",
        follows="any of the above",
        outcome="once, late",
        play=_everything,
    ),
)
