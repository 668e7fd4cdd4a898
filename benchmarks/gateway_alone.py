"""Frontdesk's gateway by itself, as a worker has it: what `litellm_alone.py` is the floor of.

Settings come from the environment. It answers each question on standard input with a line of JSON
on standard output.
"""

import asyncio
import gc
import sys
from typing import Any
from uuid import UUID

import orjson
import uvloop
from pydantic import BaseModel

from frontdesk import gateway
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import load_settings

FEATURE = "benchmark"
_SYSTEM = (
    "You are Olive, the assistant of Lumen & Oak, a lamp shop. Answer from these facts only. "
    + "We ship within 2 working days, and delivery takes 3 to 5 working days. " * 20
)
_MESSAGES = (
    {"role": "system", "content": _SYSTEM},
    {"role": "user", "content": "Hello! How long does delivery take?"},
)


class Answer(BaseModel):
    """What the model is to give: JSON, as in every turn."""

    answer: str
    language: str


async def answer(resources: Resources, question: dict[str, Any]) -> dict[str, Any]:
    """Make so many `calls` for `tenant_id`, `at_once` of them at once."""
    failures = 0
    left = iter(range(question["calls"]))
    request = gateway.CompletionRequest(
        tenant_id=UUID(question["tenant_id"]),
        feature=FEATURE,
        messages=_MESSAGES,
        schema=Answer,
        max_output_tokens=300,
    )

    async def caller() -> None:
        nonlocal failures
        for _ in left:
            try:
                await gateway.complete(resources, request)
            except gateway.ModelsUnavailable:
                failures += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(question["at_once"]):
            group.create_task(caller())
    return {"failures": failures}


async def serve() -> None:
    """Say when LiteLLM is there, then answer questions until standard input ends."""
    async with open_resources(load_settings(None), {}) as resources:
        await gateway.warm()
        gc.collect()
        gc.freeze()
        told: dict[str, Any] = {}
        while True:
            print(orjson.dumps(told).decode(), flush=True)
            line = await asyncio.to_thread(sys.stdin.readline)
            if not line:
                break
            told = await answer(resources, orjson.loads(line))
        await gateway.close(resources)


if __name__ == "__main__":
    uvloop.run(serve())
