"""What happens when a contact stays silent: a follow-up, then the close; and what prevents both."""

import pytest
from tests.desk import Desk, eventually

from frontdesk.conversation.closing import Silence, Verdict, judge_by_rule
from frontdesk.simulator import ModelFault, ModelFaultKind


async def _silence(desk: Desk, kind: str) -> None:
    await desk.sql("UPDATE timer SET due_at = now() WHERE kind = $1 RETURNING id", kind)
    await desk.work_until_idle()


async def test_a_silent_contact_is_reminded_up_to_three_times_and_then_it_closes(
    desk: Desk,
) -> None:
    await desk.configure(
        follow_up_minutes=30,
        follow_up_text="Did that help?",
        more_follow_ups=[
            {"after_minutes": 10, "text": "Still there?"},
            {"after_minutes": 20, "text": "Last call."},
        ],
        auto_close_minutes=120,
        close_text="Bye for now!",
    )
    first = await desk.say("How long does delivery take?")
    for _ in range(4):
        await _silence(desk, "follow_up")
    assert desk.phone().replies == [*first, "Did that help?", "Still there?", "Last call."]
    # A model may not have a contact asked who has been asked already.
    desk.simulator.model.next(
        "closing_check", {"verdict": "follow_up", "reason": "Is it on its way?"}
    )
    await _silence(desk, "auto_close")
    assert desk.phone().replies[-1] == "Bye for now!"
    conversation = await desk.conversation()
    assert (conversation["status"], conversation["closed_by"], conversation["close_reason"]) == (
        "CLOSED",
        "agent",
        "Is it on its way?",
    )


async def test_before_silence_closes_it_a_model_may_ask_once_more_or_call_a_person(
    desk: Desk,
) -> None:
    first = await desk.say("How long does delivery take?")
    await desk.sql("UPDATE outbound SET state = 'unknown', due_at = 'infinity' RETURNING id")
    await _silence(desk, "auto_close")
    assert not desk.simulator.model.asked("closing_check"), "nobody knows yet that it arrived"
    await desk.sql("UPDATE outbound SET state = 'sent' RETURNING id")
    desk.simulator.model.next("closing_check", {"verdict": "follow_up", "reason": "It is open."})
    await _silence(desk, "auto_close")
    assert desk.phone().replies == [*first, "Is there anything else we can do for you?"]
    assert (await desk.conversation())["status"] == "ACTIVE"
    desk.simulator.model.next(
        "closing_check", {"verdict": "hand_off", "reason": "It was promised."}
    )
    await _silence(desk, "auto_close")
    conversation = await desk.conversation()
    assert conversation["status"] == "WITH_HUMAN"
    packet = await (await desk.ana()).get(f"/conversations/{conversation['id']}/handoff")
    assert packet["rule"] == "The contact has fallen silent: It was promised."
    assert len(desk.phone().replies) == 2, "who is silent is told nothing"


async def test_no_model_that_looks_at_a_silence_is_shown_who_is_silent(desk: Desk) -> None:
    asked = "How long does delivery take? I am Wilhelmina Rossi, at 4915550001."
    await desk.say(asked, name="Wilhelmina Rossi")
    wilhelmina = {"verdict": "resolve", "reason": "[NAME_1] at [PHONE_1] has said it all."}
    desk.simulator.model.next("closing_check", wilhelmina)
    await _silence(desk, "auto_close")
    (request,) = desk.simulator.model.asked("closing_check")
    assert "I am [NAME_1], at [PHONE_1]." in request.messages[-1]["content"]
    assert "Rossi" not in str(request.messages)
    told = (await desk.conversation())["close_reason"]
    assert told == "Wilhelmina Rossi at 4915550001 has said it all."


async def test_an_agent_that_only_proposes_says_nothing_into_silence(desk: Desk) -> None:
    nudges = {"follow_up_minutes": 30, "follow_up_text": "Did that help?", "close_text": "Bye!"}
    await desk.configure(**nudges, survey_enabled=True)
    first = await desk.say("How long does delivery take?")
    await desk.configure(shadow=True)
    await _silence(desk, "follow_up")
    desk.simulator.model.next("closing_check", {"verdict": "follow_up", "reason": "It is open."})
    await _silence(desk, "auto_close")
    assert (await desk.conversation())["status"] == "CLOSED"
    assert desk.phone().replies == first


