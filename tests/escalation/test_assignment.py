"""Who gets a conversation, who waits, and what becomes of it when nobody answers."""

from typing import Any
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from tests.desk import PASSWORD, Desk, Person, eventually

from frontdesk import identity
from frontdesk.core import migrate
from frontdesk.core.callers import Role
from frontdesk.escalation.queueing import expected_minutes

_PERSON = "I want to talk to a person"


async def _more_people(desk: Desk, count: int) -> list[Person]:
    people = []
    for number in range(count):
        email = f"more-{number}@{desk.id}.example"
        async with desk.resources.db.system_transaction() as tx:
            user_id = await identity.create_user(tx, email, f"More {number}", PASSWORD)
            await identity.add_member(tx, desk.id, user_id, Role.HUMAN_AGENT)
        person = Person(desk.app, user_id, email)
        desk.people.append(person)
        await person.sign_in()
        people.append(person)
    return people


async def _online(person: Person, most: int) -> None:
    await person.put("/me/availability", {"presence": "online", "max_conversations": most})


async def _team(desk: Desk, name: str, *members: Person, **what: Any) -> str:
    admin = await desk.admin()
    team = await admin.post("/teams", {"name": name, **what}, status=201)
    for member in members:
        await admin.put(f"/teams/{team['id']}/members/{member.id}")
    return str(team["id"])


async def _owner(desk: Desk, number: str) -> UUID | None:
    owner = (await desk.conversation(number))["assigned_user_id"]
    return owner and UUID(owner)


async def _close(desk: Desk, who: Person, number: str) -> None:
    await who.post(f"/conversations/{(await desk.conversation(number))['id']}/close", {})
    await desk.work_until_idle()


async def test_fifty_at_once_for_five_people_with_three_places_each(desk: Desk) -> None:
    people = [await desk.ana(), await desk.ben(), await desk.admin(), *await _more_people(desk, 2)]
    for person in people:
        await _online(person, 3)
    for number in range(50):
        desk.phone(f"49155512{number:03}").say(_PERSON)

    async def all_are_handed_off() -> bool:
        await desk.work_until_idle()  # A burst that was put off is due a little later.
        return (await desk.sql("SELECT count(*) AS n FROM handoff"))[0]["n"] == 50

    await eventually(all_are_handed_off, seconds=60)
    rows = await desk.sql("SELECT state, count(*) AS n FROM handoff GROUP BY state")
    assert {row["state"]: row["n"] for row in rows} == {"assigned": 15, "waiting": 35}
    loads = await desk.sql("SELECT open_conversations FROM availability")
    assert [row["open_conversations"] for row in loads] == [3] * 5
    # A raised limit is filled at once, by those who have waited longest.
    first = (await people[0].get("/handoffs"))[0]["conversation_id"]
    await _online(people[0], 4)
    await desk.work_until_idle()
    assert (await people[0].get(f"/conversations/{first}"))["assigned_user_id"] == str(people[0].id)
    # Whoever comes now is told an honest wait: 30 in the queue, half an hour each, 16 places.
    assigned = "SELECT conversation_id AS id FROM handoff WHERE state = 'assigned' LIMIT 5"
    for row in await desk.sql(assigned):
        await people[2].post(f"/conversations/{row['id']}/close", {})
    await desk.work_until_idle()
    await desk.sql(
        "UPDATE handoff SET assigned_at = ended_at - interval '30 minutes' WHERE state = 'ended' "
        "RETURNING 1"
    )
    (told,) = await desk.say(_PERSON, number="49155513000")
    assert told.endswith(
        "You are number 30 in the queue. At the moment that takes about 60 minutes."
    )


async def test_coming_online_gets_the_queue_longest_waiting_first(desk: Desk) -> None:
    for number in range(3):
        await desk.say("I want to talk to a person", number=f"49155513{number:03}")
    ana = await desk.ana()
    await ana.put("/me/availability", {"presence": "online", "max_conversations": 2})
    await desk.work_until_idle()
    mine = await ana.get("/conversations", assigned_to=str(ana.id))
    assert [item["contact"]["wa_id"] for item in mine["items"]] == [
        "49155513000",
        "49155513001",
    ]


async def test_assignment_goes_round(desk: Desk) -> None:
    ana, ben = await desk.ana(), await desk.ben()
    for person in (ana, ben):
        await person.put("/me/availability", {"presence": "online", "max_conversations": 5})
    for number in range(4):
        await desk.say("I want to talk to a person", number=f"49155514{number:03}")
    rows = await desk.sql("SELECT assigned_user_id FROM handoff ORDER BY id")
    owners = [row["assigned_user_id"] for row in rows]
    assert owners[0] != owners[1]
    assert owners[0] == owners[2]
    assert owners[1] == owners[3]


