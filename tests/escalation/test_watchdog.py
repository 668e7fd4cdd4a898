"""Contacts who wait too long are listed with whose it is and why, and told once each."""

from typing import Any

from tests.desk import Desk

from frontdesk.observability.overdue import look_at_waiting


async def _wait(desk: Desk) -> None:
    await desk.sql(
        "UPDATE conversation SET waiting_since = waiting_since - interval '20 minutes' RETURNING 1"
    )
    await desk.work_until_idle()


async def _told(desk: Desk) -> list[Any]:
    return [payload for kind, payload in await desk.events() if kind == "conversation.overdue"]


async def test_who_waits_too_long_is_listed_with_owner_and_reason_and_told_once(
    desk: Desk,
) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    await desk.say("How long does delivery take?", number="4915550001")
    await desk.say("I want to talk to a person", number="4915550002")
    await admin.post(f"/channels/{desk.channel_id}/pause")
    await desk.say("How long does shipping take?", number="4915550003")
    await _wait(desk)
    await desk.work_until_idle()
    listed = await ana.get("/overdue")
    assert [(each["owner"], each["reason"]) for each in listed] == [
        ("queue", "It waits for a human agent: When the contact asks for a person → person.")
    ], "what was answered, or waits to be sent, is no longer anybody's to answer"
    assert len(await _told(desk)) == 1
    await ana.post(f"/conversations/{listed[0]['conversation_id']}/take-over")
    (late,) = await ana.get("/overdue")
    assert (late["owner"], late["assigned_user_id"]) == ("human_agent", str(ana.id))
    async with desk.resources.db.system() as connection:
        overdue = (await look_at_waiting(connection)).overdue_contacts
    assert overdue["human_agent"] >= 1, "of all tenants"
    await ana.post(f"/conversations/{late['conversation_id']}/messages", {"text": "Here I am."})
    assert await ana.get("/overdue") == []
    # A new message begins a new wait.
    await desk.say("One more thing", number="4915550002")
    await _wait(desk)
    assert len(await _told(desk)) == 2
    # An agent's contacts may wait for longer, or less long, than the tenant's other ones.
    assert len(await ana.get("/overdue")) == 1
    await desk.configure(overdue_after_minutes=60)
    assert await ana.get("/overdue") == []
    await desk.configure(overdue_after_minutes=5)
    assert len(await ana.get("/overdue")) == 1
    await desk.configure(overdue_after_minutes=None)
    policy = {"return_after_minutes": None, "return_to": "alert", "overdue_after_minutes": None}
    await admin.put("/assignment-policy", policy)
    assert await ana.get("/overdue") == []
