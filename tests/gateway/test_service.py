"""`complete` against a provider over real HTTP: what it gives, sends, records, and when it stops."""

import asyncio
import socket
import sys
import time
from decimal import Decimal
from typing import Any, Literal

import pytest
import structlog
from aiohttp import web
from pydantic import BaseModel, Field, SecretStr

from frontdesk.core.db import Database
from frontdesk.core.errors import Unavailable
from frontdesk.core.json import loads
from frontdesk.core.settings import DatabaseSettings
from frontdesk.gateway import ModelsUnavailable, Outcome, PromptRejected, call_log, complete

from .conftest import GROQ, OPENAI, QUESTION, Desk, MakeDesk, eventually
from .stub_provider import USAGE, Provider, as_json, drips, fails, gives, hangs, hangs_up, says


class Triage(BaseModel):
    category: Literal["question", "complaint"]
    sentiment: float = Field(ge=-1, le=1)
    intent: str = Field(max_length=80)
    order_number: str | None = None


GOOD = {"category": "question", "sentiment": 0.2, "intent": "opening hours", "order_number": None}


async def test_an_answer_comes_with_its_tokens_and_its_cost(desk: Desk, provider: Provider) -> None:
    provider.plan = [says("Yes, from 8.")]
    completion = await complete(desk.resources, desk.request())
    assert completion.text == "Yes, from 8."
    assert completion.model == GROQ
    assert (completion.input_tokens, completion.output_tokens) == (1000, 200)
    assert completion.cost_usd == Decimal("0.000135")
    assert completion.attempts == 1


async def test_an_attempt_leaves_one_call_row_and_one_ledger_entry(
    desk: Desk, provider: Provider
) -> None:
    provider.plan = [says("Yes.", usage=USAGE | {"prompt_tokens_details": {"cached_tokens": 500}})]
    completion = await complete(
        desk.resources,
        desk.request(prompt_name="reply", prompt_version="1.0.0", chunk_ids=("c1",)),
    )
    (call,) = await desk.calls()
    assert call["id"] == completion.call_ids[0]
    assert call["outcome"] == "ok"
    assert (call["model_asked"], call["attempt"]) == (GROQ, 1)
    assert loads(call["messages"])[0]["role"] == "system"
    assert loads(call["chunk_ids"]) == ["c1"]
    assert call["response"] == "Yes."
    assert call["cached_input_tokens"] == 500
    assert call["cost_usd"] == Decimal("0.000116250")
    (entry,) = await desk.usage()
    assert entry["source_id"] == str(call["id"])
    assert entry["amount_usd"] == Decimal("0.000116250")
    assert loads(entry["unit_prices"])["output_usd_per_million"].startswith("0.30")


async def test_a_groq_answer_without_a_service_tier_succeeds(
    desk: Desk, provider: Provider
) -> None:
    completion = await complete(desk.resources, desk.request(models=(GROQ,)))
    assert completion.text == "Hello."


async def test_a_schema_is_sent_strictly_and_the_answer_comes_back_as_an_instance(
    desk: Desk, provider: Provider
) -> None:
    provider.plan = [says(as_json(GOOD))]
    completion = await complete(desk.resources, desk.request(feature="triage", schema=Triage))
    assert isinstance(completion.parsed, Triage)
    assert completion.parsed.intent == "opening hours"
    (body,) = provider.bodies
    asked = body["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"]) == ("triage", True)
    assert asked["schema"]["additionalProperties"] is False
    assert asked["schema"]["required"] == ["category", "sentiment", "intent", "order_number"]
    assert body["temperature"] == 0
    assert body["reasoning_effort"] == "low"


async def test_free_text_leaves_the_temperature_to_the_model(
    desk: Desk, provider: Provider
) -> None:
    await complete(desk.resources, desk.request(models=(OPENAI,)))
    await complete(desk.resources, desk.request(models=(OPENAI,), temperature=0.7))
    assert [body.get("temperature") for body in provider.bodies] == [None, 0.7]
    assert "reasoning_effort" not in provider.bodies[0]
    assert provider.headers[0]["Authorization"] == "Bearer test-openai-key"


