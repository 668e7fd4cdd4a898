"""Tokens in the ledger are the provider's own numbers, to the last one, whatever goes wrong between."""

import asyncio
import random
from collections import Counter
from decimal import Decimal

import pytest
from aiohttp import web

from frontdesk.core.errors import FrontdeskError
from frontdesk.gateway import complete

from .conftest import Desk, MakeDesk, eventually
from .stub_provider import Answer, Json, Provider, fails, gives, hangs, says

# Prompt, completion, cached and reasoning tokens.
Tokens = tuple[int, int, int, int]


def some_tokens(dice: random.Random) -> Tokens:
    prompt, completion = dice.randint(1, 9_000), dice.randint(1, 2_000)
    return prompt, completion, dice.randint(0, prompt), dice.randint(0, completion)


def billed(tokens: Tokens, told: list[Tokens], text: str, finish_reason: str) -> Answer:
    """An answer that the provider bills, and counts as told when it goes out."""
    prompt, completion, cached, reasoning = tokens
    usage: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    answer = says(text, finish_reason=finish_reason, usage=usage)

    async def tell(request: web.Request) -> web.StreamResponse:
        told.append(tokens)
        return await answer(request)

    return tell


def some_answer(dice: random.Random, told: list[Tokens]) -> Answer:
    """Anything a provider may answer: well, badly but billed, or not at all."""
    tokens = some_tokens(dice)
    return dice.choice(
        [
            billed(tokens, told, "We are open from nine.", "stop"),
            billed(tokens, told, "We are open from nine.", "stop"),
            billed(tokens, told, "We are op", "length"),
            billed(tokens, told, " ", "stop"),
            billed(tokens, told, "No.", "content_filter"),
            fails(429, headers={"retry-after": "0"}),
            fails(500),
            fails(503),
            fails(401),
            gives("<html>502 Bad Gateway</html>", status=502, content_type="text/html"),
        ]
    )


async def in_ledger(desk: Desk) -> list[Tokens]:
    return [
        (
            entry["input_tokens"],
            entry["output_tokens"],
            entry["cached_input_tokens"],
            entry["reasoning_tokens"],
        )
        for entry in await desk.usage()
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_each_billed_answer_is_counted_once_whatever_came_before_it(
    make_desk: MakeDesk, provider: Provider, seed: int
) -> None:
    dice, told = random.Random(seed), list[Tokens]()
    desk = make_desk(attempts_per_model=1)
    provider.plan = [some_answer(dice, told) for _ in range(40)]
    provider.default = billed((7, 3, 2, 1), told, "Yes.", "stop")
    asked = [complete(desk.resources, desk.request()) for _ in range(20)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    await desk.written()
    assert all(
        isinstance(outcome, FrontdeskError)
        for outcome in done
        if isinstance(outcome, BaseException)
    )
    assert told
    assert Counter(await in_ledger(desk)) == Counter(told)
    for entry in await desk.usage():
        # Both models have a price, and reasoning is part of what comes out.
        assert entry["amount_usd"] > Decimal(0)
        assert entry["reasoning_tokens"] <= entry["output_tokens"]


async def test_a_caller_that_goes_away_leaves_what_was_told_and_nothing_else(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk, told = make_desk(), list[Tokens]()
    # The first answer is no good and billed; at the second the caller loses patience.
    provider.plan = [billed((900, 80, 0, 20), told, " ", "stop"), hangs]
    asking = asyncio.create_task(complete(desk.resources, desk.request()))
    await eventually(lambda: len(provider.bodies) == 2)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await desk.written()
    assert await in_ledger(desk) == told == [(900, 80, 0, 20)]
    # The attempt is known all the same: a bill that shows more than the ledger can be explained.
    assert [call["outcome"] for call in await desk.calls()] == ["garbage", "cancelled"]


async def test_tokens_of_a_provider_that_does_not_say_are_our_own_count_and_marked(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk()
    provider.default = says("We are open from nine.", usage=None)
    await complete(desk.resources, desk.request())
    await desk.written()
    ((prompt, completion, cached, reasoning),) = await in_ledger(desk)
    assert prompt > 0 < completion
    assert (cached, reasoning) == (0, 0)
    (call,) = await desk.calls()
    assert call["usage_known"] is False
