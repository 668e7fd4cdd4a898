"""Two contacts begin with the same question: the second is answered for nothing."""

from tests.desk import Desk


async def test_a_first_question_asked_before_costs_nothing_and_the_report_says_what_it_saved(
    desk: Desk,
) -> None:
    first = await desk.say("How long does delivery take?")
    asked = len(desk.simulator.model.requests)
    again = await desk.say("how long does delivery  take?", number="4915550002")
    assert again == first
    assert len(desk.simulator.model.requests) == asked
    admin = await desk.admin()
    total = (await admin.get("/usage", kind="llm"))["total"]
    assert (total["calls"], total["cache_hits"], total["cache_hit_rate"]) == (2, 2, 0.5)
    assert float(total["saved_usd"]) == float(total["amount_usd"]) > 0
    calls = (await admin.get("/llm-calls"))["items"]
    assert [call["cache_hit"] for call in calls] == [True, True, False, False]

    # A new version of the agent begins anew; a thread with history is no first question.
    await desk.say("How long does delivery take?", number="4915550002")
    await desk.configure(persona="You are Oswald, the assistant of Lumen & Oak.")
    await desk.say("How long does delivery take?", number="4915550003")
    replies = [r for r in desk.simulator.model.requests if r.schema_name == "reply"]
    assert len(replies) == 3