async def test_a_program_s_call_leaves_what_it_does_not_say_to_the_model(
    desk: Desk, provider: Provider
) -> None:
    await complete(desk.resources, desk.request(feature="api", models=(OPENAI,)))
    assert "temperature" not in provider.bodies[0]


async def test_a_cut_answer_is_one_for_who_takes_it_even_when_nothing_was_said_yet(
    desk: Desk, provider: Provider
) -> None:
    provider.plan = [says("Yes, we", finish_reason="length"), says(None, finish_reason="length")]
    request = desk.request(max_output_tokens=3, may_be_cut=True)
    first, second = [await complete(desk.resources, request) for _ in range(2)]
    assert (first.text, first.is_cut, first.attempts) == ("Yes, we", True, 1)
    assert (second.text, second.is_cut, second.attempts) == ("", True, 1)
    assert [body["max_tokens"] for body in provider.bodies] == [3, 3]
    assert not (await complete(desk.resources, request)).is_cut


CLAUDE = "anthropic/claude-haiku-4-5"


@pytest.mark.parametrize(
    ("model", "sampling"), [(CLAUDE, {"seed": 7}), ("openai/gpt-5-mini", {"temperature": 0.2})]
)
async def test_a_model_that_does_not_take_a_caller_s_parameter_is_passed_over_and_not_asked(
    desk: Desk, provider: Provider, model: str, sampling: dict[str, Any]
) -> None:
    completion = await complete(
        desk.resources, desk.request(models=(model, GROQ), sampling=sampling)
    )
    assert completion.model == GROQ
    assert len(provider.bodies) == 1
    assert sampling.items() <= provider.bodies[0].items()
    with pytest.raises(PromptRejected, match=next(iter(sampling))) as refused:
        await complete(desk.resources, desk.request(models=(model,), sampling=sampling))
    assert "drop" not in str(refused.value)
    assert len(provider.bodies) == 1
    assert [call["outcome"] for call in await desk.calls()] == ["bad_request", "ok", "bad_request"]


@pytest.mark.parametrize("models", [(CLAUDE, GROQ), (GROQ, CLAUDE)])
async def test_what_a_model_says_of_a_prompt_is_not_laid_to_a_caller_s_parameter(
    desk: Desk, provider: Provider, models: tuple[str, str]
) -> None:
    provider.default = fails(400)
    with pytest.raises(PromptRejected) as refused:
        await complete(desk.resources, desk.request(models=models, sampling={"seed": 7}))
    assert str(refused.value) == "The prompt was refused: bad_request."
    provider.default = says(None, finish_reason="content_filter")
    with pytest.raises(PromptRejected) as refused:
        await complete(desk.resources, desk.request(models=models, sampling={"seed": 7}))
    assert str(refused.value) == "The prompt was refused: content_filter."


async def test_a_fenced_answer_is_read(desk: Desk, provider: Provider) -> None:
    provider.plan = [says(f"```json\n{as_json(GOOD)}\n```")]
    completion = await complete(desk.resources, desk.request(schema=Triage))
    assert completion.parsed == Triage.model_validate(GOOD)


async def test_a_model_without_structured_outputs_answers_through_a_tool(
    desk: Desk, provider: Provider
) -> None:
    """The schema then goes out as `tools`, which LiteLLM refuses to send unless `mcp` is installed."""
    call = {"id": "1", "type": "function"}
    arguments = {"function": {"name": "json_tool_call", "arguments": as_json(GOOD)}}
    provider.plan = [
        says(None, finish_reason="tool_calls", message={"tool_calls": [{**call, **arguments}]})
    ]
    completion = await complete(
        desk.resources, desk.request(models=("groq/unheard-of",), schema=Triage)
    )
    assert provider.bodies[0]["tools"]
    assert completion.parsed == Triage.model_validate(GOOD)