async def test_while_a_model_thinks_about_a_silence_the_contact_may_write(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    desk.simulator.configure(model_latency_seconds=(15, 15))
    await desk.sql("UPDATE timer SET due_at = now() RETURNING id")
    assert desk.dispatcher is not None
    await desk.dispatcher.sweep("conversation.timer")
    await eventually(lambda: desk.simulator.model.asked("closing_check"))
    desk.phone().say("Can I return a lamp?")
    await eventually(lambda: desk.sql("SELECT 1 FROM message WHERE text = 'Can I return a lamp?'"))
    desk.simulator.configure(model_latency_seconds=(0, 0))
    await desk.work_until_idle()
    assert (await desk.conversation())["status"] == "ACTIVE"
    assert len(await desk.sql("SELECT 1 FROM conversation")) == 1


@pytest.mark.parametrize(
    ("last", "mood", "may_ask", "verdict"),
    [
        ("It takes 3 days.", 0.0, True, Verdict.RESOLVE),
        ("Which order is it?", 0.0, True, Verdict.FOLLOW_UP),
        ("Which order is it?", None, False, Verdict.RESOLVE),
        ("I am sorry.", -0.6, True, Verdict.HAND_OFF),
    ],
)
def test_without_a_model_a_rule_says_what_silence_means(
    last: str, mood: float | None, may_ask: bool, verdict: Verdict
) -> None:
    seen = Silence((("contact", "Hello?"), ("agent", last)), mood, may_ask)
    judged = judge_by_rule(seen)
    assert judged.verdict is verdict
    assert judged.by == "system"


async def test_with_no_model_silence_closes_by_the_timer(desk: Desk) -> None:
    # A mood that a person has seen to since calls nobody.
    desk.simulator.model.next("triage", {"sentiment": -0.55})
    await desk.say("How long does delivery take?")
    ana, path = await desk.ana(), f"/conversations/{(await desk.conversation())['id']}"
    await ana.post(f"{path}/take-over")
    await ana.post(f"{path}/messages", {"text": "We are sorry. It comes tomorrow."})
    await ana.post(f"{path}/release")
    await desk.work_until_idle()
    desk.simulator.model.faults.share(ModelFault(ModelFaultKind.STATUS, http_status=401), 1.0)
    await _silence(desk, "auto_close")
    conversation = await desk.conversation()
    assert (conversation["closed_by"], conversation["close_reason"]) == ("system", "silence")


async def test_who_writes_again_soon_is_answered_with_the_conversation_before_in_mind(
    desk: Desk,
) -> None:
    await desk.say("How long does delivery take?")
    await _silence(desk, "auto_close")
    before = await desk.conversation()
    await desk.say("And can I return it?")
    after = await desk.conversation()
    assert after["previous_id"] == before["id"] != after["id"]
    asked = [m["content"] for m in desk.simulator.model.asked("reply")[-1].messages]
    assert "How long does delivery take?" in asked
    await desk.configure(recall_minutes=None)
    await desk.say("Thanks. Can I return a lamp?")
    asked = [m["content"] for m in desk.simulator.model.asked("reply")[-1].messages]
    assert "How long does delivery take?" not in asked


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
    # What a model would have asked can't be asked either, so it ends, and not in another round.
    desk.simulator.model.next("closing_check", {"verdict": "follow_up", "reason": "It is open."})
    await _silence(desk, "auto_close")
    assert (await desk.conversation())["status"] == "CLOSED"


async def test_a_goodbye_closes_the_conversation_soon(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    desk.simulator.model.next("reply", {"text": "Goodbye!", "action": "close", "confidence": 0.95})
    await desk.say("That is all I wanted to know, goodbye")
    rows = await desk.sql(
        "SELECT kind, extract(epoch FROM due_at - now())::float8 AS seconds FROM timer"
    )
    assert [row["kind"] for row in rows] == ["auto_close"]
    assert rows[0]["seconds"] < 130
