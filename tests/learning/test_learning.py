"""From what a person answered to an article the agent answers from, and what that is worth."""

from uuid import UUID, uuid4

from tests.desk import Desk

from frontdesk.knowledge import note_gap
from frontdesk.knowledge.clusters import group
from frontdesk.learning.threads import pairs_of
from frontdesk.simulator import ModelFault, ModelFaultKind

ISLANDS = {
    "helps_others": True,
    "title": "Deliveries to islands",
    "body": "Islands are served every Friday; it costs 9 euro more.",
}
ANSWER = "Hello Ada, to the islands we deliver every Friday, for 9 euro more."


async def _answered(desk: Desk, question: str, answer: str = ANSWER, number: str = "1") -> UUID:
    """A conversation that a person has answered and closed."""
    admin = await desk.admin()
    phone = f"491555000{number}"
    await desk.say(question, number=phone, name="Ada Moss")
    conversation = await desk.conversation(phone)
    place = f"/conversations/{conversation['id']}"
    await admin.post(f"{place}/take-over")
    await admin.post(f"{place}/messages", {"text": answer})
    await admin.post(f"{place}/close", {"reason": "done"})
    await desk.work_until_idle()
    # What the agent passed on itself is for the tests about gaps to say.
    await desk.sql("DELETE FROM knowledge_gap RETURNING 1")
    return UUID(conversation["id"])


async def _gap(desk: Desk, question: str, conversation_id: UUID | None = None) -> None:
    async with desk.resources.db.hot(desk.id) as tx:
        await note_gap(
            tx,
            desk.agent_id,
            conversation_id or uuid4(),
            question=question,
            missing="Nothing is said of it.",
            language="en",
        )


async def _learn(desk: Desk) -> list[dict]:
    admin = await desk.admin()
    await admin.post(f"/agents/{desk.agent_id}/learning", status=202)
    await desk.work_until_idle()
    return (await admin.get(f"/agents/{desk.agent_id}/learnt-articles"))["items"]


async def _from_the_beginning(desk: Desk) -> None:
    await desk.sql("UPDATE learning_round SET through_at = NULL RETURNING 1")


async def test_what_a_person_answered_is_proposed_masked_and_answered_from_once_approved(
    desk: Desk,
) -> None:
    admin = await desk.admin()
    where = await _answered(desk, "This is Ada Moss. Do you also deliver to islands?")
    desk.simulator.model.next("article_draft", ISLANDS)
    (article,) = await _learn(desk)
    assert (article["state"], article["learnt_from"]) == ("proposed", "answer")
    assert (article["title"], UUID(article["conversation_id"])) == (ISLANDS["title"], where)
    (asked,) = desk.simulator.model.asked("article_draft")
    assert "every Friday" in asked.messages[-1]["content"]
    assert not any(word in asked.messages[-1]["content"] for word in ("Ada", "Moss"))
    told = [payload for kind, payload in await desk.events() if kind.startswith("learning.")]
    assert [each["article_id"] for each in told] == [article["id"]]

    # Not before somebody approves it.
    assert not await desk.sql("SELECT 1 FROM knowledge_source WHERE title = $1", ISLANDS["title"])
    mended = {"body": "Islands: every Friday, 9 euro more."}
    done = await admin.post(f"/learnt-articles/{article['id']}/approve", mended)
    await desk.work_until_idle()
    source = await admin.get(f"/knowledge/sources/{done['source_id']}")
    assert (source["title"], source["body"]) == (ISLANDS["title"], mended["body"])
    assert source["state"] == "ready"
    again = await admin.post(f"/learnt-articles/{article['id']}/reject", status=409)
    assert again["code"] == "article_reviewed"


async def test_the_same_words_cost_no_second_call_and_what_was_rejected_stays_away(
    desk: Desk,
) -> None:
    admin = await desk.admin()
    await _answered(desk, "Do you also deliver to islands?")
    desk.simulator.model.next("article_draft", ISLANDS)
    (article,) = await _learn(desk)
    await admin.post(f"/learnt-articles/{article['id']}/reject")
    await _from_the_beginning(desk)
    await _answered(desk, "do you also deliver to ISLANDS?", number="2")
    assert [each["state"] for each in await _learn(desk)] == ["rejected"]
    assert len(desk.simulator.model.asked("article_draft")) == 1


