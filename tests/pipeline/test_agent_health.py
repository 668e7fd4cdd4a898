"""What an agent's health says, over HTTP, as one thing after another keeps it from answering."""

from typing import Any

import httpx
import pytest
from tests.desk import Desk

from frontdesk.core import ids
from frontdesk.gateway import Outcome, Standing
from frontdesk.gateway.attempts import Outcome as Attempted
from frontdesk.gateway.breaker import FAILURES, Admission, Breaker
from frontdesk.pipeline.health import Surroundings, complaints_around

GROQ, OPENAI = "groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"


async def health(desk: Desk) -> tuple[bool, dict[str, tuple[bool, str]]]:
    """Whether the agent answers, and what is said by code: whether it stops answers, and the words."""
    shown = await (await desk.ana()).get(f"/agents/{desk.agent_id}/health")
    said = {c["code"]: (c["stops_answers"], c["message"]) for c in shown["complaints"]}
    assert len(said) == len(shown["complaints"])
    return shown["answers"], said


async def test_an_agent_that_is_silent_when_closed_does_not_answer_then(desk: Desk) -> None:
    hours = {"time_zone": "UTC", "week": {}}
    await desk.configure(business_hours=hours)
    answers, said = await health(desk)
    assert (answers, said["never_open"][0]) == (True, False)
    await desk.configure(answers_when_closed=False)
    answers, said = await health(desk)
    assert (answers, list(said), said["never_open"][0]) == (
        False,
        ["never_open", "nobody_online"],
        True,
    )
    await desk.say("How long does delivery take?")
    assert desk.simulator.model.asked("reply") == []


async def test_health_says_in_words_what_keeps_an_agent_from_answering(desk: Desk) -> None:
    await desk.configure(models=[OPENAI])
    admin, ana = await desk.admin(), await desk.ana()
    answers, said = await health(desk)
    assert (answers, list(said)) == (True, ["nobody_online"])
    await ana.put("/me/availability", {"presence": "online"})
    assert await health(desk) == (True, {})

    await admin.post(f"/channels/{desk.channel_id}/pause", {"reason": "Stocktaking until noon."})
    words = "The number “Main number” is paused: Stocktaking until noon."
    assert await health(desk) == (False, {"channel_paused": (True, words)})
    await admin.post(f"/channels/{desk.channel_id}/resume")

    # Other processes' calls have failed; this one's breaker has seen none of them.
    elsewhere = Breaker(desk.resources.redis)
    for _ in range(FAILURES):
        await elsewhere.settle(OPENAI, Attempted.PROVIDER_DOWN, Admission(), None)
    answers, said = await health(desk)
    assert (answers, list(said)) == (False, ["model_failing"])
    assert said["model_failing"][1].startswith(f"{OPENAI} is not asked: it failed too often")
    await desk.configure(models=[OPENAI, GROQ])
    answers, said = await health(desk)
    assert (answers, said["model_failing"][0]) == (True, False)

    await desk.configure(models=["gemini/gemini-3-flash"], answers_enabled=False)
    answers, said = await health(desk)
    assert (answers, list(said)) == (False, ["answers_off", "model_not_configured"])
    assert "no API key is set" in said["model_not_configured"][1]

    await desk.configure(models=[GROQ], answers_enabled=True)
    budget = {"scope": "contact", "period": "day", "hard_usd": "0.000001"}
    await admin.post("/budgets", budget, status=201)
    answers, said = await health(desk)
    assert (answers, list(said)) == (False, ["budget_spent"])
    assert "day budget of this contact is used up" in said["budget_spent"][1]
    # It was only looked: nothing is set aside, and no model was asked.
    assert await desk.sql("SELECT 1 FROM budget_use WHERE reserved_usd > 0") == []
    assert await desk.sql("SELECT 1 FROM llm_call") == []

    for source in await desk.sql("SELECT id FROM knowledge_source"):
        await admin.http.delete(f"/api/v1/knowledge/sources/{source['id']}")
    await admin.post(f"/channels/{desk.channel_id}/disconnect", {"reason": "Moved."})
    _, said = await health(desk)
    assert set(said) == {"budget_spent", "no_knowledge", "channel_disconnected"}
    missing: httpx.Response = await admin.http.get(f"/api/v1/agents/{ids.new()}/health")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_agent")


def standing(model: str, obstacle: Outcome | None = None, *, cheaper: bool = False) -> Standing:
    return Standing(model, cheaper, obstacle, "in words")


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([standing("a/1")], []),
        ([standing("a/1", Outcome.OVER_BUDGET)], [("budget_spent", True)]),
        # Cheaper models stand in for what a budget is too small for, and for nothing else.
        (
            [standing("a/1", Outcome.OVER_BUDGET), standing("b/1", cheaper=True)],
            [("budget_spent", False)],
        ),
        (
            [standing("a/1", Outcome.BREAKER_OPEN), standing("b/1", cheaper=True)],
            [("model_failing", True)],
        ),
        ([standing("a/1"), standing("b/1", Outcome.CONFIGURATION, cheaper=True)], []),
    ],
)
def test_answers_stop_where_no_model_is_left(models: Any, said: Any) -> None:
    found = complaints_around(Surroundings([], [models, models], True, True))
    assert [(item.code, item.stops_answers) for item in found] == [("no_channel", True), *said]
