"""What is looked up for a burst: a question that leans on what was said before, and the best order."""

import pytest
from tests.desk import Desk

from frontdesk.knowledge import leans_on_before
from frontdesk.pipeline.looking_up import in_order
from frontdesk.simulator import ModelFault, ModelFaultKind

STANDING = "How long does delivery to Portugal take?"


async def _traces(desk: Desk) -> list[dict]:
    admin = await desk.admin()
    conversation = await desk.conversation()
    turns = await admin.get(f"/conversations/{conversation['id']}/turns")
    told = [await admin.get(f"/turns/{turn['id']}") for turn in turns]
    told.sort(key=lambda turn: turn["id"])
    return [{line["stage"]: line for line in turn["trace"]} for turn in told]


async def test_a_follow_up_is_written_out_by_a_model_where_the_agent_is_set_so(desk: Desk) -> None:
    await desk.configure(rewrites_questions=True)
    await desk.say("How long does delivery take?")
    desk.simulator.model.next("rewritten_question", {"question": STANDING})
    await desk.say("And to Portugal?")
    first, second = await _traces(desk)
    assert "rewrite" not in first
    assert first["prompt"]["how"] == "asked"
    assert (second["prompt"]["how"], second["prompt"]["looked_up"]) == ("rewritten", STANDING)
    assert second["rewrite"]["asked"] == "And to Portugal?"
    (call,) = await desk.sql("SELECT * FROM llm_call WHERE feature = 'rewrite'")
    assert (call["outcome"], call["prompt_name"]) == ("ok", "rewrite")
    (asked,) = desk.simulator.model.asked("rewritten_question")
    assert "contact: How long does delivery take?" in asked.messages[-1]["content"]


async def test_without_the_model_a_follow_up_is_looked_up_with_the_question_before(
    desk: Desk,
) -> None:
    await desk.say("How long does delivery take?")
    await desk.say("And to Portugal?")
    await desk.configure(rewrites_questions=True)
    broken = ModelFault(ModelFaultKind.STATUS, http_status=401)
    desk.simulator.model.faults.next(broken, 4, only="rewritten_question")
    await desk.say("And to Spain?")
    _, off, down = await _traces(desk)
    assert off["prompt"]["how"] == down["prompt"]["how"] == "joined"
    assert off["prompt"]["looked_up"] == "How long does delivery take?\nAnd to Portugal?"
    assert down["prompt"]["looked_up"].endswith("\nAnd to Spain?")
    assert "rewrite" not in off
    assert down["rewrite"]["error"]
    assert len(desk.phone().replies) == 3


async def test_no_model_that_makes_a_questions_vector_is_shown_who_asks(desk: Desk) -> None:
    admin = await desk.admin()
    body = "".join(f"# Lamp {n}\n{'It is made by hand. ' * 30}\n" for n in range(14))
    source = {"agent_id": str(desk.agent_id), "title": "Lamps", "body": body}
    await admin.post("/knowledge/sources", source)
    await desk.work_until_idle()
    routes = {"embedding": {"models": ["openai/text-embedding-3-small"]}}
    await admin.put("/models/routing", {"routes": routes}, If_Match='"0"')
    await desk.say("Rossi here, at 4915550001. Any lamps?", name="Wilhelmina Rossi")
    (asked,) = await desk.sql(
        "SELECT messages FROM llm_call WHERE feature = 'embedding' AND conversation_id IS NOT NULL"
    )
    assert "[NAME_1] here, at [PHONE_1]. Any lamps?" in asked["messages"]
    assert "Rossi" not in asked["messages"]


async def test_what_was_found_is_put_into_order_by_a_model_where_the_agent_is_set_so(
    desk: Desk,
) -> None:
    admin = await desk.admin()
    for number in range(14):
        kind = "desk" if number < 5 else "wall"
        body = f"The {kind} lamp {number} takes {number} days. " + "It is made by hand. " * 30
        source = {"agent_id": str(desk.agent_id), "title": f"Lamp {number}", "body": body}
        await admin.post("/knowledge/sources", source)
    await desk.work_until_idle()
    await desk.configure(reranks_knowledge=True)
    desk.simulator.model.next("piece_order", {"order": [2, 99, 1]})
    await desk.say("How many days does a desk lamp take?")
    (trace,) = await _traces(desk)
    (call,) = await desk.sql("SELECT * FROM llm_call WHERE feature = 'rerank'")
    assert call["outcome"] == "ok"
    shown = desk.simulator.model.asked("piece_order")[0].messages[-1]["content"]
    second = shown.split("\n2. ")[1].split("\n")[0]
    assert trace["rerank"]["kept"][0] == trace["prompt"]["sources"][0] == second
    assert len(trace["rerank"]["kept"]) == len(trace["prompt"]["sources"]) > 2


def test_a_piece_the_model_leaves_out_comes_last_and_what_is_none_is_passed_over():
    pieces = ("a", "b", "c")
    assert in_order(pieces, [3, 3, 0, 7, -1]) == ("c", "a", "b")
    assert in_order(pieces, []) == pieces


@pytest.mark.parametrize(
    ("question", "leans"),
    [
        ("And to Portugal?", True),
        ("how much is it?", True),
        ("What would it cost to have that one sent to my sister in Porto?", True),
        ("y cuánto cuesta enviarlo a las islas si pago hoy mismo?", True),
        ("How long do you need to deliver a floor lamp to the north of Portugal?", False),
        ("¿Cuánto tarda en llegar mi pedido a Lisboa desde vuestro taller?", False),
        ("🦊", False),
    ],
)
def test_short_questions_and_those_with_pronouns_lean_on_what_was_said_before(question, leans):
    assert leans_on_before(question) is leans
