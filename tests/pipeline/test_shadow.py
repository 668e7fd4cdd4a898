"""The shadow agent: it reads and proposes, people send; and how often contacts repeat themselves."""

import pytest
from tests.desk import Desk

from frontdesk.escalation.repetition import count_repeated, repeats

ASKS = "How long does delivery take? My order is A-10427."


async def test_a_shadow_agent_proposes_to_people_and_sends_nothing(desk: Desk) -> None:
    await desk.configure(shadow=True)
    ana, admin = await desk.ana(), await desk.admin()
    await ana.put("/me/availability", {"presence": "online"})
    assert await desk.say(ASKS) == []
    conversation = await desk.conversation()
    at = f"/conversations/{conversation['id']}"
    assert (conversation["status"], conversation["assigned_user_id"]) == ("WITH_HUMAN", str(ana.id))
    handoff = await ana.get(f"{at}/handoff")
    assert handoff["reason"] == "shadow"
    (proposal,) = (await ana.get(f"{at}/suggestions"))["items"]
    assert (proposal["task"], proposal["state"]) == ("shadow", "done")
    assert "3 to 5 working days" in proposal["text"]
    assert proposal["sources"][0]["title"] == "Shipping"
    assert proposal["call_ids"]
    told = [payload for kind, payload in await desk.events() if kind == "suggestion.finished"]
    assert [each["suggestion_id"] for each in told] == [proposal["id"]]
    # What people answer is compared with it, whether or not they say that they used it.
    answer = proposal["text"].replace("3 to 5", "4 to 6")
    await ana.post(f"{at}/messages", {"text": answer})
    # It goes on while they have the conversation, once for a burst, and not where it is switched off.
    assert await desk.say("My order is A-10427!", "Can I return anything for a full refund?") == [
        answer
    ]
    second, _ = (await ana.get(f"{at}/suggestions"))["items"]
    assert "30 days" in second["text"]
    feature = await desk.sql("SELECT DISTINCT feature FROM llm_call WHERE feature = 'shadow'")
    assert len(feature) == 1
    await ana.post(f"{at}/messages", {"text": "No.", "draft_id": second["id"]})
    outcomes = (await admin.get("/draft-outcomes", source="shadow"))["items"]
    assert {each["draft_id"]: each["fate"] for each in outcomes} == {
        proposal["id"]: "edited",
        second["id"]: "discarded",
    }
    assert {each["prompt_name"] for each in outcomes} == {"reply"}
    await desk.configure(shadow=False)
    await desk.say("And where are you?")
    assert len((await ana.get(f"{at}/suggestions"))["items"]) == 2
    # The packet had told the order number: the contact had to say it again.
    await ana.post(f"{at}/close", {"reason": "resolved"})
    (day,) = await admin.get("/repeated-facts")
    assert (day["agent_id"], day["handoffs"]) == (str(desk.agent_id), 1)
    assert (day["facts_given"], day["facts_repeated"]) == (1, 1)


@pytest.mark.parametrize(
    ("fact", "message", "again"),
    [
        ("The order number is A-10427.", "as I said, a-10427", True),
        ("The order number is A-10427.", "It is B-10427", False),
        ("Lives in Porto", "I told you: lives in  PORTO!", True),
        ("The lamp arrived with a broken glass shade", "the glass shade of the lamp arrived broken", True),
        ("The lamp arrived with a broken glass shade", "The lamp is fine", False),
        ("Wants a refund", "I want my money", False),
        ("", "anything", False),
    ],
)  # fmt: skip
def test_what_counts_as_said_again(fact: str, message: str, again: bool) -> None:
    assert repeats(fact, message) is again
    assert count_repeated([fact, fact], [message]) == (int(bool(fact)), int(again))