async def test_an_assignment_takes_one_place_whatever_the_database_knows_of_its_tables(
    desk: Desk, admin_sql: Any
) -> None:
    # Of so many tenants no row of this one is expected, and Postgres may read them in another order.
    await admin_sql.execute("ALTER TABLE availability ALTER tenant_id SET (n_distinct = -1)")
    try:
        await admin_sql.execute("ANALYZE availability")
        for person in (await desk.ana(), await desk.ben()):
            await _online(person, 5)
        await desk.say(_PERSON)
    finally:
        await admin_sql.execute("ALTER TABLE availability ALTER tenant_id RESET (n_distinct)")
    assert await _places(desk) == [0, 1]


async def test_places_taken_by_mistake_are_counted_anew(desk: Desk, admin_sql: Any) -> None:
    for person in (await desk.ana(), await desk.ben()):
        await _online(person, 5)
    await desk.say(_PERSON)
    await desk.sql("UPDATE availability SET open_conversations = open_conversations + 2")
    config = migrate.alembic_config(desk.resources.settings.database)
    revision = ScriptDirectory.from_config(config).get_revision("0059")
    await admin_sql.execute(revision.module.COUNT_ANEW)
    assert await _places(desk) == [0, 1]


async def _places(desk: Desk) -> list[int]:
    rows = await desk.sql("SELECT open_conversations FROM availability ORDER BY 1")
    return [row["open_conversations"] for row in rows]


async def test_a_rule_sends_to_its_team_and_keeps_nobody_else_waiting(desk: Desk) -> None:
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    refund = {"sign": "mentions", "words": {"en": ["refund"]}}
    lawyer = {"sign": "topic", "topic": "legal"}
    await desk.configure(
        escalation_rules=[
            {"when": [refund], "team": "billing"},
            {"when": [lawyer], "skill": "Law", "priority": "urgent"},
        ]
    )
    team_id = await _team(desk, "Billing", ben, skills=["law"])
    await admin.post("/teams", {"name": "BILLING"}, status=409)
    await _online(ana, 5)
    await _online(ben, 1)
    await desk.say("A refund, now", number="4915551701")
    assert await _owner(desk, "4915551701") == ben.id, "although Ana has never had one"
    told = await desk.say("Another refund!", number="4915551702")
    assert told == [
        "Thank you. I'm passing you on to a colleague, who will read our conversation and answer "
        "you here. You are number 1 in the queue."
    ]
    await desk.say("My lawyer will hear of this", number="4915551703")
    await desk.say(_PERSON, number="4915551704")
    assert await _owner(desk, "4915551704") == ana.id, "nobody waits behind another team's queue"
    waiting = await ana.get("/handoffs")
    assert [(item["priority"], item["team_ids"]) for item in waiting] == [
        ("urgent", [team_id]),
        ("normal", [team_id]),
    ]
    await _close(desk, ben, "4915551701")
    assert await _owner(desk, "4915551703") == ben.id, "the most urgent first"
    assert len(desk.phone("4915551702").replies) == 1, "they are told once"
    gone = await admin.http.delete(f"/api/v1/teams/{team_id}")
    assert gone.status_code == 204
    await desk.work_until_idle()
    assert await _owner(desk, "4915551702") == ana.id, "better another team than nobody"


async def test_the_human_agent_a_contact_knows_comes_first_then_their_language(desk: Desk) -> None:
    ana, ben = await desk.ana(), await desk.ben()
    await _team(desk, "Spanish", ben, languages=["es"])
    await _online(ana, 5)
    await desk.say(_PERSON, number="4915551801")
    await _close(desk, ana, "4915551801")
    await _online(ben, 5)
    await desk.say("Hello again. " + _PERSON, number="4915551801")
    assert await _owner(desk, "4915551801") == ana.id, "although Ben has never had one"
    for number in ("4915551802", "4915551803"):
        await desk.say("Quiero hablar con una persona, por favor", number=number)
        assert await _owner(desk, number) == ben.id
    await _close(desk, ana, "4915551801")
    await ana.put("/me/availability", {"presence": "away"})
    await desk.say("And again. " + _PERSON, number="4915551801")
    assert await _owner(desk, "4915551801") == ben.id, "never to somebody who is away"


