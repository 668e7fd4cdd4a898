"""LiteLLM by itself: the floor of whatever is about calls in flight, and the calls of other floors.

As a program: so many turns, each with its calls one after the other, so many calls at once. It
answers each question on standard input with a line of JSON on standard output.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import uvloop

# The documented way to run it as a client: no fetch of prices, no prints, room for the calls.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "AIOHTTP_CONNECTOR_LIMIT": "4000",
    "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": "2000",
}


def load_litellm() -> Callable[..., Awaitable[Any]]:
    """LiteLLM's `acompletion`, set up for one request a call: no retries, callbacks or cache."""
    os.environ.update(_ENVIRONMENT)
    import litellm as library

    litellm: Any = library  # What is set below is not in its declared types.
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    litellm.types.utils.ModelResponse.service_tier = None
    return partial(
        litellm.acompletion,
        timeout=600,
        num_retries=0,
        max_retries=0,
        drop_params=True,
        _skip_mcp_handler=True,
    )


async def close_litellm() -> None:
    """Close its connections."""
    import litellm as library

    litellm: Any = library  # It exports this untyped.
    await litellm.close_litellm_async_clients()


async def answer(complete: Callable[..., Awaitable[Any]], question: dict[str, Any]) -> Any:
    """Make `turns` turns of the calls in `calls` to `api_base`, `at_once` calls at once."""
    failures = 0
    slots = asyncio.Semaphore(question["at_once"])

    async def turn() -> None:
        nonlocal failures
        for call in question["calls"]:
            try:
                async with slots:
                    answered = await complete(
                        model=call["model"],
                        messages=[dict(message) for message in call["messages"]],
                        api_base=question["api_base"],
                        api_key="floor",
                        **call["parameters"],
                    )
                orjson.loads(answered.choices[0].message.content)
            except Exception:
                failures += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(question["turns"]):
            group.create_task(turn())
    return {"failures": failures}


async def serve() -> None:
    """Say when LiteLLM is there, then answer questions until standard input ends."""
    complete = load_litellm()
    gc.collect()
    gc.freeze()
    told: dict[str, Any] = {}
    while True:
        print(orjson.dumps(told).decode(), flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            break
        told = await answer(complete, orjson.loads(line))
    await close_litellm()


if __name__ == "__main__":
    uvloop.run(serve())
