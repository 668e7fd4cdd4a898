from frontdesk.feed.events import append
from frontdesk.feed.work import feed_work

AGED = "UPDATE feed_event SET at = now() - make_interval(days => $1) WHERE seq <= $2"


async def fill(shop, count: int) -> None:
    async with shop.resources.db.hot(shop.id) as tx:
        for place in range(count):
            append(tx, "thing.done", {"place": place})


async def test_old_events_go_and_young_ones_stay(shop, resources):
    await fill(shop, 10)
    await shop.sql(AGED, 8, 6)
    (due,) = feed_work(resources.settings)
    async with resources.db.system() as connection:
        listed = await due.list_ids(connection, 1_000)
    assert (shop.id, shop.id) in listed
    await due.handle(resources, shop.id, shop.id)
    await due.handle(resources, shop.id, shop.id)
    assert [row["seq"] for row in await shop.sql("SELECT seq FROM feed_event")] == [7, 8, 9, 10]
    async with resources.db.system() as connection:
        assert (shop.id, shop.id) not in await due.list_ids(connection, 1_000)


async def test_numbers_go_on_when_all_events_are_gone(shop, resources):
    await fill(shop, 3)
    await shop.sql(AGED, 30, 3)
    (due,) = feed_work(resources.settings)
    await due.handle(resources, shop.id, shop.id)
    page = (await shop.admin.http.get("/api/v1/feed/events", params={"after": "3"})).json()
    assert page == {"items": [], "next_after": 3, "last_seq": 3, "reset": None}
    await fill(shop, 1)
    page = (await shop.admin.http.get("/api/v1/feed/events", params={"after": "3"})).json()
    assert [event["seq"] for event in page["items"]] == [4]
    page = (await shop.admin.http.get("/api/v1/feed/events", params={"after": "2"})).json()
    assert page["reset"] == "expired"
