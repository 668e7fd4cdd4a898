"""Colleagues in one conversation: who looks at it, who types, and who was faster."""

import asyncio
from uuid import uuid4

from tests.desk import Desk, eventually
from tests.feed.live import serving, watching

from frontdesk.conversation.watching import BURST
from frontdesk.feed.announcer import CHANNEL


async def test_who_looks_and_types_is_told_live_and_kept_nowhere(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    path = f"/conversations/{(await desk.conversation())['id']}"
    ana, ben = await desk.ana(), await desk.ben()
    async with serving(desk.app) as url, watching(url, dict(ben.http.cookies)) as watcher:
        hello = await watcher.next()

        async def is_listening() -> bool:
            ((_, listeners),) = await desk.resources.redis.pubsub_numsub(CHANNEL)
            return bool(listeners)

        # What is kept nowhere is lost on who listens a moment later.
        await eventually(is_listening)
        for doing in ("viewing", "typing", "left"):
            there = await ana.post(f"{path}/watch", {"doing": doing})
            event = await watcher.next()
            assert (event.kind, event.data["doing"]) == ("conversation.watched", doing)
            assert event.data["user_id"] == str(ana.id)
            assert event.id == "", "Last-Event-ID stays that of what was missed last"
            expected = [] if doing == "left" else [{"user_id": str(ana.id), "doing": doing}]
            assert there == (await ben.get(path))["viewers"] == expected
    page = await ben.get("/feed/events", after=hello.id)
    assert page["items"] == [], "whoever polls is not told"
    await ana.post(f"/conversations/{uuid4()}/watch", {"doing": "left"}, status=404)
    # Many more than there are, as some come back however quickly they are taken.
    often = (
        ana.http.post(f"/api/v1{path}/watch", json={"doing": "viewing"})
        for _ in range(3 * int(BURST))
    )
    answers = [answer.json() for answer in await asyncio.gather(*often)]
    assert "rate_limited" in [each["code"] for each in answers if "code" in each]


async def test_a_reply_is_held_back_when_a_colleague_has_answered_since(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    path = f"/conversations/{(await desk.conversation())['id']}"
    ana, admin = await desk.ana(), await desk.admin()
    await ana.post(f"{path}/take-over")
    seen = (await ana.get(f"{path}/messages"))["items"][0]["id"]
    theirs = await admin.post(f"{path}/messages", {"text": "I am on it."})
    mine = {"text": "Tomorrow.", "seen_message_id": seen}
    held = await ana.post(f"{path}/messages", mine, status=409)
    assert held["code"] == "colleague_answered"
    assert (held["user_id"], held["message_id"]) == (str(admin.id), theirs["id"])
    assert 0 <= held["seconds_ago"] < 60
    await ana.post(f"{path}/messages", mine | {"anyway": True}, status=201)
    # Once they have seen it, or what they themselves have written since, nothing is in the way.
    for text in ("And:", "on Monday."):
        await ana.post(
            f"{path}/messages", {"text": text, "seen_message_id": theirs["id"]}, status=201
        )
    await desk.work_until_idle()
    assert desk.phone().replies[-4:] == ["I am on it.", "Tomorrow.", "And:", "on Monday."]
