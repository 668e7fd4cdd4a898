"""What happens when a contact stays silent: a follow-up, then the close; and what prevents both."""

from tests.desk import Desk


async def _silence(desk: Desk, kind: str) -> None:
    await desk.sql("UPDATE timer SET due_at = now() WHERE kind = $1 RETURNING id", kind)
    await desk.work_until_idle()


async def test_a_silent_contact_is_reminded_once_and_then_the_conversation_closes(
    desk: Desk,
) -> None:
    await desk.configure(
        follow_up_minutes=30,
        follow_up_text="Did that help?",
        auto_close_minutes=60,
        close_text="Bye for now!",
    )
    first = await desk.say("How long does delivery take?")
    await _silence(desk, "follow_up")
    await _silence(desk, "follow_up")
    assert desk.phone().replies == [*first, "Did that help?"]
    await _silence(desk, "auto_close")
    assert desk.phone().replies[-1] == "Bye for now!"
    conversation = await desk.conversation()
    assert (conversation["status"], conversation["closed_by"]) == ("CLOSED", "system")


async def test_a_contact_who_writes_again_is_not_reminded(desk: Desk) -> None:
    await desk.configure(follow_up_minutes=30, follow_up_text="Did that help?")
    await desk.say("How long does delivery take?")
    desk.phone().say("Can I return a lamp?")
    await desk.work_until_idle()
    kinds = await desk.sql("SELECT kind FROM timer ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["auto_close", "follow_up"], "set anew, not doubled"


async def test_a_takeover_ends_the_timers(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    assert await desk.sql("SELECT 1 FROM timer")
    ana = await desk.ana()
    await ana.post(f"/conversations/{(await desk.conversation())['id']}/take-over")
    assert await desk.sql("SELECT 1 FROM timer") == []


async def test_outside_the_window_nobody_is_reminded(desk: Desk) -> None:
    await desk.configure(follow_up_minutes=30, follow_up_text="Did that help?")
    replies = await desk.say("How long does delivery take?")
    await desk.sql(
        "UPDATE conversation SET last_inbound_at = now() - interval '25 hours' RETURNING id"
    )
    await _silence(desk, "follow_up")
    assert desk.phone().replies == replies


async def test_a_goodbye_closes_the_conversation_soon(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    desk.simulator.model.next("reply", {"text": "Goodbye!", "action": "close", "confidence": 0.95})
    await desk.say("That is all I wanted to know, goodbye")
    rows = await desk.sql(
        "SELECT kind, extract(epoch FROM due_at - now())::float8 AS seconds FROM timer"
    )
    assert [row["kind"] for row in rows] == ["auto_close"]
    assert rows[0]["seconds"] < 130
