import asyncio

import pytest
from tests.feed.shop import Shop, make_shop

from frontdesk.feed import Audience
from frontdesk.feed.events import append


async def numbers(shop: Shop) -> list[int]:
    return [row["seq"] for row in await shop.sql("SELECT seq FROM feed_event ORDER BY seq")]


async def counter(shop: Shop) -> int:
    rows = await shop.sql("SELECT n FROM feed_counter")
    return rows[0]["n"] if rows else 0


async def test_events_of_a_transaction_get_the_next_numbers_in_their_order(shop, resources):
    async with resources.db.hot(shop.id) as tx:
        append(tx, "thing.started", {"place": 1})
        append(tx, "thing.done", {"place": 2}, Audience.ADMINS)
    async with resources.db.transaction(shop.id) as session:
        append(session, "thing.done", {"place": 3, "name": "Zoë"})
    rows = await shop.sql(
        "SELECT seq, kind, audience, payload->>'place' AS place FROM feed_event ORDER BY seq"
    )
    assert [tuple(row) for row in rows] == [
        (1, "thing.started", "everyone", "1"),
        (2, "thing.done", "admins", "2"),
        (3, "thing.done", "everyone", "3"),
    ]
    assert await counter(shop) == 3


async def test_a_transaction_that_fails_leaves_no_event_and_no_gap(shop, resources):
    async def fail() -> None:
        async with resources.db.hot(shop.id) as tx:
            append(tx, "thing.done", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with resources.db.hot(shop.id) as tx:
        append(tx, "thing.done", {})
    assert await numbers(shop) == [1]


async def test_a_kind_must_name_a_thing_and_what_happened_to_it(shop, resources):
    for kind in ("reset", "hello", "Thing.done", "thing.done\ndata: x", "thing.", ""):
        with pytest.raises(ValueError, match="no kind"):
            async with resources.db.hot(shop.id) as tx:
                append(tx, kind, {})


async def test_eight_writers_at_once_leave_no_gap_and_no_double(shop, resources):
    seen: list[int] = []
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for turn in range(25):
            async with resources.db.hot(shop.id) as tx:
                for _ in range(1 + (writer + turn) % 3):
                    append(tx, "thing.done", {"writer": writer, "turn": turn})

    async def tail() -> None:
        # As a stream reads: by number, so an event that commits late must not be overtaken.
        while True:
            ended = done.is_set()
            rows = await shop.sql(
                "SELECT seq FROM feed_event WHERE seq > $1 ORDER BY seq", seen[-1] if seen else 0
            )
            seen.extend(row["seq"] for row in rows)
            if ended:
                return
            await asyncio.sleep(0)

    reader = asyncio.create_task(tail())
    await asyncio.gather(*(write(writer) for writer in range(8)))
    done.set()
    await reader
    total = sum(1 + (writer + turn) % 3 for writer in range(8) for turn in range(25))
    assert seen == list(range(1, total + 1)) == await numbers(shop)
    assert await counter(shop) == total


async def test_tenants_count_apart(shop, resources):
    other = await make_shop(resources)
    for tenant in (shop, other, other):
        async with resources.db.hot(tenant.id) as tx:
            append(tx, "thing.done", {})
    assert (await numbers(shop), await numbers(other)) == ([1], [1, 2])
    await other.aclose()
