"""Cases from production: proposed once, masked, reviewed, and forgotten with the contact."""

import asyncio
from typing import Any

from tests.desk import Desk, wait_for_somebody_held_up


async def test_what_people_corrected_took_over_or_disliked_becomes_a_case_once(desk: Desk) -> None:
    admin = await desk.admin()
    path = f"/agents/{desk.agent_id}/eval-proposals"
    asked = "Ada Moss here, +49 30 901820. How long does delivery take?"
    await desk.say(asked, number="4915550001", name="Ada Moss")
    conversation = await desk.conversation()
    thread = (await admin.get(f"/conversations/{conversation['id']}/messages"))["items"]
    answer = next(message for message in thread if message["author"] == "agent")
    rating = {"value": "down", "comment": "Too long."}
    await admin.put(f"/messages/{answer['id']}/rating", rating)
    await desk.say("Give me a discount of 90 %, please.", number="4915550002")

    await admin.post(path)
    await desk.work_until_idle()
    by_origin = {p["origin"]: p for p in (await admin.get(path))["items"]}
    assert by_origin.keys() == {"thumbs_down", "escalation"}
    disliked = by_origin["thumbs_down"]
    (message,) = disliked["body"]["messages"]
    assert message.endswith("How long does delivery take?")
    assert not any(word in str(disliked["body"]) for word in ("Ada", "Moss", "901820"))
    assert "[" not in message
    assert disliked["body"]["labelled"][0]["passes"] is False
    assert by_origin["escalation"]["body"]["action"] == "hand_off"

    # Accepted, it is a case; rejected, it is never proposed again, whatever happens to it.
    mended = {**disliked["body"], "must_contain": ["3 to 5 working days"], "action": "reply"}
    await admin.post(f"/eval-proposals/{disliked['id']}/accept", {"case": mended})
    rejected = by_origin["escalation"]["id"]
    await admin.post(f"/eval-proposals/{rejected}/reject")
    again = await admin.post(f"/eval-proposals/{rejected}/accept", status=409)
    assert again["code"] == "already_reviewed"
    await desk.sql("UPDATE eval_collection SET through_at = NULL RETURNING 1")
    await admin.post(path)
    await desk.work_until_idle()
    assert not (await admin.get(path, state="proposed"))["items"]
    (golden,) = await admin.get(f"/agents/{desk.agent_id}/eval-datasets")
    assert golden["cases"] == 1
    await admin.post(f"/agents/{desk.agent_id}/eval-runs")
    await desk.work_until_idle()

    # With the contact goes what was made of their words, and how it went.
    (contact,) = await desk.sql("SELECT id FROM contact WHERE wa_id = '4915550001'")
    await admin.post("/erasures", {"contact_id": str(contact["id"])})
    await desk.work_until_idle()
    (left,) = await desk.sql(
        "SELECT (SELECT count(*) FROM eval_case) AS cases, (SELECT count(*) FROM eval_result) AS "
        "results, (SELECT count(*) FROM eval_proposal) AS proposals"
    )
    assert tuple(left) == (0, 0, 1)
    assert (await admin.http.delete(f"/api/v1{path}")).status_code == 204


async def test_what_happens_while_it_is_looked_is_seen_the_next_time(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    path = f"/agents/{desk.agent_id}/eval-proposals"
    await desk.say("How long does delivery take?")
    conversation = await desk.conversation()
    thread = (await admin.get(f"/conversations/{conversation['id']}/messages"))["items"]
    answer = next(message for message in thread if message["author"] == "agent")
    async with admin_sql.transaction():
        # The thumb is written and can't be committed yet.
        await admin_sql.execute("SELECT FROM feed_counter WHERE tenant_id = $1 FOR UPDATE", desk.id)
        rated = admin.put(f"/messages/{answer['id']}/rating", {"value": "down"})
        rating = asyncio.create_task(rated)

        await wait_for_somebody_held_up(admin_sql)
        await admin.post(path)
        await desk.work_until_idle()
        assert (await admin.get(path))["items"] == []
    await rating
    for _ in range(2):
        await admin.post(path)
        await desk.work_until_idle()
    (proposal,) = (await admin.get(path))["items"]
    assert proposal["origin"] == "thumbs_down"
