"""Connections that are handed on, while things go wrong around them."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.desk import eventually

from frontdesk.core import ids, pool
from frontdesk.core.pool import Pool
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings

SIZE = 3


@pytest.fixture
async def small(settings: Settings) -> AsyncIterator[Pool]:
    """A pool of three connections, patient with a machine that is busy."""
    connections = await asyncpg.create_pool(settings.database.app_dsn, min_size=0, max_size=SIZE)
    small = Pool(connections, size=SIZE, patience_seconds=30)
    yield small
    small.terminate()


async def pid(of: Pool) -> int:
    async with of.one() as connection:
        return await connection.fetchval("SELECT pg_backend_pid()")


async def test_who_is_done_leaves_the_connection_to_the_next(small: Pool) -> None:
    assert len({await pid(small) for _ in range(20)}) == 1
    assert (small.busy, small.idle) == (0, 1)


async def test_never_more_than_its_size_are_open_at_once(small: Pool) -> None:
    most = 0

    async def work() -> int:
        nonlocal most
        async with small.one() as connection:
            most = max(most, small.busy)
            return await connection.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.002)")

    assert len(set(await asyncio.gather(*(work() for _ in range(60))))) == SIZE
    assert most == SIZE
    assert (small.busy, small.idle) == (0, SIZE)


async def test_who_waits_too_long_is_told_and_the_place_is_not_lost(small: Pool) -> None:
    async with small.one(), small.one(), small.one():
        small._patience_seconds = 0.1
        with pytest.raises(TimeoutError):
            await pid(small)
    small._patience_seconds = 30
    assert len(set(await asyncio.gather(*(pid(small) for _ in range(SIZE))))) <= SIZE
    assert small.busy == 0


async def test_a_failure_leaves_no_transaction_open_for_the_next(small: Pool) -> None:
    async def fail() -> None:
        async with small.one() as connection:
            await connection.execute("BEGIN; SET LOCAL app.tenant_id = 'somebody'")
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail()
    async with small.one() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT current_setting('app.tenant_id', true)") != (
            "somebody"
        )


async def test_what_a_block_leaves_open_is_not_handed_on(small: Pool) -> None:
    async with small.one() as connection:
        await connection.execute("BEGIN")
    async with small.one() as connection:
        assert not connection.is_in_transaction()


async def test_who_keeps_a_transaction_has_no_way_into_the_next_ones(
    resources: Resources,
) -> None:
    async with resources.db.hot(ids.new()) as kept:
        assert await kept.sql.fetchval("SELECT 1") == 1
    async with resources.db.hot(ids.new()):
        with pytest.raises(AttributeError):
            await kept.sql.fetchval("SELECT 1")


async def test_a_cancelled_statement_is_ended_and_frees_its_place(small: Pool) -> None:
    async def sleep() -> None:
        async with small.one() as connection:
            await connection.execute("SELECT pg_sleep(60)")

    for _ in range(2 * SIZE):
        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert small.busy == 0
    assert await pid(small)


async def test_a_connection_that_postgres_ended_is_not_handed_on(small: Pool) -> None:
    async with small.one() as first:
        lost = await first.fetchval("SELECT pg_backend_pid()")
        async with small.one() as second:
            await second.execute("SELECT pg_terminate_backend($1)", lost)
        await eventually(lambda: not pool._is_in_order(first))
    assert await pid(small) != lost
    assert await pid(small) != lost
    assert (small.busy, small.idle) == (0, 1)


async def test_what_only_a_burst_needed_is_closed_later(
    small: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small.one(), small.one(), small.one():
        pass
    assert small.idle == SIZE
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.2)
    for _ in range(5):
        await pid(small)
        await asyncio.sleep(0.06)
    assert await pid(small)
    assert small.idle == 1


async def test_a_connection_that_was_idle_too_long_is_made_anew(
    small: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await pid(small)
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0)
    assert await pid(small) != before
