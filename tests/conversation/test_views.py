"""The inbox: its views and counts, what is unread, the window, and snoozing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.desk import Desk, Person, texts, wait_for_somebody_held_up

from frontdesk.conversation import lock
from frontdesk.simulator.webhooks import envelope


async def _names(who: Person, **asked: Any) -> list[str]:
    """The contacts of a list, page by page, two a page."""
    names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await who.get("/conversations", limit=2, **asked, **cursor)
        names += [item["contact"]["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            return names
        cursor = {"cursor": page["next_cursor"]}


async def _furnished(desk: Desk) -> dict[str, str]:
    """Five conversations, each in another place; their ids by the contact's name."""
    ana = await desk.ana()
    ids = {}
    for number, name in enumerate(("Ada", "Bo", "Cy", "Di", "Ed"), start=1):
        phone = f"491555{number:04}"
        await desk.say("How long does delivery take?", number=phone, name=name)
        ids[name] = (await desk.conversation(phone))["id"]
    for name in ("Bo", "Cy"):
        await ana.post(f"/conversations/{ids[name]}/take-over")
    await desk.say("I want to talk to a person", number="4915550004")
    await ana.post(f"/conversations/{ids['Ed']}/close", {"reason": "done"})
    for number in ("4915550003", "4915550002"):
        await desk.say("Are you there?", number=number)
    return ids


async def test_each_view_lists_its_part_longest_waiting_first_and_counts_it(desk: Desk) -> None:
    ana, ben = await desk.ana(), await desk.ben()
    ids = await _furnished(desk)
    in_a_day = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    assert await _names(ana, view="mine") == ["Cy", "Bo"]
    assert await _names(ben, view="mine") == []
    assert await _names(ana, view="unassigned") == ["Di"]
    assert await _names(ana, view="ai") == ["Ada"]
    # Ada waits for nothing; of the three that wait, Di has waited longest.
    assert await _names(ana, view="all") == await _names(ana) == ["Di", "Cy", "Bo", "Ada"]
    assert await _names(ana, view="closed") == await _names(ana, status="CLOSED") == ["Ed"]
    assert await _names(ana, order="recent") == ["Bo", "Cy", "Ed", "Di", "Ada"]
    counts = {"mine": 2, "unassigned": 1, "ai": 1, "all": 4, "snoozed": 0, "closed": 1}
    assert await ana.get("/views") == counts
    assert (await ben.get("/views"))["mine"] == 0

    bo = f"/conversations/{ids['Bo']}"
    snoozed = await ana.put(f"{bo}/snooze", {"until": in_a_day})
    assert snoozed["snoozed_until"] is not None
    assert await _names(ana, view="mine") == ["Cy"]
    assert await _names(ana, view="snoozed") == ["Bo"]
    assert await ana.get("/views") == counts | {"mine": 1, "snoozed": 1}
    # Whatever the contact writes brings it back, and everybody is told.
    await desk.say("One more thing", number="4915550002")
    assert await _names(ana, view="snoozed") == []
    woken = [payload for kind, payload in await desk.events() if kind == "conversation.woken"]
    assert woken == [{"conversation_id": ids["Bo"], "by": "contact"}]


async def test_a_snooze_ends_with_its_time_and_with_a_close(desk: Desk) -> None:
    ana = await desk.ana()
    await desk.say("How long does delivery take?")
    conversation = f"/conversations/{(await desk.conversation())['id']}"
    for until in ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2026-12-24T09:00:00"):
        await ana.put(f"{conversation}/snooze", {"until": until}, status=422)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for ended in ("time", "hand", "close"):
        await ana.put(f"{conversation}/snooze", {"until": soon})
        assert (await ana.get("/views"))["snoozed"] == 1
        if ended == "time":
            await desk.sql("UPDATE timer SET due_at = now() WHERE kind = 'snooze' RETURNING 1")
            await desk.work_until_idle()
        elif ended == "hand":
            answer = await ana.http.delete(f"/api/v1{conversation}/snooze")
            assert answer.json()["snoozed_until"] is None
        else:
            await ana.post(f"{conversation}/close", {"reason": "done"})
        assert (await ana.get("/views"))["snoozed"] == 0, ended
    woken = [payload["by"] for kind, payload in await desk.events() if kind == "conversation.woken"]
    assert woken == ["system", "human_agent", "system"]
    refused = await ana.put(f"{conversation}/snooze", {"until": soon}, status=409)
    assert refused["code"] == "conversation_closed"


