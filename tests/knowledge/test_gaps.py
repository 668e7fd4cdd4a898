"""What the knowledge does not answer, from the contact's question to the article that fills the gap."""

from uuid import uuid4

from tests.knowledge.test_knowledge import ingest_all

from frontdesk.knowledge import note_gap
from frontdesk.knowledge.gaps import key_of

ASKED = "Do you deliver to Réunion? Write to jane@doe.example"


async def ask(shop, agent_id, question):
    async with shop.resources.db.hot(shop.id) as tx:
        await note_gap(
            tx,
            agent_id,
            uuid4(),
            question=question,
            missing="Nothing is said of islands.",
            language="en",
        )


async def gaps(shop, **query):
    answer = await shop.human.http.get("/api/v1/knowledge/gaps", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_gap_is_counted_filled_by_a_person_and_counted_on(shop):
    agent_id = await shop.agent()
    await ask(shop, agent_id, "Do you have curtains?")
    for question in (ASKED, "do you DELIVER to Reunion?? write to jane@doe.example", "?!"):
        await ask(shop, agent_id, question)
    most, other = await gaps(shop)
    assert (most["times"], most["missing"]) == (2, "Nothing is said of islands.")
    assert most["question"].startswith("do you DELIVER to Reunion??")  # As it was asked last.
    assert "jane@doe.example" not in most["question"]
    assert other["times"] == 1
    told = await shop.sql("SELECT 1 FROM feed_event WHERE kind = 'knowledge.gap_found'")
    assert len(told) == 2

    path = f"/api/v1/knowledge/gaps/{most['id']}"
    article = {"title": "Islands", "body": "We deliver to Réunion once a week."}
    assert (await shop.human.http.post(f"{path}/answer", json=article)).status_code == 403
    answered = await shop.admin.http.post(f"{path}/answer", json=article)
    assert answered.status_code == 200, answered.text
    await ingest_all(shop)
    source = await shop.admin.http.get(f"/api/v1/knowledge/sources/{answered.json()['source_id']}")
    assert (source.json()["title"], source.json()["state"]) == ("Islands", "ready")
    await ask(shop, agent_id, ASKED)
    (filled,) = await gaps(shop, state="answered", agent_id=str(agent_id))
    assert (filled["times"], filled["times_after"]) == (2, 1)
    gone = await shop.admin.http.post(f"/api/v1/knowledge/gaps/{other['id']}/dismiss")
    assert gone.json()["state"] == "dismissed"
    assert await gaps(shop) == []
    nowhere = await shop.admin.http.post(f"/api/v1/knowledge/gaps/{agent_id}/dismiss")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "no_such_gap")


def test_a_question_is_the_same_whatever_the_order_case_and_accents_of_its_words():
    assert key_of("Do you deliver to Réunion?") == key_of("To REUNION: deliver you do")
    assert key_of("wo?") == "wo"
    assert key_of("🦊") == ""
