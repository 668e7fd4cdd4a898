"""Answers that are given again: to whom, for how long, and what is told of it."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from frontdesk.core import ids
from frontdesk.core.redis import connect
from frontdesk.core.settings import RedisSettings
from frontdesk.gateway import answer_cache, complete
from frontdesk.gateway.answer_cache import normalised

from .conftest import OPENAI, QUESTION, Desk, MakeDesk
from .stub_provider import Provider, as_json, says

SYSTEM = QUESTION[0]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes late out of a Redis that is busy is not taken for none."""
    monkeypatch.setattr(answer_cache, "_REDIS_SECONDS", 50)


class Said(BaseModel):
    said: str


def asking(desk: Desk, text: str = "Do you ship to France?", **changes: Any) -> Any:
    messages = (SYSTEM, {"role": "user", "content": text})
    given = {"messages": messages, "cacheable": True, "agent_id": desk.tenant_id}
    return desk.request(**{**given, "agent_version": 1, **changes})


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Do you ship to France?", " do you  ship to france ", True),
        ("\uff24o you ship?", "Do you ship", True),
        ("where is it", "WHERE IS IT", False),
        ("where is it?", "where is it???", False),
        ("Do you ship to France?", "Do you ship to Spain?", False),
    ],
)
def test_what_makes_no_difference_is_normalised_away(one: str, other: str, alike: bool) -> None:
    assert (normalised(one) == normalised(other)) is alike


async def test_the_same_question_gets_the_same_answer_for_nothing_and_the_saving_is_counted(
    desk: Desk, provider: Provider
) -> None:
    provider.plan = [says(as_json({"said": "Yes."}))]
    first = await complete(desk.resources, asking(desk, schema=Said))
    again = await complete(desk.resources, asking(desk, "do you ship to  FRANCE", schema=Said))
    assert len(provider.bodies) == 1
    assert (first.cache_hit, again.cache_hit) == (False, True)
    assert again.parsed == first.parsed == Said(said="Yes.")
    assert (again.cost_usd, again.input_tokens, again.attempts) == (0, 0, 0)
    await desk.written()
    paid, free = await desk.calls()
    assert (paid["cache_hit"], free["cache_hit"], free["cost_usd"]) == (False, True, 0)
    assert free["id"] == again.call_ids[0]
    assert free["response"] == paid["response"]
    bought, saved = await desk.usage()
    assert (saved["amount_usd"], saved["saved_usd"]) == (0, bought["amount_usd"])
    assert saved["saved_usd"] == Decimal("0.000135")


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_version": 2},
        {"prompt_version": "1.0.1"},
        {"temperature": 0.9},
        {"models": (OPENAI,)},
        {"max_output_tokens": 7},
        {"feature": "triage"},
        {"messages": ({**SYSTEM, "content": "Other facts."}, QUESTION[1])},
        {"tenant_id": ids.new()},
        {"cacheable": False},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_whatever_bears_on_an_answer_is_part_of_its_key(
    desk: Desk, provider: Provider, changes: Any
) -> None:
    await complete(desk.resources, asking(desk, QUESTION[1]["content"]))
    await complete(desk.resources, asking(desk, QUESTION[1]["content"], **changes))
    assert len(provider.bodies) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Do you ship to France?", 86_400),
        ("Are you open?", 3_600),
        ("¿Está abierto hoy?", 3_600),
        ("My mail is ana@example.com", 0),
        ("Where is order 20 261?", 0),
        ("Well " * 90, 0),
    ],
)
async def test_what_is_of_the_day_is_kept_for_an_hour_and_what_is_personal_never(
    desk: Desk, provider: Provider, text: str, seconds: int
) -> None:
    await complete(desk.resources, asking(desk, text))
    keys = [key async for key in desk.resources.redis.scan_iter(f"{desk.tenant_id}:answer:*")]
    left = [await desk.resources.redis.ttl(key) for key in keys]
    assert [seconds - 5 <= ttl <= seconds for ttl in left] == ([True] if seconds else [])


async def test_a_thread_with_history_is_never_answered_from_what_was_kept(
    desk: Desk, provider: Provider
) -> None:
    thread = (SYSTEM, QUESTION[1], {"role": "assistant", "content": "Yes."}, QUESTION[1])
    for _ in range(2):
        await complete(desk.resources, asking(desk, messages=thread))
    assert len(provider.bodies) == 2


async def test_without_redis_or_when_it_is_switched_off_every_call_is_a_miss(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk, down = make_desk(cache_seconds=0), make_desk()
    nowhere = connect(RedisSettings(url=SecretStr("redis://127.0.0.1:1")))
    object.__setattr__(down.resources, "redis", nowhere)
    for each in (desk, down):
        for _ in range(2):
            assert (await complete(each.resources, asking(each))).text == "Hello."
    assert len(provider.bodies) == 4
    await down.resources.stop_kept()
    await nowhere.aclose(close_connection_pool=True)
