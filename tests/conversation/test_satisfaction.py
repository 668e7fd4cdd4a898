"""What contacts say of a conversation after its close, and thumbs on the AI's answers."""

from typing import Any

import pytest
from tests.desk import Desk

from frontdesk.conversation.survey_answers import score_of
from frontdesk.conversation.surveying import Ended, why_not_ask
from frontdesk.simulator.threads import Template


async def _close(desk: Desk) -> str:
    ana = await desk.ana()
    conversation_id = (await desk.conversation())["id"]
    await ana.post(f"/conversations/{conversation_id}/close", {"reason": "resolved"})
    await desk.work_until_idle()
    return str(conversation_id)


async def _survey(desk: Desk, conversation_id: str) -> Any:
    return await (await desk.ana()).get(f"/conversations/{conversation_id}/survey")


async def test_a_contact_is_asked_after_the_close_and_the_answer_is_no_question(
    desk: Desk,
) -> None:
    await desk.configure(survey_enabled=True, survey_every_days=0)
    ana = await desk.ana()
    await desk.say("How long does delivery take?")
    path = f"/conversations/{(await desk.conversation())['id']}"
    await ana.post(f"{path}/take-over")
    await ana.post(f"{path}/messages", {"text": "Ana here."})
    await desk.work_until_idle()
    first = await _close(desk)
    phone = desk.phone()
    assert phone.replies[-1] == "How did we do?"
    phone.tap("😐 Fair")
    await desk.work_until_idle()
    assert (await desk.conversation())["id"] == first, "an answer opens no conversation"
    survey = await _survey(desk, first)
    assert (survey["state"], survey["score"]) == ("answered", 3)
    assert (survey["handled_by"], survey["handled_by_user_id"]) == ("human_agent", str(ana.id))
    assert (survey["closed_by"], survey["closed_by_user_id"]) == ("human_agent", str(ana.id))
    # Typed, it counts too; and while another conversation goes on it means what it says there.
    await desk.say("Can I return a lamp?")
    unsaid = await _close(desk)
    await desk.say("Can I return a chair?")
    second = await _close(desk)
    await desk.say("5")
    assert (await _survey(desk, second))["score"] == 5
    assert (await _survey(desk, unsaid))["state"] == "asked", "it is said of the last one alone"
    asked = len(desk.simulator.model.asked("reply"))
    await desk.say("Can I return it within 30 days?")
    phone.tap("🙁 Bad")
    await desk.work_until_idle()
    assert (await _survey(desk, second))["score"] == 1, "the last tap counts"
    assert len(desk.simulator.model.asked("reply")) == asked + 1
    figures = await ana.get(f"/agents/{desk.agent_id}/satisfaction")
    assert figures["surveys"] == {"asked": 3, "answered": 2, "satisfied": 0, "mean_score": 2.0}
    assert figures["by_handler"]["human_agent"]["mean_score"] == 3
    assert figures["by_handler"]["agent"]["mean_score"] == 1
    answered = [payload for kind, payload in await desk.events() if kind == "survey.answered"]
    assert [each["score"] for each in answered] == [3, 5, 1]


