"""Models that fail, and answers that are none: another try, another model, or a person; never silence."""

import json
from typing import Any

import pytest
from tests.desk import Desk, eventually

from frontdesk.gateway import CompletionRequest, complete
from frontdesk.gateway.breaker import Breaker
from frontdesk.gateway.door import Door
from frontdesk.simulator import ModelFault, ModelFaultKind

GROQ, OPENAI = "groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"
QUESTION = "How long does delivery take?"
FAILURES = {
    "429 with Retry-After": (
        ModelFault(ModelFaultKind.STATUS, http_status=429, retry_after_seconds=0.2),
        "rate_limited",
    ),
    "500": (ModelFault(ModelFaultKind.STATUS), "provider_down"),
    "hang": (ModelFault(ModelFaultKind.HANG), "timeout"),
    "byte drip": (ModelFault(ModelFaultKind.DRIP), "timeout"),
    "connection cut": (ModelFault(ModelFaultKind.DROP), "provider_down"),
    "HTML instead of JSON": (ModelFault(ModelFaultKind.HTML), "provider_down"),
    "empty choices": (ModelFault(ModelFaultKind.EMPTY_CHOICES), "garbage"),
    "null content": (ModelFault(ModelFaultKind.NULL_CONTENT), "garbage"),
    "cut JSON": (ModelFault(ModelFaultKind.INVALID_JSON), "garbage"),
    "another schema": (ModelFault(ModelFaultKind.WRONG_SCHEMA), "garbage"),
}
EVERY_FAILURE = pytest.mark.parametrize(("fault", "outcome"), FAILURES.values(), ids=FAILURES)