async def test_what_comes_after_an_answer_stands_after_it_and_is_unread_whenever_it_set_out(
    desk: Desk,
) -> None:
    ana = await desk.ana()
    phones = [desk.phone(number) for number in ("4915550001", "4915550002")]
    held_up, answered = sorted(phones, key=lambda phone: phone.bsuid)  # As a batch takes its locks.
    at: list[str] = []
    for phone in (held_up, answered):
        await desk.say("I want to talk to a person", number=phone.contact.number)
        at.append(f"/conversations/{(await desk.conversation(phone.contact.number))['id']}")
        await ana.post(f"{at[-1]}/take-over")
    asked = [
        {
            "from": phone.contact.number,
            "from_user_id": phone.bsuid,
            "id": f"wamid.{phone.bsuid}",
            "timestamp": str(int(desk.simulator.world.now())),
            "type": "text",
            "text": {"body": "Are you there?"},
        }
        for phone in phones
    ]
    async with desk.resources.db.hot(desk.id) as tx:
        await lock(tx, UUID(at[0].rpartition("/")[2]))
        desk.simulator.post(envelope(answered.channel, messages=asked))
        working = asyncio.create_task(desk.work_until_idle())

        await wait_for_somebody_held_up(tx.sql)
        said = await ana.post(f"{at[1]}/messages", {"text": "We look into it."})
        await ana.put(f"{at[1]}/read-mark", {"message_id": said["id"]})
    await working
    thread = await ana.get(f"{at[1]}/messages")
    assert texts(thread["items"])[-2:] == ["We look into it.", "Are you there?"]
    assert (await ana.get(at[1]))["unread"] == 1


async def test_what_one_has_read_is_unread_for_the_others(desk: Desk) -> None:
    ana, ben = await desk.ana(), await desk.ben()
    await desk.say("How long does delivery take?", "Hello?")
    conversation = f"/conversations/{(await desk.conversation())['id']}"

    async def unread() -> list[int]:
        pages = [await who.get("/conversations", view="all") for who in (ana, ben)]
        return [page["items"][0]["unread"] for page in pages]

    assert await unread() == [2, 2], "what the desk itself wrote does not count"
    messages = (await ana.get(f"{conversation}/messages"))["items"]
    marked = await ana.put(f"{conversation}/read-mark", {"message_id": messages[0]["id"]})
    assert marked["unread"] == 0
    assert await unread() == [0, 2]
    await desk.say("Thank you")
    assert await unread() == [1, 3]
    # Back to the first message: what came after it is unread again.
    await ana.put(f"{conversation}/read-mark", {"message_id": messages[-1]["id"]})
    assert await unread() == [2, 3]
    assert "conversation.read" in [kind for kind, _ in await desk.events()]
    elsewhere = {"message_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"}
    await ana.put(f"{conversation}/read-mark", elsewhere, status=404)


async def test_a_conversation_counts_its_window_down_and_says_when_it_is_shut(desk: Desk) -> None:
    ana = await desk.ana()
    await desk.say("How long does delivery take?")
    conversation = f"/conversations/{(await desk.conversation())['id']}"
    day = 24 * 3600
    assert day - 400 < (await ana.get(conversation))["window_seconds_left"] <= day - 300
    await ana.post(f"{conversation}/take-over")
    await desk.sql(
        "UPDATE conversation SET last_inbound_at = now() - interval '25 hours' RETURNING 1"
    )
    assert (await ana.get(conversation))["window_seconds_left"] == 0
    refused = await ana.post(f"{conversation}/messages", {"text": "Hi"}, status=409)
    assert refused["code"] == "window_closed"