@pytest.mark.parametrize("model", [GROQ, OPENAI])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_each_attempt_is_exactly_one_request(
    make_desk: MakeDesk, provider: Provider, model: str, status: int
) -> None:
    desk = make_desk(attempts_per_model=1)
    provider.default = fails(status)
    with pytest.raises(ModelsUnavailable) as refusal:
        await complete(desk.resources, desk.request(models=(model,)))
    assert refusal.value.attempts == 1
    assert len(provider.bodies) == 1
    assert [call["outcome"] for call in await desk.calls()] == [
        "rate_limited" if status == 429 else "provider_down"
    ]


@pytest.mark.parametrize("model", [GROQ, OPENAI, "anthropic/claude-haiku-4-5"])
@pytest.mark.parametrize("never_ends", [hangs, drips])
async def test_a_model_that_hangs_or_drips_is_one_timed_out_request(
    make_desk: MakeDesk, provider: Provider, model: str, never_ends: Any
) -> None:
    # What ends it long before the deadline is the attempt's own time.
    desk = make_desk(attempts_per_model=1, attempt_timeout_seconds=0.4, deadline_seconds=120)
    provider.default = never_ends
    async with asyncio.timeout(40):
        with pytest.raises(ModelsUnavailable):
            await complete(desk.resources, desk.request(models=(model,)))
    assert len(provider.bodies) == 1
    assert [call["outcome"] for call in await desk.calls()] == ["timeout"]


@pytest.mark.parametrize("model", [GROQ, OPENAI, "anthropic/claude-haiku-4-5"])
async def test_a_request_whose_connection_breaks_is_not_sent_behind_our_back(
    make_desk: MakeDesk, provider: Provider, model: str
) -> None:
    """The provider may have answered it, and charged for it."""
    desk = make_desk(attempts_per_model=1)
    provider.default = hangs_up
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=(model,)))
    assert len(provider.bodies) == 1
    assert [call["outcome"] for call in await desk.calls()] == ["provider_down"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (fails(401, code="invalid_api_key", message="Incorrect API key"), "configuration"),
        (fails(403), "configuration"),
        (fails(404, code="model_not_found", message="No such model"), "configuration"),
        (fails(400, message="What is this?"), "bad_request"),
        (fails(422, message="What is this?"), "bad_request"),
        (
            fails(400, code="context_length_exceeded", message="maximum context length is 8192"),
            "context_overflow",
        ),
        (fails(502), "provider_down"),
        (gives("<html>Bad gateway</html>", status=502, content_type="text/html"), "provider_down"),
    ],
)
@pytest.mark.parametrize("model", [GROQ, OPENAI])
async def test_errors_are_classified_and_the_next_model_is_asked(
    make_desk: MakeDesk, provider: Provider, model: str, answer: Any, outcome: str
) -> None:
    other = OPENAI if model == GROQ else GROQ
    desk = make_desk(attempts_per_model=1)
    provider.plan = [answer, says("Yes.")]
    completion = await complete(desk.resources, desk.request(models=(model, other)))
    assert (completion.model, completion.attempts) == (other, 2)
    assert [call["outcome"] for call in await desk.calls()] == [outcome, "ok"]
    assert len(await desk.usage()) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("<html>Hello</html>", "text/html"), ('{"id": "1", "cho', "application/json")],
)
@pytest.mark.parametrize("model", [GROQ, OPENAI])
async def test_a_200_that_is_no_json_is_a_provider_that_is_down(
    make_desk: MakeDesk, provider: Provider, model: str, body: str, content_type: str
) -> None:
    desk = make_desk(attempts_per_model=1)
    provider.default = gives(body, content_type=content_type)
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=(model,)))
    assert [call["outcome"] for call in await desk.calls()] == ["provider_down"]


