"""Why a message is as it is: over REST and on the command line."""

from typing import Any
from uuid import uuid4

import pytest
from tests.desk import Desk

from frontdesk.core.resources import Resources
from frontdesk.observability.work import forget_old_texts
from frontdesk.simulator import ModelFault, ModelFaultKind


async def last(desk: Desk, direction: str) -> Any:
    """The newest message of the conversation that went this way, explained."""
    admin = await desk.admin()
    thread = await desk.conversation()
    page = await admin.get(f"/conversations/{thread['id']}/messages")
    message = next(m for m in page["items"] if m["direction"] == direction)
    return await admin.get(f"/messages/{message['id']}/explain")


async def test_an_answer_is_followed_to_the_knowledge_it_rests_on(desk: Desk):
    await desk.say("When does it ship?")
    told = await last(desk, "out")
    assert told["summary"] == "The AI agent wrote this. It answers what is under `asked`."
    assert [asked["text"] for asked in told["asked"]] == ["When does it ship?"]
    [shipping] = [piece for piece in told["knowledge"] if piece["title"] == "Shipping"]
    assert shipping["text"] == "We ship within 2 working days. Delivery takes 3 to 5 working days."
    assert (shipping["is_gone"], shipping["is_in_use"]) == (False, True)
    assert [call["feature"] for call in told["calls"]] == ["triage", "reply"]
    assert told["sent_by"]["prompts"] == ["reply 0.0.0", "triage 0.0.0"]
    assert told["guard"] == []
    stages = [step["stage"] for step in told["steps"]]
    assert stages == ["load", "triage", "prompt", "reply", "escalate", "guard", "decide"]
    assert float(told["cost_usd"]) > 0
    assert told["delivery"] in {"sent", "delivered", "read"}
    assert told["gone"] == []
    admin = await desk.admin()
    call = await admin.get(told["calls"][1]["link"].removeprefix("/api/v1"))
    assert call["feature"] == "reply"


async def test_of_a_contact_s_message_it_is_told_what_became_of_it(desk: Desk):
    await desk.say("I want to talk to a human being.")
    told = await last(desk, "in")
    assert told["summary"].startswith("The AI agent gave it to people: ")
    assert told["rules"]
    assert told["outcome"] == "handoff"


async def test_a_model_that_failed_is_told_with_the_reason_for_the_next(desk: Desk):
    desk.simulator.model.faults.next(ModelFault(ModelFaultKind.STATUS), 2, only="reply")
    await desk.say("When does it ship?")
    told = await last(desk, "out")
    tried = [call for call in told["calls"] if call["feature"] == "reply"]
    assert [call["outcome"] for call in tried][:-1] == ["provider_down"] * (len(tried) - 1)
    assert tried[0]["why"] == "its provider did not work"
    [reply] = [step for step in told["steps"] if step["stage"] == "reply"]
    assert "was tried first: its provider did not work" in reply["text"]
    assert reply["is_trouble"]


async def test_a_person_s_message_names_them(desk: Desk):
    await desk.say("I want to talk to a human being.")
    ana, thread = await desk.ana(), await desk.conversation()
    await ana.post(f"/conversations/{thread['id']}/take-over")
    await ana.post(f"/conversations/{thread['id']}/messages", {"text": "Ana here."})
    told = await last(desk, "out")
    assert told["summary"].startswith("Ana wrote this.")
    assert told["sent_by"]["name"] == "Ana"


async def test_what_is_gone_is_said_to_be_gone(desk: Desk, resources: Resources, admin_sql: Any):
    await desk.say("When does it ship?")
    await admin_sql.execute(
        "UPDATE llm_call SET created_at = now() - interval '400 days' WHERE tenant_id = $1", desk.id
    )
    await forget_old_texts(resources, desk.id, desk.id)
    await admin_sql.execute("DELETE FROM knowledge_source WHERE tenant_id = $1", desk.id)
    told = await last(desk, "out")
    assert any("What models were asked and answered was deleted" in line for line in told["gone"])
    assert any("Knowledge was changed or deleted since" in line for line in told["gone"])
    assert all(piece["is_gone"] and piece["text"] is None for piece in told["knowledge"])


async def test_a_message_of_another_tenant_is_not_there(desk: Desk):
    admin = await desk.admin()
    answer = await admin.http.get(f"/api/v1/messages/{uuid4()}/explain")
    assert answer.status_code == 404


@pytest.mark.parametrize("of", ["message", "turn", "call", "request"])
async def test_the_command_tells_the_same_as_a_tree_from_any_id(desk: Desk, commands: Any, of: str):
    await desk.say("When does it ship?")
    told = await last(desk, "out")
    ids = {
        "message": told["message_id"],
        "turn": told["turn_id"],
        "call": told["calls"][1]["call_id"],
        "request": told["calls"][1]["request_id"],
    }
    plain, as_json = await commands(f"trace {ids[of]}", f"trace {ids[of]} --json")
    assert plain["code"] == 0, plain
    assert "The check of the answer found nothing wrong." in plain["stdout"]
    assert "1. " in plain["stdout"]
    assert "Shipping" in plain["stdout"]
    assert '"steps"' in as_json["stdout"]


async def test_the_command_says_when_there_is_nothing_of_an_id(desk: Desk, commands: Any):
    [answer] = await commands(f"trace {uuid4()}")
    assert answer["code"] == 1
    assert "There is no message, turn or request" in answer["stderr"]