@pytest.fixture
async def in_a_hurry(desk: Desk, monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """What hangs is given up soon; but the first call of a process may take its time."""
    if outcome != "timeout":
        return
    hello = ({"role": "user", "content": "Hello"},)
    for model in (GROQ, OPENAI):
        request = CompletionRequest(
            tenant_id=desk.id, feature="first", messages=hello, models=(model,)
        )
        await complete(desk.resources, request)
    monkeypatch.setattr(desk.resources.settings.llm, "attempt_timeout_seconds", 0.7)


@pytest.fixture
def no_second_try(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt at each model, so that a few calls do not open a breaker."""
    monkeypatch.setattr(desk.resources.settings.llm, "attempts_per_model", 1)


def all_models_are_down(desk: Desk, fault: ModelFault | None = None) -> None:
    down = fault or ModelFault(ModelFaultKind.STATUS, http_status=503)
    desk.simulator.model.faults.share(down, 1.0)


async def models_are_back(desk: Desk) -> None:
    desk.simulator.model.faults.clear()
    await desk.resources.redis.flushdb()
    desk.resources.keep(Door).breaker = Breaker(desk.resources.redis)


async def let_pass(desk: Desk, seconds: float) -> None:
    """What waits has waited so much longer, and is looked at now."""
    await desk.sql(
        "UPDATE conversation SET waiting_since = waiting_since - make_interval(secs => $1), "
        "last_inbound_at = last_inbound_at - make_interval(secs => $1), due_at = now() "
        "WHERE inbound_seq > handled_seq AND status = 'ACTIVE' RETURNING id",
        float(seconds),
    )
    await desk.work_until_idle()


async def handoff(desk: Desk, number: str = "4915550001") -> Any:
    conversation = await desk.conversation(number)
    assert conversation["status"] == "WITH_HUMAN"
    return await (await desk.admin()).get(f"/conversations/{conversation['id']}/handoff")


async def trace(desk: Desk, stage: str) -> Any:
    """The line of a stage in the newest turn's trace."""
    (turn,) = await desk.sql("SELECT trace FROM turn ORDER BY created_at DESC, id DESC LIMIT 1")
    return next(line for line in json.loads(turn["trace"]) if line["stage"] == stage)


@EVERY_FAILURE
@pytest.mark.usefixtures("in_a_hurry")
async def test_a_model_that_fails_once_is_made_up_for_and_the_trace_says_so(
    desk: Desk, fault: ModelFault, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.simulator.model.faults.next(fault, only="reply")
    desk.phone().say(QUESTION)
    await eventually(lambda: desk.simulator.model.faults.met[fault], seconds=20)
    # What is asked next may take its time.
    monkeypatch.setattr(desk.resources.settings.llm, "attempt_timeout_seconds", 20)
    assert len(await desk.say()) == 1
    calls = await desk.sql(
        "SELECT outcome, usage_known FROM llm_call WHERE feature = 'reply' ORDER BY attempt"
    )
    assert [call["outcome"] for call in calls] == [outcome, "ok"]
    line = await trace(desk, "reply")
    assert line["failed"] == [f"{GROQ}: {outcome}"]
    # One that hangs is not asked again while there is another.
    assert line["model"] == (OPENAI if outcome == "timeout" else GROQ)


@EVERY_FAILURE
@pytest.mark.usefixtures("in_a_hurry", "no_second_try")
async def test_a_person_gets_what_no_model_answers_and_learns_why(
    desk: Desk, fault: ModelFault, outcome: str
) -> None:
    all_models_are_down(desk, fault)
    assert await desk.say(QUESTION) == []
    await let_pass(desk, 61)
    told = await handoff(desk)
    assert told["reason"] == "model_down"
    assert "no model can be reached" in told["packet"]["reasoning"]
    assert told["packet"]["goal"] == QUESTION
    error = (await trace(desk, "reply"))["error"]
    assert f"{GROQ}: {outcome}" in error
    assert f"{OPENAI}: {outcome}" in error
    assert len(desk.phone().replies) == 1, "the contact is told"


@pytest.mark.usefixtures("no_second_try")
async def test_a_contact_is_told_once_that_no_model_answers(desk: Desk) -> None:
    all_models_are_down(desk)
    await desk.say(QUESTION)
    await let_pass(desk, 61)
    (notice,) = desk.phone().replies
    assert notice == "Thank you. A colleague needs to look at this. Nobody is here right now; " + (
        "someone will answer you here as soon as possible."
    )
    assert await desk.say("Hello?", "Is anybody there?") == [notice]


@pytest.mark.usefixtures("no_second_try")
async def test_a_contact_given_back_in_the_same_outage_is_not_told_again_but_in_the_next_is(
    desk: Desk,
) -> None:
    ana = await desk.ana()

    async def write_and_wait() -> int:
        await desk.say(QUESTION)
        await let_pass(desk, 61)
        return len(desk.phone().replies)

    async def give_back() -> None:
        conversation = await desk.conversation()
        await ana.post(f"/conversations/{conversation['id']}/take-over")
        await ana.post(f"/conversations/{conversation['id']}/release")

    all_models_are_down(desk)
    assert await write_and_wait() == 1
    await give_back()
    assert await write_and_wait() == 1
    assert len(await desk.sql("SELECT 1 FROM handoff WHERE reason = 'model_down'")) == 2
    await models_are_back(desk)
    await give_back()
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 2, "what waited is answered"
    all_models_are_down(desk)
    assert await write_and_wait() == 3


@pytest.mark.usefixtures("no_second_try")
async def test_a_contact_who_keeps_writing_while_no_model_answers_gets_a_person(desk: Desk) -> None:
    """Each message has the burst looked at again, so its attempts run out before its time does."""
    all_models_are_down(desk)
    for number in range(7):
        await desk.say(f"{QUESTION} {number}")
        await let_pass(desk, 0)
    told = await handoff(desk)
    assert told["reason"] in ("stuck", "model_down")
    assert len(desk.phone().replies) == 1


@pytest.mark.usefixtures("no_second_try")
async def test_after_ten_minutes_without_models_people_have_the_old_and_the_agent_the_new(
    desk: Desk,
) -> None:
    all_models_are_down(desk)
    await desk.say(QUESTION)
    await let_pass(desk, 61)
    early = desk.phone("4915550001").replies
    await desk.say(QUESTION, number="4915550002")
    assert desk.phone("4915550002").replies == []
    await models_are_back(desk)
    await let_pass(desk, 10)
    (answer,) = desk.phone("4915550002").replies
    assert "3 to 5 working days" in answer
    assert desk.phone("4915550001").replies == early, "a person has it"
    assert "3 to 5 working days" in (await desk.say(QUESTION, number="4915550003"))[0]


@pytest.mark.usefixtures("no_second_try")
async def test_what_has_waited_for_more_than_a_day_is_not_answered_any_more(desk: Desk) -> None:
    all_models_are_down(desk)
    await desk.say(QUESTION)
    await models_are_back(desk)
    await let_pass(desk, 25 * 3600)
    assert desk.phone().replies == []
    told = await handoff(desk)
    assert told["rule"] == "The contact wrote more than a day ago."


async def test_an_answer_of_40000_characters_is_asked_for_again(desk: Desk) -> None:
    desk.simulator.model.faults.next(ModelFault(ModelFaultKind.LONG), only="reply")
    (answer,) = await desk.say(QUESTION)
    assert len(answer) < 300
    assert "40000 characters" in (await trace(desk, "guard"))["problem"]
    assert (await trace(desk, "repair"))["action"] == "reply"


async def test_an_answer_of_40000_characters_given_twice_goes_to_a_person_and_not_out(
    desk: Desk,
) -> None:
    desk.simulator.model.faults.next(ModelFault(ModelFaultKind.LONG), 2, only="reply")
    (notice,) = await desk.say(QUESTION)
    assert "on and on" not in notice
    told = await handoff(desk)
    assert told["reason"] == "guard"
    assert "40000 characters" in told["rule"]


async def test_who_asks_for_a_person_gets_one_for_that_reason_though_models_refuse_the_packet(
    desk: Desk,
) -> None:
    refused = ModelFault(ModelFaultKind.STATUS, http_status=400)
    desk.simulator.model.faults.next(refused, 4, only="handoff_packet")
    await desk.say("I want to talk to a human being")
    told = await handoff(desk)
    assert told["reason"] == "requested"
    assert "No model answered to write this." in str(told["packet"])


async def test_an_answer_a_little_too_long_is_cut_behind_a_sentence_and_shows_it(
    desk: Desk,
) -> None:
    await desk.configure(max_reply_characters=200)
    sentence = "Delivery takes three to five working days to any address. "
    desk.simulator.model.reply = sentence * 4
    assert await desk.say(QUESTION) == [(sentence * 3).strip() + " …"]


async def test_an_answer_without_usage_is_counted_and_never_free(desk: Desk) -> None:
    desk.simulator.model.faults.next(ModelFault(ModelFaultKind.NO_USAGE), only="reply")
    assert len(await desk.say(QUESTION)) == 1
    (call,) = await desk.sql("SELECT * FROM llm_call WHERE feature = 'reply'")
    assert call["usage_known"] is False
    assert call["input_tokens"] > 100
    assert call["output_tokens"] > 10
    (entry,) = await desk.sql(
        "SELECT amount_usd FROM usage_entry WHERE source_id = $1", str(call["id"])
    )
    assert entry["amount_usd"] == call["cost_usd"] > 0