async def test_a_refused_connection_is_a_provider_that_is_down(make_desk: MakeDesk) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        desk = make_desk(attempts_per_model=1, groq_api_base=base, openai_api_base=base)
        with pytest.raises(ModelsUnavailable) as refusal:
            await complete(desk.resources, desk.request())
    assert refusal.value.attempts == 2
    assert [call["outcome"] for call in await desk.calls()] == ["provider_down"] * 2
    assert await desk.usage() == []


async def test_a_missing_key_is_an_alarm_and_the_next_model_answers(
    desk: Desk, provider: Provider
) -> None:
    settings = desk.resources.settings.model_copy(update={"groq_api_key": None})
    object.__setattr__(desk.resources, "settings", settings)
    completion = await complete(desk.resources, desk.request())
    assert completion.model == OPENAI
    assert provider.models == ["gpt-4o-mini"]
    assert [call["outcome"] for call in await desk.calls()] == ["configuration", "ok"]


@pytest.mark.parametrize(
    "refusal",
    [
        fails(400, code="content_filter", message="blocked by content_filter"),
        says("", finish_reason="content_filter"),
        says(None, message={"refusal": "I can't help with that."}),
    ],
)
async def test_a_prompt_refused_for_its_content_is_never_sent_again(
    desk: Desk, provider: Provider, refusal: Any
) -> None:
    provider.plan = [refusal]
    with pytest.raises(PromptRejected) as rejected:
        await complete(desk.resources, desk.request(models=(OPENAI, GROQ)))
    assert rejected.value.reason is Outcome.CONTENT_FILTER
    assert len(provider.bodies) == 1


async def test_a_prompt_too_long_for_every_model_is_rejected_as_such(
    desk: Desk, provider: Provider
) -> None:
    provider.default = fails(400, code="context_length_exceeded", message="context length")
    with pytest.raises(PromptRejected) as rejected:
        await complete(desk.resources, desk.request())
    assert rejected.value.reason is Outcome.CONTEXT_OVERFLOW
    assert rejected.value.attempts == 2


@pytest.mark.parametrize(
    "garbage",
    [
        says(None),
        says("  "),
        says("I would rather chat."),
        says(as_json({**GOOD, "sentiment": 7})),
        says(as_json({"category": "question"})),
        says("{}"),
        says(as_json(GOOD)[:30], finish_reason="length"),
        gives(as_json({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                       "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1,
                                                "total_tokens": 10}})),
    ],
)  # fmt: skip
async def test_garbage_is_billed_and_asked_once_more_with_what_was_wrong(
    desk: Desk, provider: Provider, garbage: Any
) -> None:
    provider.plan = [garbage, says(as_json(GOOD))]
    completion = await complete(
        desk.resources, desk.request(schema=Triage, feature="triage", max_output_tokens=100)
    )
    assert completion.parsed == Triage.model_validate(GOOD)
    assert len(set(provider.models)) == 1
    first, second = (body["messages"][0]["content"] for body in provider.bodies)
    assert second.startswith(first + "\n\n")
    assert "previous answer" in second
    assert [call["outcome"] for call in await desk.calls()] == ["garbage", "ok"]
    assert len(await desk.usage()) == 2
    assert completion.input_tokens > 1000


async def test_an_answer_cut_off_is_asked_for_again_with_more_room(
    desk: Desk, provider: Provider
) -> None:
    provider.plan = [says("Yes, we", finish_reason="length"), says("Yes.")]
    await complete(desk.resources, desk.request(max_output_tokens=100, models=(GROQ,)))
    assert [body["max_tokens"] for body in provider.bodies] == [100, 200]


async def test_garbage_twice_goes_to_the_next_model(desk: Desk, provider: Provider) -> None:
    provider.plan = [says("no"), says("no"), says(as_json(GOOD))]
    completion = await complete(desk.resources, desk.request(schema=Triage))
    assert completion.model == OPENAI
    assert completion.attempts == 3


