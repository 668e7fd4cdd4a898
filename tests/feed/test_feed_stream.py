import asyncio
from typing import Any

import httpx
import pytest
from tests.feed.live import serving, watching
from tests.feed.shop import ORIGIN, Shop, add_user, make_app, make_shop

from frontdesk.core.callers import Role
from frontdesk.core.resources import open_resources
from frontdesk.core.settings import Settings
from frontdesk.feed import Audience, hub
from frontdesk.feed.events import append
from frontdesk.feed.routes import router


async def tell(shop: Shop, *places: int, audience: Audience = Audience.EVERYONE) -> None:
    """One transaction with an event for each of these."""
    async with shop.resources.db.hot(shop.id) as tx:
        for place in places:
            append(tx, "thing.done", {"place": place}, audience)


def changed(settings: Settings, **sections: dict[str, Any]) -> Settings:
    """The settings with a few of them changed."""
    return settings.model_copy(
        update={
            name: getattr(settings, name).model_copy(update=change)
            for name, change in sections.items()
        }
    )


async def test_a_new_reader_is_told_where_it_is_and_then_what_happens(shop, url):
    await tell(shop, 1, 2)
    async with watching(url, shop.human.cookies) as watcher:
        hello = await watcher.next()
        assert (hello.kind, hello.id, hello.data) == ("hello", "2", {"last_seq": 2})
        assert 1_000 <= int(watcher.retry) <= 5_000
        await tell(shop, 3)
        event = await watcher.next()
        assert (event.kind, event.id, event.data["place"]) == ("thing.done", "3", 3)
        assert event.data["at"].endswith("Z")
        headers = watcher.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"


async def test_an_event_arrives_at_once_through_redis(shop, url, monkeypatch):
    monkeypatch.setattr("frontdesk.feed.fanout.POLL_SECONDS", 600)
    async with watching(url, shop.admin.cookies) as watcher:
        await watcher.next()
        for place in range(5):
            await tell(shop, place)
            assert (await watcher.next()).data["place"] == place


async def test_a_reader_that_reconnects_gets_what_it_missed_once_and_in_order(shop, url):
    async with watching(url, shop.admin.cookies) as watcher:
        await watcher.next()
        await tell(shop, 1, 2)
        last = (await watcher.take(2))[-1].id
    await tell(shop, *range(3, 20))
    async with watching(url, shop.admin.cookies, last_event_id=last, after="0") as watcher:
        missed = await watcher.take(17)
        await tell(shop, 20)
        missed.append(await watcher.next())
    assert [event.data["place"] for event in missed] == list(range(3, 21))
    assert [event.id for event in missed] == [str(seq) for seq in range(3, 21)]


async def test_a_reader_far_behind_is_brought_up_page_by_page(shop, url):
    for start in range(0, 1_200, 100):
        await tell(shop, *range(start, start + 100))
    async with watching(url, shop.admin.cookies, after="0") as watcher:
        events = await watcher.take(1_200)
        await tell(shop, 1_200)
        events.append(await watcher.next())
    assert [event.data["place"] for event in events] == list(range(1_201))