async def test_a_silent_assignee_loses_the_conversation_as_the_tenant_wants_it(desk: Desk) -> None:
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    await _online(ana, 5)
    await desk.say(_PERSON)
    path = f"/conversations/{(await desk.conversation())['id']}"

    async def after_silence(return_to: str) -> UUID | None:
        policy = {"return_after_minutes": 10, "return_to": return_to}
        await admin.put("/assignment-policy", policy)
        await desk.sql("UPDATE handoff SET assigned_at = now() - interval '11 minutes' RETURNING 1")
        await desk.sql(
            "UPDATE conversation SET waiting_since = waiting_since - interval '30 minutes' "
            "RETURNING 1"
        )
        await desk.work_until_idle()
        return await _owner(desk, "4915550001")

    assert (await ben.get("/assignment-policy"))["return_after_minutes"] is None
    assert await after_silence("colleague") == ana.id, "nobody else is there"
    await _online(ben, 5)
    assert await after_silence("colleague") == ben.id
    await ana.put("/me/availability", {"presence": "away"})
    assert await after_silence("queue") is None, "Ben is not given it again"
    loads = await desk.sql("SELECT sum(open_conversations) AS n FROM availability")
    assert loads[0]["n"] == 0
    await _online(ben, 5)
    await desk.work_until_idle()
    assert await _owner(desk, "4915550001") == ben.id, "unless he says that he is here"
    assert await after_silence("alert") == ben.id
    await desk.work_until_idle()
    done = [payload["done"] for kind, payload in await desk.events() if kind == "handoff.silent"]
    assert done == ["alert", "colleague", "queue", "alert"]
    # Who has answered is not silent.
    await ben.post(f"{path}/messages", {"text": "Here I am."})
    assert await after_silence("queue") == ben.id


@pytest.mark.parametrize(
    ("position", "places", "handling_minutes", "said"),
    [
        (1, 3, 12.0, 5),
        (4, 3, 12.0, 20),
        (1, 0, 12.0, None),  # Nobody is there.
        (1, 3, None, None),  # Nobody knows.
        (90, 3, 12.0, None),  # Too long to tell.
    ],
)
def test_the_expected_wait_is_rounded_up_and_never_guessed(
    position: int, places: int, handling_minutes: float | None, said: int | None
) -> None:
    assert expected_minutes(position, places, handling_minutes) == said


async def test_who_waits_may_be_asked_for_what_a_person_will_need(desk: Desk) -> None:
    await desk.configure(asks_while_waiting=True)
    asked = (await desk.say("I want to talk to a person, my lamp broke"))[-1]
    assert asked.endswith("What is your order number, please?")
    told = await desk.say("It is 4711")
    assert told[-1] == asked, "asked once, and nothing more is said until a person does"
    path, ana = f"/conversations/{(await desk.conversation())['id']}", await desk.ana()
    waiting = await ana.get(f"{path}/handoff")
    await ana.post(f"{path}/take-over")
    await desk.say("Are you there?")
    handoff = await ana.get(f"{path}/handoff")
    assert handoff["packet"]["question_meanwhile"] == "What is your order number, please?"
    assert [each["text"] for each in handoff["said_meanwhile"]] == ["It is 4711"]
    assert handoff["said_meanwhile"] == waiting["said_meanwhile"]
    # With somebody free at once nothing is asked meanwhile, and a question that may not leave is not.
    await ana.put("/me/availability", {"presence": "online"})
    free = await desk.say("I want to talk to a person, my lamp broke", number="4915550002")
    assert "order number" not in free[-1]
    had = await ana.get(f"/conversations/{(await desk.conversation('4915550002'))['id']}/handoff")
    assert had["packet"]["question_meanwhile"] == "", "nor does it say so"
    await ana.put("/me/availability", {"presence": "away"})
    await desk.configure(asks_while_waiting=False)
    off = await desk.say("I want to talk to a person, my lamp broke", number="4915550003")
    assert "order number" not in off[-1]


async def test_the_newest_of_what_was_said_meanwhile_is_shown_and_no_half_of_a_number(
    desk: Desk,
) -> None:
    admin, ana = await desk.admin(), await desk.ana()
    await admin.put("/contact-policy", {"masked_for_human_agents": True})
    await desk.say(_PERSON)
    for number in range(20):
        await desk.say(f"{number}?")
    await desk.say("x" * 290 + " +49 171 5550123")
    at = f"/conversations/{(await desk.conversation())['id']}"
    said = [each["text"] for each in (await ana.get(f"{at}/handoff"))["said_meanwhile"]]
    assert said == [*(f"{number}?" for number in range(1, 20)), "x" * 290 + " •••0123"]