async def test_missing_usage_is_counted_and_never_free(desk: Desk, provider: Provider) -> None:
    provider.plan = [says("Yes, we are.", usage=None)]
    completion = await complete(desk.resources, desk.request())
    (call,) = await desk.calls()
    assert call["usage_known"] is False
    assert call["input_tokens"] > 10
    assert completion.cost_usd
    (entry,) = await desk.usage()
    assert entry["amount_usd"] > 0


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 900, "completion_tokens": 0, "total_tokens": 900}, (900, 4)),
        ({"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 7}, (None, 7)),
    ],
)
async def test_half_of_the_usage_is_believed_and_the_other_half_counted(
    desk: Desk, provider: Provider, usage: Any, expected: tuple[int | None, int]
) -> None:
    provider.plan = [says("Yes, we are.", usage=usage)]
    await complete(desk.resources, desk.request())
    (call,) = await desk.calls()
    assert call["usage_known"] is False
    assert call["input_tokens"] == (expected[0] or call["input_tokens"]) > 10
    assert 0 < call["output_tokens"] in range(expected[1] - 1, expected[1] + 2)


async def test_no_answer_makes_litellm_load_a_vocabulary_of_its_own(
    desk: Desk, provider: Provider
) -> None:
    said = {"type": "text", "text": "Yes, we are."}
    used = {"input_tokens": 20, "output_tokens": 5}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
    message |= {"content": [said], "stop_reason": "end_turn", "usage": used}
    of_anthropic = gives(as_json(message))
    for model, answer in [
        (GROQ, says("Yes, we are.", usage=None)),
        (OPENAI, says("Yes, we are.", usage=None)),
        ("anthropic/claude-haiku-4-5", of_anthropic),
    ]:
        provider.plan = [answer]
        completion = await complete(desk.resources, desk.request(models=(model,)))
        assert completion.text == "Yes, we are."
    # 38 MiB of a worker.
    assert "litellm.litellm_core_utils.default_encoding" not in sys.modules


async def test_an_unknown_price_is_an_alarm_and_never_zero(desk: Desk, provider: Provider) -> None:
    with structlog.testing.capture_logs() as logged:
        completion = await complete(desk.resources, desk.request(models=("openai/brand-new",)))
    assert completion.cost_usd is None
    (call,), (entry,) = await desk.calls(), await desk.usage()
    assert call["cost_usd"] is None
    assert entry["amount_usd"] is None
    counted = desk.resources.metrics.unpriced.labels("openai/brand-new")
    assert counted._value.get() == 1
    assert [item["event"] for item in logged] == ["llm_price_unknown"]


async def test_a_retry_after_that_fits_is_waited_for(desk: Desk, provider: Provider) -> None:
    provider.plan = [fails(429, headers={"Retry-After": "1"}), says("Yes.")]
    began = time.monotonic()
    completion = await complete(desk.resources, desk.request())
    assert (completion.model, completion.attempts) == (GROQ, 2)
    assert time.monotonic() - began >= 1


async def test_a_retry_after_that_does_not_fit_sends_to_the_next_model(
    desk: Desk, provider: Provider
) -> None:
    provider.plan = [fails(429, headers={"Retry-After": "600"}), says("Yes.")]
    completion = await complete(desk.resources, desk.request())
    assert completion.model == OPENAI


async def test_one_deadline_covers_all_attempts(make_desk: MakeDesk, provider: Provider) -> None:
    # The second attempt gets what the first has left, and a busy machine takes some of it.
    desk = make_desk(deadline_seconds=4.0, attempt_timeout_seconds=2.8)
    provider.default = hangs
    began = time.monotonic()
    with pytest.raises(ModelsUnavailable) as refusal:
        await complete(desk.resources, desk.request())
    assert 3.9 < time.monotonic() - began < 5.6
    assert refusal.value.attempts == 2
    await desk.written()  # Nobody waits for that once the deadline has passed.
    assert [call["outcome"] for call in await desk.calls()] == ["timeout", "timeout"]