async def test_writers_and_reconnects_at_random_lose_and_double_nothing(shop, url):
    total = 400
    seen: list[int] = []

    async def write(first: int) -> None:
        for place in range(first, first + total // 8):
            await tell(shop, place)
            await asyncio.sleep(0.002 * (place % 3))

    writers = [asyncio.create_task(write(number * (total // 8))) for number in range(8)]
    last = "0"
    while len(seen) < total:
        async with watching(url, shop.admin.cookies, last_event_id=last) as watcher:
            for event in await watcher.take(min(37, total - len(seen))):
                seen.append(int(event.id))
                last = event.id
    await asyncio.gather(*writers)
    assert seen == list(range(1, total + 1))


@pytest.mark.parametrize(
    ("cursor", "reason"), [("1", "expired"), ("99", "future"), ("soon", "malformed")]
)
async def test_a_cursor_that_cannot_be_honoured_gets_a_reset_and_what_comes_after(
    shop, url, cursor, reason
):
    await tell(shop, *range(1, 6))
    await shop.sql("DELETE FROM feed_event WHERE seq <= 3")
    async with watching(url, shop.admin.cookies, last_event_id=cursor) as watcher:
        reset = await watcher.next()
        assert (reset.kind, reset.id) == ("reset", "5")
        assert reset.data == {"reason": reason, "last_seq": 5}
        await tell(shop, 6)
        assert (await watcher.next()).id == "6"


async def test_human_agents_do_not_see_what_is_for_admins(shop, url):
    async with (
        watching(url, shop.admin.cookies) as admin,
        watching(url, shop.human.cookies) as human,
    ):
        await admin.next(), await human.next()
        await tell(shop, 1, audience=Audience.ADMINS)
        await tell(shop, 2)
        assert [event.data["place"] for event in await admin.take(2)] == [1, 2]
        assert (await human.next()).data["place"] == 2
    async with watching(url, shop.human.cookies, last_event_id="0") as human:
        assert (await human.next()).data["place"] == 2
    page = (await shop.human.http.get("/api/v1/feed/events", params={"after": "0"})).json()
    assert [event["payload"]["place"] for event in page["items"]] == [2]
    assert page["next_after"] == 2


async def test_a_tenant_never_sees_events_of_another(shop, url, resources):
    other = await make_shop(resources, router)
    await tell(other, 1, 2, 3)
    async with watching(url, shop.admin.cookies, after="0") as watcher:
        await tell(other, 4)
        await tell(shop, 5)
        event = await watcher.next()
        assert (event.id, event.data["place"]) == ("1", 5)
    await other.aclose()


async def test_without_redis_events_still_arrive_by_poll(shop, settings):
    dead = changed(settings, redis={"url": type(settings.redis.url)("redis://127.0.0.1:1/0")})
    async with open_resources(dead, {}) as alone:
        app = make_app(alone, router)
        async with serving(app) as url:
            async with watching(url, shop.admin.cookies) as watcher:
                await watcher.next()
                await tell(shop, 1)
                assert (await watcher.next(20)).data["place"] == 1
                async with alone.db.hot(shop.id) as tx:
                    append(tx, "thing.done", {"place": 2})
                assert (await watcher.next(20)).data["place"] == 2
            await hub(alone).stop()


async def test_killing_the_subscription_mid_stream_loses_nothing(shop, url, resources):
    async with watching(url, shop.admin.cookies) as watcher:
        await watcher.next()
        for place in range(30):
            await tell(shop, place)
            if place % 10 == 5:
                await resources.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert [event.data["place"] for event in await watcher.take(30)] == list(range(30))


async def test_a_new_role_ends_a_stream_and_its_reader_comes_back_as_who_they_are_now(
    shop, url, monkeypatch
):
    monkeypatch.setattr("frontdesk.feed.stream.RECHECK_SECONDS", 0.2)
    monkeypatch.setattr("frontdesk.identity.live_sessions.KEEP_SECONDS", 0.1)
    demoted = await add_user(shop.resources, shop.app, shop.id, Role.ADMIN)
    shop.others.append(demoted)
    async with (
        watching(url, shop.admin.cookies) as admin,
        watching(url, demoted.cookies) as watcher,
    ):
        await admin.next(), await watcher.next()
        await tell(shop, 1, audience=Audience.ADMINS)
        last = (await watcher.next()).id
        await shop.sql("UPDATE membership SET role = 'HUMAN_AGENT' WHERE user_id = $1", demoted.id)
        assert await watcher.ended()
        await tell(shop, 2, audience=Audience.ADMINS)
        await tell(shop, 3)
        assert [event.data["place"] for event in await admin.take(3)] == [1, 2, 3]
    async with watching(url, demoted.cookies, last_event_id=last) as watcher:
        assert (await watcher.next()).data["place"] == 3


async def test_pings_keep_the_way_open_also_while_events_flow(shop, url, monkeypatch):
    monkeypatch.setattr("frontdesk.feed.stream.PING_SECONDS", 0.1)
    async with watching(url, shop.admin.cookies) as watcher:
        await watcher.next()
        for place in range(20):
            await tell(shop, place)
            await asyncio.sleep(0.02)
        await watcher.take(20)
        assert watcher.comments >= 2


async def test_streams_are_limited_by_user_and_by_tenant_and_counted(shop, settings):
    few = changed(settings, limits={"streams_per_user": 2, "streams_per_tenant": 3})
    async with open_resources(few, {}) as resources:
        app = make_app(resources, router)
        async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
            async with (
                watching(url, shop.admin.cookies),
                watching(url, shop.admin.cookies),
            ):
                client.cookies.update(shop.admin.cookies)
                refused = await client.get("/api/v1/feed")
                assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
                assert int(refused.headers["retry-after"]) > 0
                async with watching(url, shop.human.cookies):
                    assert resources.metrics.streams._value.get() == 3
                    client.cookies.update(shop.human.cookies)
                    refused = await client.get("/api/v1/feed")
                    assert "tenant" in refused.json()["detail"]
            await until(lambda: hub(resources).streams == 0)
            assert resources.metrics.streams._value.get() == 0
            async with watching(url, shop.admin.cookies) as watcher:
                await watcher.next()
            await hub(resources).stop()


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # Nothing tells when a stream was given back.
            await asyncio.sleep(0.01)


async def test_a_client_that_never_reads_is_let_go(shop, url, resources, monkeypatch):
    monkeypatch.setattr("frontdesk.feed.stream.SEND_TIMEOUT_SECONDS", 0.3)
    # The server takes one piece more than the client's buffers hold, so a second one must follow.
    monkeypatch.setattr("frontdesk.feed.stream.PING_SECONDS", 0.2)
    port = int(url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    cookie = "; ".join(f"{name}={value}" for name, value in shop.admin.cookies.items())
    writer.write(f"GET /api/v1/feed HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    await until(lambda: hub(resources).streams == 1)
    async with resources.db.hot(shop.id) as tx:
        for _ in range(100):
            append(tx, "thing.done", {"text": "x" * 200_000})
    await until(lambda: hub(resources).streams == 0)
    writer.transport.abort()


async def test_stopping_the_hub_ends_open_streams(shop, settings):
    async with (
        open_resources(settings, {}) as resources,
        serving(make_app(resources, router)) as url,
        watching(url, shop.admin.cookies) as watcher,
    ):
        await watcher.next()
        await hub(resources).stop()
        assert await watcher.ended()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_other_sites_may_not_watch(shop, site):
    answer = await shop.admin.http.get("/api/v1/feed", headers={"Sec-Fetch-Site": site})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")


async def test_nobody_watches_without_signing_in(shop):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=shop.app), base_url=ORIGIN
    ) as client:
        assert (await client.get("/api/v1/feed")).status_code == 401
        assert (await client.get("/api/v1/feed/events")).status_code == 401


async def test_a_stream_holds_no_connection_of_the_pool(shop, settings):
    tight = changed(settings, database={"pool_size": 1, "pool_timeout_seconds": 5})
    async with open_resources(tight, {}) as resources:
        app = make_app(resources, router)
        async with serving(app) as url:
            async with (
                watching(url, shop.admin.cookies) as one,
                watching(url, shop.admin.cookies) as two,
                watching(url, shop.human.cookies) as three,
            ):
                for watcher in (one, two, three):
                    await watcher.next()
                async with httpx.AsyncClient(base_url=url, cookies=shop.admin.cookies) as client:
                    assert (await client.get("/api/v1/feed/events")).status_code == 200
            await hub(resources).stop()


async def test_polling_clients_read_the_same_events_in_pages(shop):
    await tell(shop, *range(1, 6))
    http = shop.admin.http
    first = (await http.get("/api/v1/feed/events")).json()
    assert (first["items"], first["next_after"], first["reset"]) == ([], 5, None)
    page = (await http.get("/api/v1/feed/events", params={"after": "0", "limit": 3})).json()
    assert [event["seq"] for event in page["items"]] == [1, 2, 3]
    page = (await http.get("/api/v1/feed/events", params={"after": page["next_after"]})).json()
    assert [event["seq"] for event in page["items"]] == [4, 5]
    assert page["next_after"] == 5
    lost = (await http.get("/api/v1/feed/events", params={"after": "x"})).json()
    assert (lost["reset"], lost["next_after"]) == ("malformed", 5)
