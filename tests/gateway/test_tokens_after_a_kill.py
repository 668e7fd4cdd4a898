"""What a killed worker leaves of its calls in the ledger: all it was told, but for what it had in hand."""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from tests.conftest import as_environment, setting_values
from tests.desk import eventually

from .conftest import MakeDesk
from .stub_provider import Answer, Provider
from .test_token_exactness import Tokens, billed, in_ledger, some_tokens

SOURCE = Path(__file__).parents[2] / "src"
AT_ONCE = 4
# Callers that ask again and again, each only once it has its answer; the process is never asked to end.
_CALLERS = """
import asyncio, contextlib, itertools, sys
from uuid import UUID
from frontdesk.core.resources import open_resources
from frontdesk.core.settings import load_settings
from frontdesk.gateway import CompletionRequest, ModelsUnavailable, complete

async def ask(resources, caller):
    for number in itertools.count():
        # Of no use may be the answers of all models; the process goes on until it is killed.
        with contextlib.suppress(ModelsUnavailable):
            await complete(resources, CompletionRequest(tenant_id=UUID(sys.argv[1]), feature="reply",
                messages=({"role": "user", "content": f"{caller}:{number}"},)))

async def main():
    async with open_resources(load_settings(), {}) as resources:
        await asyncio.gather(*(ask(resources, caller) for caller in range(int(sys.argv[2]))))

asyncio.run(main())
"""


_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"


@pytest.mark.parametrize("seed", range(2))
async def test_a_killed_worker_loses_no_more_than_the_calls_it_had_in_hand(
    make_desk: MakeDesk,
    provider: Provider,
    database_urls: dict[str, str],
    world: Any,
    admin_sql: asyncpg.Connection,
    seed: int,
) -> None:
    desk, told, dice = make_desk(), dict[Tokens, tuple[int, int]](), random.Random(seed)

    def answer(tokens: Tokens) -> Answer:
        # Half of the answers are of no use, so that a call has several attempts in hand.
        text = dice.choice(("We are open from nine.", " "))
        give = billed(tokens, [], text, "stop")

        async def note(request: web.Request) -> web.StreamResponse:
            caller, number = (await request.json())["messages"][-1]["content"].split(":")
            told[tokens] = int(caller), int(number)
            return await give(request)

        return note

    provider.plan = [answer(tokens) for tokens in {some_tokens(dice) for _ in range(400)}]
    values = setting_values(database_urls, world[0])
    values["llm"] = {"groq_api_base": provider.url, "openai_api_base": provider.url}
    others = {row["pid"] for row in await admin_sql.fetch(_BACKENDS)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CALLERS, str(desk.tenant_id), str(AT_ONCE),
        env={**as_environment(values), "PYTHONPATH": str(SOURCE)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(100):
            while len(told) < dice.randint(20, 60):  # noqa: ASYNC110  # It happens elsewhere.
                await asyncio.sleep(dice.uniform(0.001, 0.01))
        of_it = {row["pid"] for row in await admin_sql.fetch(_BACKENDS)} - others
    finally:
        process.kill()
        await process.wait()
    assert of_it, "it was at work when it was killed"

    async def are_gone() -> bool:
        return not of_it & {row["pid"] for row in await admin_sql.fetch(_BACKENDS)}

    # Postgres notices that it is gone, and ends what it had begun.
    await eventually(are_gone)
    counted = await in_ledger(desk)
    assert 0 < len(counted) == len(set(counted))
    assert set(counted) <= set(told), "nothing is there that was not told"
    last: dict[int, int] = {}
    for caller, number in told.values():
        last[caller] = max(number, last.get(caller, 0))
    lost = {told[tokens] for tokens in set(told) - set(counted)}
    assert lost <= set(last.items()), "only of the call that each caller had in hand"
    # What is there is whole: each entry has its call, and says the same.
    calls = [call for call in await desk.calls() if call["input_tokens"] is not None]
    assert Counter(str(call["id"]) for call in calls) == Counter(
        entry["source_id"] for entry in await desk.usage()
    )