async def test_an_open_breaker_spares_the_model(desk: Desk, provider: Provider) -> None:
    provider.default = fails(500)
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=(GROQ,)))
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=(GROQ,)))
    assert len(provider.bodies) == 5
    provider.default = says("Yes.")
    completion = await complete(desk.resources, desk.request())
    assert completion.model == OPENAI
    assert completion.attempts == 1
    with pytest.raises(ModelsUnavailable) as refusal:
        await complete(desk.resources, desk.request(models=(GROQ,)))
    assert refusal.value.attempts == 0
    assert 25 < refusal.value.retry_after_seconds <= 30


async def test_a_call_that_had_hardly_any_time_says_nothing_of_its_model(
    make_desk: MakeDesk, provider: Provider
) -> None:
    """One model that hangs must not bring down the breaker of the next, which got what was left."""
    desk = make_desk(attempts_per_model=1, attempt_timeout_seconds=2.0)
    provider.default = hangs
    for _ in range(6):
        with pytest.raises(ModelsUnavailable):
            await complete(desk.resources, desk.request(models=(GROQ,), deadline_seconds=0.15))
    provider.default = says("Yes.")
    completion = await complete(desk.resources, desk.request(models=(GROQ,)))
    assert (completion.text, completion.attempts) == ("Yes.", 1)


