"""When the money is used up: cheaper models, then knowledge word for word, then a person; told why."""

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.conversation.test_memory import long_past
from tests.desk import Desk

EMBEDDER = "openai/text-embedding-3-small"
DEAR, CHEAP = "openai/gpt-4o-mini", "groq/openai/gpt-oss-20b"
USED_UP = "The day budget of this contact is used up: 0.000001 USD (hard cap)."


async def budget(desk: Desk, **caps: Any) -> None:
    given = {"scope": "contact", "period": "day", **caps}
    await (await desk.admin()).post("/budgets", given, status=201)


async def last_turn(desk: Desk) -> tuple[Any, list[Any]]:
    """The newest turn and the lines about budgets in its trace."""
    (turn,) = await desk.sql("SELECT * FROM turn ORDER BY created_at DESC, id DESC LIMIT 1")
    return turn, [line for line in json.loads(turn["trace"]) if line["stage"] == "budget"]


async def test_past_the_soft_cap_a_cheaper_model_answers_and_the_trace_says_why(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.resources.settings.llm, "cheaper_chain", (CHEAP,))
    await desk.configure(models=[DEAR])
    await budget(desk, soft_usd="0.000001", hard_usd="1")
    assert len(await desk.say("How long does delivery take?")) == 1
    used = await desk.sql("SELECT DISTINCT model FROM usage_entry WHERE kind = 'llm'")
    assert [row["model"] for row in used] == [CHEAP]
    _, lines = await last_turn(desk)
    assert {line["step"] for line in lines} == {"cheaper model"}
    assert "soft cap" in lines[0]["reason"]
    admin = await desk.admin()
    (shown,) = (await admin.get("/budgets"))["items"]
    assert shown["use"][0]["subject"] == str((await desk.sql("SELECT id FROM contact"))[0]["id"])
    assert float(shown["use"][0]["spent_usd"]) > 0
    assert float(shown["use"][0]["reserved_usd"]) == 0


async def test_all_that_is_asked_because_of_a_contact_counts_on_their_budget(desk: Desk) -> None:
    admin = await desk.admin()
    await budget(desk, hard_usd="100")
    body = "".join(f"# Lamp {n}\n{'It is made by hand. ' * 30}\n" for n in range(14))
    source = {"agent_id": str(desk.agent_id), "title": "Lamps", "body": body}
    await admin.post("/knowledge/sources", source)
    models = {"transcription": "groq/whisper-large-v3-turbo", "embedding": EMBEDDER}
    routes = {feature: {"models": [model]} for feature, model in models.items()}
    await admin.put("/models/routing", {"routes": routes}, If_Match='"0"')
    await desk.configure(hears_voice_notes=True)
    await desk.work_until_idle()
    await long_past(desk, 40)
    answer = {"text": "By Friday.", "action": "reply", "confidence": 0.9}
    desk.simulator.model.next("reply", answer)
    desk.phone().send_audio("When does my lamp arrive?")
    await desk.work_until_idle()
    await desk.sql("UPDATE timer SET due_at = now() WHERE kind = 'auto_close' RETURNING 1")
    await desk.work_until_idle()
    asked = (
        "SELECT feature, sum(amount_usd) AS usd FROM usage_entry WHERE conversation_id IS NOT NULL "
        "AND kind IN ('llm', 'embedding', 'speech')"
    )
    paid = {row["feature"]: row["usd"] for row in await desk.sql(f"{asked} GROUP BY feature")}
    assert paid.keys() == {"triage", "reply", "summary", "closing", *models}
    (shown,) = (await admin.get("/budgets"))["items"]
    assert Decimal(shown["use"][0]["spent_usd"]) == sum(paid.values())


async def test_at_the_hard_cap_knowledge_answers_word_for_word_or_a_person_takes_over(
    desk: Desk,
) -> None:
    await budget(desk, hard_usd="0.000001")
    assert await desk.say("How long does delivery take?") == [
        "We ship within 2 working days. Delivery takes 3 to 5 working days."
    ]
    turn, lines = await last_turn(desk)
    assert (lines[0]["step"], lines[0]["reason"]) == ("knowledge", USED_UP)
    assert turn["reason"].startswith(USED_UP)

    await desk.say("Which bulb goes well with the walnut reading lamp?")
    _, lines = await last_turn(desk)
    assert lines[0]["step"] == "person"
    conversation = await desk.conversation()
    assert conversation["status"] == "WITH_HUMAN"
    handoff = await (await desk.admin()).get(f"/conversations/{conversation['id']}/handoff")
    assert handoff["reason"] == "budget"
    assert USED_UP in handoff["packet"]["reasoning"]
    assert await desk.sql("SELECT 1 FROM llm_call") == []
    decided = [payload for kind, payload in await desk.events() if kind == "turn.decided"]
    assert [USED_UP in event["reason"] for event in decided] == [True, True]


async def test_a_kept_answer_is_given_at_a_spent_budget_and_what_is_new_comes_from_knowledge(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.resources.settings.llm, "cheaper_chain", (CHEAP,))
    await desk.configure(models=[DEAR])
    asked, kept = "How long does delivery take?", ["Three to five working days."]
    desk.simulator.model.replies.append(kept[0])
    assert await desk.say(asked) == kept
    calls = len(desk.simulator.model.requests)

    # Past the soft cap: no cheaper model is asked for what is kept.
    await budget(desk, scope="tenant", soft_usd="0.000001", hard_usd="1")
    assert await desk.say(asked, number="4915550002") == kept
    # At the hard cap no model at all, and still the same answer.
    await budget(desk, scope="tenant", period="month", hard_usd="0.000001")
    assert await desk.say(asked, number="4915550003") == kept
    _, lines = await last_turn(desk)
    assert lines == []
    assert (await desk.conversation())["status"] == "ACTIVE"
    assert len(desk.simulator.model.requests) == calls
    paid = await desk.sql("SELECT cache_hit, amount_usd FROM usage_entry WHERE kind = 'llm'")
    assert all(entry["amount_usd"] == 0 for entry in paid if entry["cache_hit"])
    assert sum(entry["cache_hit"] for entry in paid) == 4

    # What was not asked before is answered from knowledge word for word; no model is asked.
    assert await desk.say("And how long does delivery take?", number="4915550004") == [
        "We ship within 2 working days. Delivery takes 3 to 5 working days."
    ]
    _, lines = await last_turn(desk)
    assert lines[0]["step"] == "knowledge"
    assert len(desk.simulator.model.requests) == calls