async def test_who_can_not_or_should_not_be_asked_is_not(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    missing = await (await desk.ana()).http.get(
        f"/api/v1/conversations/{await _close(desk)}/survey"
    )
    assert missing.status_code == 404, "it is off"
    await desk.configure(survey_enabled=True)
    await desk.say("How long does delivery take?")
    await desk.sql(
        "UPDATE conversation SET last_inbound_at = now() - interval '25 hours' RETURNING id"
    )
    closed = await _close(desk)
    assert (await _survey(desk, closed))["skipped_reason"] == "window_closed"
    ana = await desk.ana()
    await ana.post(f"/conversations/{closed}/reopen")
    await desk.say("And now?")
    assert await _close(desk) == closed
    assert (await _survey(desk, closed))["state"] == "asked"
    await desk.say("Can I return a lamp?")
    assert (await _survey(desk, await _close(desk)))["skipped_reason"] == "asked_lately"
    figures = await ana.get(f"/agents/{desk.agent_id}/satisfaction")
    assert figures["not_asked"] == {"asked_lately": 1}


async def test_once_the_window_has_closed_a_template_asks_whose_buttons_count_the_same(
    desk: Desk,
) -> None:
    """Of the desk's own account, with three quick replies; one without them asks nobody."""
    faces = ("Good", "Fair", "Bad")
    desk.simulator.register_channel(
        desk.phone_number_id,
        templates=(
            Template("how_was_it", "en", "Hi {{1}}, how did we do?", quick_replies=faces),
            Template("plain", "en", "How did we do?"),
        ),
    )
    await (await desk.admin()).post("/templates/sync", status=204)
    await desk.work_until_idle()
    phone = desk.phone()
    for name, state in (("plain", "skipped"), ("how_was_it", "asked")):
        template = {"name": name, "language": "en"}
        await desk.configure(survey_enabled=True, survey_template=template)
        await desk.say("How long does delivery take?")
        await desk.sql(
            "UPDATE conversation SET last_inbound_at = now() - interval '25 hours' RETURNING id"
        )
        closed = await _close(desk)
        survey = await _survey(desk, closed)
        assert (survey["state"], survey["skipped_reason"]) == (
            state,
            "window_closed" if state == "skipped" else None,
        )
    name = phone.contact.name
    shown = (await (await desk.ana()).get(f"/conversations/{closed}/messages"))["items"]
    assert f"Hi {name}, how did we do?\n\n[Good] [Fair] [Bad]" in [each["text"] for each in shown]
    phone.tap("Fair")
    await desk.work_until_idle()
    survey = await _survey(desk, closed)
    assert (survey["state"], survey["score"]) == ("answered", 3)
    assert (await desk.conversation())["id"] == closed, "an answer opens no conversation"


async def test_thumbs_count_from_the_contact_and_from_people(desk: Desk) -> None:
    ana = await desk.ana()
    await desk.say("How long does delivery take?")
    phone = desk.phone()
    phone.react("👎🏽")
    await desk.work_until_idle()
    page = await ana.get("/ratings", value="down")
    (rating,) = page["items"]
    assert (rating["by"], rating["text"]) == ("contact", phone.replies[-1])
    answer = f"/messages/{rating['message_id']}/rating"
    await ana.put(answer, {"value": "up", "comment": "It is right."}, status=204)
    phone.react("")
    await desk.work_until_idle()
    (rating,) = (await ana.get("/ratings", agent_id=str(desk.agent_id)))["items"]
    assert (rating["by"], rating["value"], rating["comment"]) == (
        "human_agent",
        "up",
        "It is right.",
    )
    figures = await ana.get(f"/agents/{desk.agent_id}/satisfaction")
    assert figures["thumbs"] == {"human_agent": {"up": 1, "down": 0}}
    (theirs,) = await desk.sql("SELECT id FROM message WHERE direction = 'in' AND type = 'text'")
    refused = await ana.put(f"/messages/{theirs['id']}/rating", {"value": "up"}, status=409)
    assert refused["code"] == "not_an_answer"
    gone = await ana.http.delete(f"/api/v1{answer}")
    assert gone.status_code == 204
    assert (await ana.get("/ratings"))["items"] == []
    entries = (await (await desk.admin()).get("/audit-entries", limit=50))["items"]
    assert [
        (each["action"], each["details"]) for each in entries if "rating" in each["action"]
    ] == [("rating.removed", {"before": {"value": "up", "comment": "It is right."}, "after": None})]
    assert len(desk.simulator.model.asked("reply")) == 1, "a reaction is no question"


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("5", 5),
        (" 3 ", 3),
        ("😊", 5),
        ("☹️", 1),
        ("👎🏿", 1),
        ("6", None),
        ("55", None),
        ("5 stars", None),
    ],
)
def test_only_a_score_by_itself_is_an_answer(text: str, score: int | None) -> None:
    assert score_of(text) == score


def test_the_first_reason_not_to_ask_is_told() -> None:
    fine = Ended(
        was_answered=True,
        goes_on=False,
        opted_out=False,
        can_be_reached=True,
        asked_lately=False,
    )
    assert why_not_ask(fine) is None
    assert why_not_ask(Ended(False, False, False, True, False)) == "never_answered"
    assert why_not_ask(Ended(True, False, True, False, True)) == "opted_out"
