"""What people give back: the AI knows what they did, answers what they left, and does not loop."""

from typing import Any

from tests.desk import Desk

_RULE = {"when": [{"sign": "mentions", "words": {"en": ["refund"]}}]}


async def _system_message(desk: Desk) -> str:
    return str(desk.simulator.model.asked("reply")[-1].messages[0]["content"])


async def test_what_people_were_given_and_left_unanswered_the_ai_answers_and_keeps(
    desk: Desk,
) -> None:
    await desk.configure(escalation_rules=[_RULE])
    ana = await desk.ana()
    asked = "Can I return a lamp for a full refund?"
    (notice,) = await desk.say(asked)
    path = f"/conversations/{(await desk.conversation())['id']}"
    await ana.post(f"{path}/take-over")
    note = "The refund of 60 EUR is approved and arrives by Friday."
    await ana.post(f"{path}/release", {"note": note})
    await desk.work_until_idle()
    # No silence: it is answered. No loop: the rule that sent it to people does not do so again.
    assert len(desk.phone().replies) == 2
    assert "30 days" in desk.phone().replies[-1]
    conversation: Any = await desk.conversation()
    assert (conversation["status"], conversation["waiting_since"]) == ("ACTIVE", None)
    system = await _system_message(desk)
    assert note in system
    prompt = [m["content"] for m in desk.simulator.model.asked("reply")[-1].messages]
    assert notice not in prompt, "that a colleague takes over holds no more"
    assert (await ana.get(f"{path}/handoff"))["hand_back_note"] == note
    # What is new goes to people again.
    await desk.say("And a refund for the other one?")
    assert (await desk.conversation())["status"] == "WITH_HUMAN"


async def test_what_people_answered_is_not_answered_again_and_holds(desk: Desk) -> None:
    ana = await desk.ana()
    await desk.say("I want to talk to a person")
    path = f"/conversations/{(await desk.conversation())['id']}"
    await ana.post(f"{path}/take-over")
    await ana.post(f"{path}/messages", {"text": "You get 10 % off, I promise."})
    await ana.post(f"{path}/release")
    await desk.work_until_idle()
    assert desk.phone().replies[-1] == "You get 10 % off, I promise."
    assert await desk.sql("SELECT kind FROM timer"), "silence closes it, as after an answer"
    await desk.say("How long does delivery take?")
    assert "told the customer holds" in await _system_message(desk)
    prompt = [m["content"] for m in desk.simulator.model.asked("reply")[-1].messages]
    assert "You get 10 % off, I promise." in prompt
