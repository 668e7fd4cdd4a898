"""The feed while connections break, readers stall, people sign out and the server is replaced."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from faults.feed import come_back, watched
from tests.conftest import LateApp, as_environment, setting_values
from tests.feed.live import watching
from tests.feed.shop import Shop

from frontdesk.core.settings import Settings
from frontdesk.demo.world import free_port
from frontdesk.feed import hub
from frontdesk.feed.events import append
from frontdesk.simulator import Simulator

STREAMS = 200
# What holds the shutdown up is waited for longer than this test waits.
GRACE_SECONDS = 600


async def tell(shop: Shop, *places: int) -> None:
    """One transaction with an event for each of these."""
    async with shop.resources.db.hot(shop.id) as tx:
        for place in places:
            append(tx, "thing.done", {"place": place})


async def until(condition: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # It is looked at from outside.
            await asyncio.sleep(0.02)


async def test_cut_subscriptions_and_reconnects_at_random_lose_and_double_nothing(
    shop: Shop, url: str
) -> None:
    chance = random.Random(70)
    total, seen, last = 240, [], "0"

    async def write(first: int) -> None:
        for place in range(first, first + total // 4):
            await tell(shop, place)
            await asyncio.sleep(chance.uniform(0, 0.01))

    async def cut() -> None:
        while True:
            await shop.resources.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(chance.uniform(0.05, 0.3))

    writers = [asyncio.create_task(write(number * (total // 4))) for number in range(4)]
    cutting = asyncio.create_task(cut())
    while len(seen) < total:
        async with watching(url, shop.admin.cookies, last_event_id=last) as watcher:
            for event in await watcher.take(min(chance.randrange(1, 30), total - len(seen)), 20):
                seen.append(int(event.id))
                last = event.id
    cutting.cancel()
    await asyncio.gather(*writers)
    assert seen == list(range(1, total + 1))


async def test_a_reader_that_stalls_holds_up_no_other_and_is_let_go(
    shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontdesk.feed.stream.SEND_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("frontdesk.feed.stream.PING_SECONDS", 0.2)
    stalled = await _stall(shop, url)
    async with watching(url, shop.human.cookies) as reader:
        await reader.next()
        assert hub(shop.resources).streams == 2
        for _ in range(5):
            async with shop.resources.db.hot(shop.id) as tx:
                for _ in range(20):
                    append(tx, "thing.done", {"text": "x" * 200_000})
            events = await reader.take(20)
            assert len(events) == 20
        await until(lambda: hub(shop.resources).streams == 1)
        (tail,) = hub(shop.resources)._tails.values()
        assert len(tail.readers) == 1
        assert tail._bytes <= 256 * 1024, "what it did not read is not kept for it"
    stalled.transport.abort()


async def _stall(shop: Shop, url: str) -> asyncio.StreamWriter:
    """A client that asks for the stream and never reads it."""
    port = int(url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    cookie = "; ".join(f"{name}={value}" for name, value in shop.admin.cookies.items())
    writer.write(f"GET /api/v1/feed HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    await until(lambda: hub(shop.resources).streams)
    return writer


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE user_session SET revoked_at = now() WHERE user_id = $1", id="out"),
        pytest.param("UPDATE membership SET disabled_at = now() WHERE user_id = $1", id="member"),
        pytest.param("UPDATE app_user SET disabled_at = now() WHERE id = $1", id="user"),
    ],
)
async def test_who_may_not_watch_any_more_loses_the_stream(
    shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr("frontdesk.feed.stream.RECHECK_SECONDS", 0.2)
    monkeypatch.setattr("frontdesk.identity.live_sessions.KEEP_SECONDS", 0.1)
    async with watching(url, shop.human.cookies) as watcher:
        await watcher.next()
        async with shop.resources.db.system_transaction() as tx:
            await tx.sql.execute(statement, shop.human.id)
        assert await watcher.ended(5)
    async with httpx.AsyncClient(base_url=url, cookies=shop.human.cookies) as client:
        assert (await client.get("/api/v1/feed")).status_code == 401


def test_an_ended_sign_in_ends_its_streams_within_thirty_seconds() -> None:
    from frontdesk.feed.stream import RECHECK_SECONDS
    from frontdesk.identity.live_sessions import KEEP_SECONDS

    assert RECHECK_SECONDS + KEEP_SECONDS <= 30


def test_streams_are_told_to_come_back_at_different_times_and_soon() -> None:
    from frontdesk.feed.stream import _reconnect_after

    times = [_reconnect_after() for _ in range(2_000)]
    busiest = max(
        sum(start <= time < start + 250 for time in times) for start in range(0, 5_000, 250)
    )
    assert busiest < 250, "no thundering herd"
    assert max(times) <= 5_000


@asynccontextmanager
async def _web(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "frontdesk",
        "web",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_server_replaced_under_open_streams_loses_none_of_them_and_no_event(
    shop: Shop,
    settings: Settings,
    database_urls: dict[str, str],
    world: tuple[Simulator, LateApp],
) -> None:
    # None that the system gives to whoever asks for any: the server leaves it for a while.
    port = free_port()
    environment = as_environment(setting_values(database_urls, world[0])) | {
        "WEB__PORT": str(port),
        "WEB__GRACEFUL_SHUTDOWN_SECONDS": str(GRACE_SECONDS),
    }
    async with watched(shop.resources, [shop.id], port, STREAMS) as viewers:
        async with _web(environment) as web:
            await come_back(viewers, within_seconds=90)
            await tell(shop, *range(10))
            await until(lambda: all(len(viewer.seen) == 10 for viewer in viewers))
            web.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                await web.wait()
        await until(lambda: not any(viewer.is_open for viewer in viewers))
        for place in range(10, 20):
            await tell(shop, place)
        async with _web(environment):
            await come_back(viewers, within_seconds=90)
            await tell(shop, *range(20, 30))
            await until(lambda: all(viewer.seen[-1:] == [30] for viewer in viewers))
    assert not any(viewer.missed_or_doubled(30) for viewer in viewers)
