"""The gateway against somebody else's mock of the providers, which also judges how it behaves.

It speaks each provider's own wire format and knows nothing of ours. Faults of streams are left out:
the gateway takes whole answers only.
"""

import pytest
from llmock.pytest_plugin import LLMock
from pydantic import BaseModel

from frontdesk.gateway import ModelsUnavailable, PromptRejected, complete

from .conftest import GROQ, OPENAI, Desk, MakeDesk

ANTHROPIC = "anthropic/claude-haiku-4-5"
EACH = pytest.mark.parametrize("model", [GROQ, OPENAI, ANTHROPIC])


class Order(BaseModel):
    number: str


@pytest.fixture
def mocked(make_desk: MakeDesk, llmock: LLMock) -> Desk:
    """A process whose providers are all the mock."""
    return make_desk(
        attempts_per_model=2,
        **{f"{name}_api_base": llmock.base_url(name) for name in ("groq", "openai", "anthropic")},
    )


async def outcomes(desk: Desk) -> list[str]:
    return [call["outcome"] for call in await desk.calls()]


def asking(number: int) -> tuple[dict[str, str], ...]:
    """A question of its own: the mock takes the same body again for another try at the same call."""
    return ({"role": "user", "content": f"Where is order {number}?"},)


@EACH
async def test_what_passes_by_is_waited_for_and_what_can_not_succeed_is_not_tried_again(
    mocked: Desk, llmock: LLMock, model: str
) -> None:
    other = OPENAI if model != OPENAI else GROQ
    request = mocked.request(models=(model, other))
    llmock.reply("Plain.")
    assert (await complete(mocked.resources, request)).text == "Plain."
    llmock.rate_limit(retry_after=0.4)
    assert (await complete(mocked.resources, request)).failures == (f"{model}: rate_limited",)
    llmock.fail(500)
    assert (await complete(mocked.resources, request)).failures == (f"{model}: provider_down",)
    llmock.fail(401)
    completion = await complete(mocked.resources, request)
    assert (completion.model, completion.failures) == (other, (f"{model}: configuration",))
    assert await outcomes(mocked) == [
        "ok",
        *("rate_limited", "ok"),
        *("provider_down", "ok"),
        *("configuration", "ok"),
    ]
    llmock.assert_resilient(strict=True)


@EACH
async def test_an_outage_ends_at_the_next_provider_and_then_costs_nobody_anything(
    mocked: Desk, llmock: LLMock, model: str
) -> None:
    provider, other = model.partition("/")[0], OPENAI if model != OPENAI else GROQ
    llmock.outage(status=500, provider=provider)
    for number in range(4):
        request = mocked.request(models=(model, other), messages=asking(number))
        assert (await complete(mocked.resources, request)).model == other
    # Five failures in a row open the breaker, so the last call does not even ask.
    assert sum(record.provider == provider for record in llmock.requests) == 5
    # It warns that the third gave up after one try: on purpose, as the breaker had opened.
    llmock.assert_resilient()


@EACH
async def test_an_answer_cut_off_or_broken_is_asked_for_once_more_in_other_words(
    mocked: Desk, llmock: LLMock, model: str
) -> None:
    for broken in ('{"number": "4', "\x00 not what was asked for"):
        llmock.reply(broken).reply('{"number": "4711"}')
        request = mocked.request(models=(model,), schema=Order)
        completion = await complete(mocked.resources, request)
        assert completion.parsed == Order(number="4711")
    assert await outcomes(mocked) == ["garbage", "ok", "garbage", "ok"]
    llmock.assert_resilient(strict=True)


@EACH
async def test_a_prompt_that_is_too_long_is_refused_and_never_repeated_as_it_was(
    mocked: Desk, llmock: LLMock, model: str
) -> None:
    llmock.context_overflow(times=None)
    with pytest.raises(PromptRejected):
        await complete(mocked.resources, mocked.request(models=(model,)))
    llmock.assert_resilient(strict=True)


async def test_a_long_retry_after_opens_the_breaker_at_once_and_for_as_long(
    mocked: Desk, llmock: LLMock
) -> None:
    llmock.rate_limit(times=None, retry_after=120)

    async def ask(number: int) -> ModelsUnavailable:
        request = mocked.request(models=(GROQ,), messages=asking(number))
        with pytest.raises(ModelsUnavailable) as refusal:
            await complete(mocked.resources, request)
        return refusal.value

    assert (await ask(0)).attempts == 1
    refused = await ask(1)
    assert refused.attempts == 0
    assert 100 < refused.retry_after_seconds <= 120
    llmock.assert_resilient()
