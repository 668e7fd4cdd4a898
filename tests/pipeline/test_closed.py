"""Outside business hours: who needs a person hears when it opens, once, and what becomes of them."""

from datetime import UTC, datetime, timedelta

from tests.desk import Desk

_PERSON = "I want to talk to a person"


# Of a business that opens in three days: neither today nor tomorrow, when midnight passes meanwhile.
_DAY = (datetime.now(UTC) + timedelta(days=3)).strftime("%A")
_HOURS = {"time_zone": "UTC", "week": {_DAY.lower(): [{"start": "09:00", "end": "18:00"}]}}
_OPENING = f"We open again on {_DAY}, 09:00."


async def test_who_needs_a_person_waits_for_the_morning_and_hears_of_it_once(desk: Desk) -> None:
    await desk.configure(business_hours=_HOURS)
    assert "working days" in (await desk.say("How long does shipping take?"))[-1], "the AI goes on"
    told = await desk.say(_PERSON)
    assert told[-1].endswith(_OPENING)
    conversation = await desk.conversation()
    assert conversation["status"] == "WITH_HUMAN"
    ana = await desk.ana()
    # Given back and needed again in the same absence: nobody is told twice.
    await ana.post(f"/conversations/{conversation['id']}/take-over")
    await ana.post(f"/conversations/{conversation['id']}/release")
    again = await desk.say(_PERSON + "!")
    assert (await desk.conversation())["status"] == "WITH_HUMAN"
    assert sum(text.endswith(_OPENING) for text in again) == 1
    # In the morning the queue is theirs.
    await ana.put("/me/availability", {"presence": "online"})
    await desk.work_until_idle()
    assert (await desk.conversation())["assigned_user_id"] == str(ana.id)


async def test_a_tenant_may_call_back_instead_or_say_when_it_opens_and_no_more(desk: Desk) -> None:
    await desk.configure(business_hours=_HOURS, when_closed="callback")
    (told,) = await desk.say(_PERSON)
    assert "write your number" in told
    assert (await desk.conversation())["tags"] == ["callback"]
    await desk.configure(when_closed="message", answers_when_closed=False)
    first = await desk.say("How long does shipping take?", number="4915550002")
    more = await desk.say("Hello? How long?", "Anybody?", number="4915550002")
    assert first == more, "no flood"
    assert first[0].endswith(_OPENING)
    assert "write to us again" in first[0], "nobody gets it, so nobody is said to answer it"
    conversation = await desk.conversation("4915550002")
    assert (conversation["status"], conversation["waiting_since"]) == ("ACTIVE", None)
    assert await desk.sql("SELECT 1 FROM handoff") == await desk.sql("SELECT 1")
    kinds = await desk.sql("SELECT kind FROM timer")
    assert [row["kind"] for row in kinds] == ["auto_close"]
    assert not desk.simulator.model.asked("reply"), "no model is paid for it"
    # Withdrawn before it left, it was not said: it is once there is no answer after all.
    await desk.sql("UPDATE channel SET status = 'PAUSED' RETURNING id")
    third = "4915550003"
    assert await desk.say("How long does shipping take?", number=third) == []
    ana, path = await desk.ana(), f"/conversations/{(await desk.conversation(third))['id']}"
    await ana.post(f"{path}/take-over")
    await desk.sql("UPDATE channel SET status = 'CONNECTED' RETURNING id")
    await ana.post(f"{path}/release")
    await desk.work_until_idle()
    assert desk.phone(third).replies == first