async def test_who_gives_up_is_told_what_was_wrong_with_each_model(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk(attempts_per_model=1)
    provider.plan = [fails(503), fails(429)]
    with pytest.raises(ModelsUnavailable, match=f"{GROQ}: provider_down, {OPENAI}: rate_limited"):
        await complete(desk.resources, desk.request())
    provider.plan = [fails(503), says("Yes.")]
    completion = await complete(desk.resources, desk.request())
    assert completion.failures == (f"{GROQ}: provider_down",)


async def test_cancelling_stops_the_call_and_still_records_it(
    desk: Desk, provider: Provider
) -> None:
    provider.default = hangs
    task = asyncio.create_task(complete(desk.resources, desk.request()))
    await eventually(lambda: provider.in_flight)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await desk.written()
    assert [call["outcome"] for call in await desk.calls()] == ["cancelled"]
    await eventually(lambda: not provider.in_flight)


async def test_many_calls_at_once_each_leave_their_own_records(
    desk: Desk, provider: Provider
) -> None:
    provider.default = says("Yes.", after=0.05)
    done = await asyncio.gather(*(complete(desk.resources, desk.request()) for _ in range(60)))
    written = {call["id"] for call in await desk.calls()}
    assert written == {call_id for completion in done for call_id in completion.call_ids}
    assert len(await desk.usage()) == 60


async def test_nothing_below_the_limits_holds_calls_back(
    make_desk: MakeDesk, provider: Provider
) -> None:
    limits = dict.fromkeys(("max_in_flight", "tenant_max_in_flight", "provider_max_in_flight"), 600)
    desk = make_desk(deadline_seconds=150, attempt_timeout_seconds=150, **limits)
    crowded = asyncio.Event()

    async def waits_for_a_crowd(request: web.Request) -> web.StreamResponse:
        if provider.in_flight > 500:
            crowded.set()
        await crowded.wait()
        return await says("Yes.")(request)

    provider.default = waits_for_a_crowd
    async with asyncio.timeout(150):
        await asyncio.gather(*(complete(desk.resources, desk.request()) for _ in range(600)))


@pytest.mark.parametrize(
    "limit", ["max_in_flight", "tenant_max_in_flight", "provider_max_in_flight"]
)
async def test_no_more_calls_than_allowed_are_in_flight(
    make_desk: MakeDesk, provider: Provider, limit: str
) -> None:
    desk = make_desk(**{limit: 3})
    three = asyncio.Event()

    async def waits_for_three(request: web.Request) -> web.StreamResponse:
        if provider.in_flight >= 3:
            three.set()
        await three.wait()
        # So that a fourth would come before they are gone.
        return await says("Yes.", after=0.05)(request)

    provider.default = waits_for_three
    await asyncio.gather(*(complete(desk.resources, desk.request()) for _ in range(9)))
    assert provider.most_in_flight == 3


async def test_a_prompt_too_long_is_sent_once_more_without_its_oldest_history(
    desk: Desk, provider: Provider
) -> None:
    thread = tuple(
        {"role": role, "content": f"{number} " + "word " * 50}
        for number in range(6)
        for role in ("user", "assistant")
    )
    messages = (*QUESTION[:1], *thread, *QUESTION[1:])
    too_long = fails(400, code="context_length_exceeded", message="maximum context length")
    provider.plan = [too_long, says("Yes.")]
    completion = await complete(desk.resources, desk.request(messages=messages, models=(GROQ,)))
    assert (completion.attempts, completion.failures) == (2, (f"{GROQ}: context_overflow",))
    first, second = (body["messages"] for body in provider.bodies)
    assert (second[0], second[-1]) == (first[0], first[-1])
    assert second[1:-1] == first[-len(second) + 1 : -1]
    assert 6 <= len(second) <= 9
    provider.plan = [too_long, too_long, says("Yes.")]
    other = await complete(desk.resources, desk.request(messages=messages))
    assert (other.model, len(provider.bodies[-1]["messages"])) == (OPENAI, len(second))


async def dead_database(desk: Desk) -> Database:
    """A database that refuses connections, as this process sees it from now on."""
    # The discard port: nothing listens there.
    url = "postgresql://frontdesk_app@127.0.0.1:9/frontdesk"
    database = Database(DatabaseSettings(url=SecretStr(url)), {})
    await database.open()
    object.__setattr__(desk.resources, "db", database)
    return database


async def test_a_database_that_is_down_costs_no_tokens(desk: Desk, provider: Provider) -> None:
    database = await dead_database(desk)
    with pytest.raises(Unavailable):
        await complete(desk.resources, desk.request())
    assert provider.bodies == []
    await database.close()


async def test_a_call_that_can_not_be_recorded_is_not_taken_for_done(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "RETRY_PAUSES_SECONDS", (0.01,))
    await complete(desk.resources, desk.request())  # Reads the prices while it can.
    database = await dead_database(desk)
    with pytest.raises(Unavailable):
        await complete(desk.resources, desk.request())
    assert len(provider.bodies) == 2
    await database.close()


async def test_one_bad_record_takes_no_others_down(desk: Desk, provider: Provider) -> None:
    provider.default = says("Yes.", after=0.1)
    bad = desk.request(message_id="no id")  # Postgres refuses it.
    done = await asyncio.gather(
        *(complete(desk.resources, desk.request()) for _ in range(8)),
        complete(desk.resources, bad),
        return_exceptions=True,
    )
    assert [isinstance(item, Exception) for item in done] == [False] * 8 + [True]
    assert len(await desk.calls()) == 8


@pytest.mark.parametrize("status", [429, 500, 529])
async def test_a_provider_with_its_own_wire_format_gets_exactly_one_request_too(
    make_desk: MakeDesk, provider: Provider, status: int
) -> None:
    desk = make_desk(attempts_per_model=1)
    provider.default = fails(status)
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=("anthropic/claude-haiku-4-5",)))
    assert len(provider.bodies) == 1
    assert [call["outcome"] for call in await desk.calls()] == [
        "rate_limited" if status == 429 else "provider_down"
    ]


async def test_no_host_name_is_looked_up_in_a_call(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = socket.getaddrinfo

    def hooked(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hooked)
    await complete(desk.resources, desk.request())
    await complete(desk.resources, desk.request(models=(OPENAI,)))
    assert [host for host in asked if host not in ("127.0.0.1", b"127.0.0.1", None)] == []
