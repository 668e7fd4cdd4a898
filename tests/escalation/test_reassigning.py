"""Giving conversations to colleagues and teams; what becomes of those of people who are gone."""

import asyncio
from typing import Any

import pytest
from tests.desk import Desk, Person, wait_for_somebody_held_up

_PERSON = "I want to talk to a person"


async def _online(person: Person, most: int = 5) -> None:
    await person.put("/me/availability", {"presence": "online", "max_conversations": most})


async def _loads(desk: Desk) -> dict[Any, int]:
    rows = await desk.sql("SELECT user_id, open_conversations FROM availability")
    return {row["user_id"]: row["open_conversations"] for row in rows}


async def test_a_conversation_is_given_to_a_colleague_within_their_limit(desk: Desk) -> None:
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    await _online(ana)
    await desk.say(_PERSON, number="4915550001")
    await desk.say(_PERSON, number="4915550002")
    paths = [
        f"/conversations/{(await desk.conversation(number))['id']}/assignment"
        for number in ("4915550001", "4915550002")
    ]
    to_ben = {"user_id": str(ben.id)}
    refused = await ana.post(paths[0].replace("/assignment", "/take-over"))
    assert refused["conversation"]["assigned_user_id"] == str(ana.id)
    assert (await ana.put(paths[0], to_ben, status=409))["code"] == "no_room", "Ben is away"
    assert (await ben.put(paths[0], to_ben, status=403))["code"] == "not_yours"
    await ana.put(paths[0], {}, status=422)
    await ana.put(paths[0], to_ben | {"force": True}, status=403)
    await _online(ben, 1)
    # Two at once for one place.
    answers = await asyncio.gather(*(ana.http.put(f"/api/v1{path}", json=to_ben) for path in paths))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await _loads(desk) == {ana.id: 1, ben.id: 1}
    for path in paths:
        await admin.put(path, to_ben | {"force": True})
    assert await _loads(desk) == {ana.id: 0, ben.id: 2}
    await ben.post(paths[0].replace("/assignment", "/messages"), {"text": "Ben here."})
    assert (await admin.get("/audit-entries", limit=1))["items"][0][
        "action"
    ] == "conversation.reassigned"


@pytest.mark.parametrize("for_a_team", [False, True])
async def test_who_is_given_a_conversation_while_they_come_online_holds_nobody_up(
    desk: Desk, for_a_team: bool
) -> None:
    ben, admin = await desk.ben(), await desk.admin()
    wish = {"user_id": str(ben.id)}
    if for_a_team:
        wish["team_id"] = (await admin.post("/teams", {"name": "Billing"}, status=201))["id"]
    await ben.put("/me/availability", {"presence": "away"})
    await desk.say(_PERSON)
    # It was taken from them, and is theirs again when they say anew that they are online.
    await desk.sql("UPDATE handoff SET taken_from = $1 RETURNING 1", ben.id)
    await desk.sql("UPDATE availability SET presence = 'online' RETURNING 1")
    path = f"/conversations/{(await desk.conversation())['id']}/assignment"
    async with desk.resources.db.hot(desk.id) as tx:
        await tx.sql.execute("SELECT FROM availability FOR UPDATE")
        giving = asyncio.create_task(admin.put(path, wish))

        await wait_for_somebody_held_up(tx.sql)
        await tx.sql.fetch("SELECT FROM handoff FOR UPDATE NOWAIT")
    await giving
    assert await _loads(desk) == {ben.id: 1}


async def test_a_conversation_given_to_a_team_waits_for_it(desk: Desk) -> None:
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    team = await admin.post("/teams", {"name": "Billing"}, status=201)
    for person in (ana, ben):
        await admin.put(f"/teams/{team['id']}/members/{person.id}")
    await _online(ana)
    await desk.say(_PERSON)
    path = f"/conversations/{(await desk.conversation())['id']}"
    await ana.put(f"{path}/assignment", {"team_id": team["id"]})
    await desk.work_until_idle()
    assert (await desk.conversation())["assigned_user_id"] is None, "not to Ana again"
    (told,) = [payload for kind, payload in await desk.events() if kind == "handoff.returned"]
    assert (told["from_user_id"], told["why"]) == (str(ana.id), "reassigned")
    await _online(ben)
    await desk.work_until_idle()
    assert (await desk.conversation())["assigned_user_id"] == str(ben.id)
    # What people say of its urgency is its place in the queue, and a rule says it too.
    await ana.put(f"{path}/priority", {"priority": "urgent"})
    assert (await ben.get(f"{path}/handoff"))["priority"] == "urgent"
    await ben.put(f"{path}/tags", {"tags": ["VIP"]})
    await ben.post(f"{path}/close", {})
    vip = {"when": [{"sign": "tagged", "tags": ["vip"]}], "priority": "high"}
    await desk.configure(escalation_rules=[vip])
    await desk.say("How long does delivery take?")
    conversation = await desk.conversation()
    assert (conversation["status"], conversation["priority"]) == ("WITH_HUMAN", "high")
    handoff = await ben.get(f"/conversations/{conversation['id']}/handoff")
    assert "Seen: tagged “vip”" in handoff["rule"]
    assert handoff["priority"] == "high"


async def test_who_is_gone_goes_away_and_their_conversations_return_in_time(desk: Desk) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    policy = {"return_after_minutes": None, "return_to": "alert"}
    await admin.put(
        "/assignment-policy", policy | {"away_after_minutes": 10, "away_return_minutes": 30}
    )
    await _online(ana)
    await desk.say(_PERSON)

    async def later(minutes: int) -> str:
        await desk.sql(
            "UPDATE availability SET presence_at = presence_at - make_interval(mins => $1) "
            "RETURNING 1",
            minutes,
        )
        await desk.sql(
            "UPDATE handoff SET assigned_at = assigned_at - make_interval(mins => $1) RETURNING 1",
            minutes,
        )
        await desk.work_until_idle()
        (row,) = await desk.sql("SELECT presence FROM availability WHERE user_id = $1", ana.id)
        return str(row["presence"])

    assert await later(15) == "online", "her window is open"
    async with desk.resources.db.system() as connection:
        await connection.execute(
            "UPDATE user_session SET seen_at = now() - interval '11 minutes' WHERE user_id = $1",
            ana.id,
        )
    assert await later(0) == "away"
    assert (await desk.conversation())["assigned_user_id"] == str(ana.id), "she keeps it so far"
    path = f"/conversations/{(await desk.conversation())['id']}"
    await ana.post(f"{path}/messages", {"text": "From my phone: it is on its way."})
    await later(31)
    assert (await desk.conversation())["assigned_user_id"] == str(ana.id), "nobody waits in it"
    await desk.say("When will it be here?")
    assert (await desk.conversation())["assigned_user_id"] is None
    told = [payload for kind, payload in await desk.events() if kind == "handoff.returned"]
    assert [each["why"] for each in told] == ["away"]
    assert await _loads(desk) == {ana.id: 0}
