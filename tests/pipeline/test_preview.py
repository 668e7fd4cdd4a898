"""Preview: what a configuration would answer, with nobody outside noticing."""

from typing import Any
from uuid import uuid4

from tests.desk import Desk
from tests.isolation.things import fingerprint

from frontdesk.simulator import ModelFault, ModelFaultKind

QUESTION = "How long does delivery take?"
# What a preview may leave behind.
_OWN = {"agent_preview", "llm_call", "usage_entry", "feed_event", "feed_counter"}


async def _previewed(desk: Desk, **body: Any) -> Any:
    admin = await desk.admin()
    made = await admin.post(f"/agents/{desk.agent_id}/preview", body, status=202)
    assert (made["state"], made["answer"]) == ("queued", None)
    await desk.work_until_idle()
    return await admin.get(f"/agent-previews/{made['id']}")


async def test_a_draft_and_any_version_answer_on_paper_and_only_the_calls_remain(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    present = (await admin.get(f"/agents/{desk.agent_id}"))["config"]
    await desk.configure(answers_enabled=False)
    await desk.configure(greeting="Welcome to Lumen & Oak!")
    before = await fingerprint(admin_sql, desk.id)

    first = await _previewed(desk, messages=["Hello!", QUESTION], version=1)
    assert (first["state"], first["version"], first["last_error"]) == ("done", 1, None)
    answer = first["answer"]
    assert answer["outcome"] == "reply"
    assert "3 to 5 working days" in answer["text"]
    assert {"triage", "prompt", "reply", "guard"} <= {line["stage"] for line in answer["trace"]}
    calls = (await admin.get("/llm-calls"))["items"]
    assert {call["feature"] for call in calls} == {"preview"}
    assert {call["prompt_name"] for call in calls} == {"triage", "reply"}
    assert {(call["conversation_id"], call["agent_version"]) for call in calls} == {(None, 1)}
    (spent,) = await desk.sql("SELECT sum(amount_usd)::float8 AS usd FROM usage_entry")
    assert float(answer["cost_usd"]) == spent["usd"] > 0

    off = await _previewed(desk, messages=[QUESTION])  # What is in force: answers are off.
    assert (off["version"], off["answer"]["outcome"]) == (3, "hand_off")
    assert off["answer"]["packet"]["reasoning"]
    draft = {**present, "persona": "You are Olive, who was never saved."}
    told = await _previewed(desk, messages=[QUESTION], config=draft)
    assert (told["version"], told["answer"]["outcome"]) == (None, "reply")
    asked = desk.simulator.model.asked("reply")[-1]
    assert "never saved" in asked.messages[0]["content"]

    # In the middle of a thread, and asked twice by a client that heard no answer.
    thread = {
        "messages": ["And to return it?"],
        "config": draft,
        "history": [
            {"author": "contact", "text": QUESTION},
            {"author": "human_agent", "text": "Soon!"},
        ],
    }
    path = f"/agents/{desk.agent_id}/preview"
    twice = [await admin.post(path, thread, Idempotency_Key="a") for _ in range(2)]
    assert twice[0]["id"] == twice[1]["id"]
    other = {**thread, "messages": ["No."]}
    reused = await admin.post(path, other, status=409, Idempotency_Key="a")
    assert reused["code"] == "idempotency_key_reused"
    await desk.work_until_idle()
    said = [m["content"] for m in desk.simulator.model.asked("reply")[-1].messages[1:]]
    assert said == [QUESTION, "Soon!", "And to return it?"]

    after = await fingerprint(admin_sql, desk.id)
    assert {table for table in before if before[table] != after[table]} <= _OWN
    assert desk.phone().replies == []


async def test_a_preview_that_cannot_be_made_says_why(desk: Desk) -> None:
    admin = await desk.admin()
    path = f"/agents/{desk.agent_id}/preview"
    present = (await admin.get(f"/agents/{desk.agent_id}"))["config"]
    down = ModelFault(ModelFaultKind.STATUS, http_status=401)
    desk.simulator.model.faults.share(down, 1.0)
    failed = await _previewed(desk, messages=[QUESTION])
    desk.simulator.model.faults.clear()
    assert (failed["state"], failed["answer"]) == ("failed", None)
    assert failed["last_error"]
    for wrong in ({"messages": []}, {"messages": [QUESTION], "config": present, "version": 1}):
        await admin.post(path, wrong, status=422)
    body = {"messages": [QUESTION]}
    missing = await admin.post(path, {**body, "version": 99}, status=404)
    assert missing["code"] == "no_such_agent_version"
    await (await desk.ana()).post(path, body, status=403)
    assert (await admin.http.get(f"/api/v1/agent-previews/{uuid4()}")).status_code == 404
    # What was tried is kept for a day.
    await desk.sql("UPDATE agent_preview SET created_at = now() - interval '25 hours' RETURNING 1")
    await _previewed(desk, messages=[QUESTION])
    gone = await admin.http.get(f"/api/v1/agent-previews/{failed['id']}")
    assert gone.json()["code"] == "no_such_preview"