async def test_what_helps_one_contact_only_or_names_somebody_is_proposed_to_nobody(
    desk: Desk,
) -> None:
    await _answered(desk, "Where is my parcel, please?")
    await _answered(desk, "Who repairs lamps at your place?", number="2")
    own = {"helps_others": False, "title": "", "body": ""}
    named = {"helps_others": True, "title": "Repairs", "body": "Write to kim@doe.example for it."}
    desk.simulator.model.next("article_draft", own)
    desk.simulator.model.next("article_draft", named)
    assert await _learn(desk) == []
    await _from_the_beginning(desk)
    assert await _learn(desk) == []
    assert len(desk.simulator.model.asked("article_draft")) == 2


async def test_a_question_asked_in_vain_in_many_words_becomes_one_article_and_is_measured(
    desk: Desk,
) -> None:
    admin = await desk.admin()
    where = await _answered(desk, "Do you deliver parcels to islands?")
    desk.simulator.model.next("article_draft", {"helps_others": False, "title": "", "body": ""})
    await _learn(desk)
    await _gap(desk, "Do you deliver parcels to islands?", where)
    await _gap(desk, "Could you deliver parcels to small islands?")
    await _gap(desk, "Have you got curtains?")
    desk.simulator.model.next("article_draft", ISLANDS)
    (article,) = [each for each in await _learn(desk) if each["learnt_from"] == "gap"]
    place = "/knowledge/gap-clusters"
    most, other = await admin.get(place, agent_id=str(desk.agent_id))
    assert (most["times"], len(most["questions"]), most["deflection_rate"]) == (2, 2, None)
    assert other["questions"] == ["Have you got curtains?"]

    await admin.post(f"/learnt-articles/{article['id']}/approve")
    await desk.work_until_idle()
    assert {row["state"] for row in await desk.sql("SELECT state FROM knowledge_gap")} == {
        "answered",
        "open",
    }
    reply = {
        "text": "To islands we deliver every Friday, for 9 euro more.",
        "action": "reply",
        "confidence": 0.9,
        "reasoning": "The facts say so.",
        "suggested_next_action": None,
        "sources": [ISLANDS["title"]],
    }
    for number in ("3", "4", "5"):
        desk.simulator.model.next("reply", reply)
        await desk.say("Do you deliver to islands?", number=f"491555000{number}")
    await _gap(desk, "Do you deliver parcels to islands?")
    await _learn(desk)
    (filled,) = await admin.get(place, agent_id=str(desk.agent_id), state="answered")
    assert (filled["times"], filled["times_after"], filled["deflected"]) == (2, 1, 3)
    assert filled["deflection_rate"] == 0.75
    # With the contact goes what was made of their words.
    (contact,) = await desk.sql("SELECT id FROM contact WHERE wa_id = '4915550001'")
    await admin.post("/erasures", {"contact_id": str(contact["id"])})
    await desk.work_until_idle()
    assert await desk.sql("SELECT 1 FROM learnt_article") == []


async def test_without_a_model_the_round_is_put_off_by_an_hour_until_it_is_stopped(
    desk: Desk,
) -> None:
    await _answered(desk, "Do you also deliver to islands?")
    broken = ModelFault(ModelFaultKind.STATUS, http_status=401)
    desk.simulator.model.faults.next(broken, 6, only="article_draft")
    assert await _learn(desk) == []
    (put_off,) = await desk.sql(
        "SELECT due_at > now() + interval '50 minutes' AS later, due_at < now() + interval '2 hours' "
        "AS soon FROM learning_round"
    )
    assert (put_off["later"], put_off["soon"]) == (True, True)
    admin = await desk.admin()
    answer = await admin.http.delete(f"/api/v1/agents/{desk.agent_id}/learning")
    assert answer.status_code == 204
    assert await desk.sql("SELECT 1 FROM learning_round WHERE due_at IS NOT NULL") == []


def test_an_answer_belongs_to_the_contacts_messages_right_before_it():
    thread = [
        ("human_agent", "We are always glad to help you, do write."),
        ("contact", "Hello"),
        ("contact", "do you deliver to islands?"),
        ("agent", "I pass you on to a colleague."),
        ("human_agent", "Yes, to all islands,"),
        ("human_agent", "every Friday of the year."),
        ("contact", "Thanks"),
        ("human_agent", "You are welcome, have a very nice day!"),
    ]
    assert pairs_of(thread) == [
        (
            "Hello\ndo you deliver to islands?",
            "Yes, to all islands,\nevery Friday of the year.",
        )
    ]


def test_questions_are_one_when_their_vectors_or_without_those_their_words_are_alike():
    questions = ("deliver parcels islands", "curtains", "deliver parcels small islands")
    assert group(questions, ()) == [0, 1, 0]
    assert group(questions, ((1.0, 0.0), (0.8, 0.6), (0.0, 1.0))) == [0, 0, 2]
