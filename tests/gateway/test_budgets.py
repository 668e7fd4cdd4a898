"""Calls on a budget: never over it, exact when settled, given back when nothing was used."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from frontdesk.billing import BudgetReached
from frontdesk.billing.budget_schemas import BudgetCreate
from frontdesk.billing.budgets import create_budget, list_budgets
from frontdesk.billing.work import RELEASE
from frontdesk.core import ids
from frontdesk.core.json import loads
from frontdesk.gateway import ModelsUnavailable, complete, estimate

from .conftest import GROQ, OPENAI, Desk, MakeDesk, eventually
from .stub_provider import USAGE, Provider, fails, hangs, says

UNPRICED = "openai/brand-new"


async def limit(desk: Desk, hard: Decimal, **more: Any) -> None:
    """Let the tenant have a budget."""
    given = {"scope": "tenant", "period": "day", "hard_usd": hard, **more}
    async with desk.resources.db.transaction(desk.tenant_id) as session:
        await create_budget(
            session, desk.resources, BudgetCreate(**given), by=ids.new(), now=desk.now
        )


async def used(desk: Desk) -> tuple[Decimal, Decimal]:
    """What is spent and what is reserved of the first budget."""
    async with desk.resources.db.transaction(desk.tenant_id) as session:
        (use,) = (await list_budgets(session, now=desk.now))[0].use
    return use.spent_usd, use.reserved_usd


async def worst(desk: Desk, **changes: Any) -> Decimal:
    usd = (await estimate(desk.resources, desk.request(**changes))).usd
    assert usd is not None
    return usd


async def test_two_hundred_calls_at_once_never_go_over_a_budget_for_twenty(
    make_desk: MakeDesk, provider: Provider
) -> None:
    """Two processes, each with half of the calls; all are in flight before any is settled."""
    desks = make_desk(deadline_seconds=40.0), make_desk(deadline_seconds=40.0)
    request = desks[0].request(max_output_tokens=100, conversation_id=ids.new(), models=(GROQ,))
    each = await worst(desks[0], max_output_tokens=100, models=(GROQ,))
    await limit(desks[0], each * 20)
    await limit(desks[0], each * 30, scope="conversation")
    go_on = asyncio.Event()

    async def answer(asked: web.Request) -> web.StreamResponse:
        await go_on.wait()
        usage = {"prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120}
        return await says("Yes.", usage=usage)(asked)

    provider.default = answer
    refused = 0

    async def call(number: int) -> None:
        nonlocal refused
        try:
            await complete(desks[number % 2].resources, request)
        except BudgetReached:
            refused += 1

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(call(number))
        await eventually(lambda: refused == 180 and provider.in_flight == 20, seconds=30)
        assert (await used(desks[0]))[1] == each * 20
        go_on.set()
    assert (refused, len(provider.bodies)) == (180, 20)
    spent, reserved = await used(desks[0])
    assert reserved == 0
    assert 0 < spent <= each * 20
    ledger = await desks[0].usage()
    assert spent == sum(entry["amount_usd"] for entry in ledger)


async def test_what_a_call_did_not_need_is_there_for_the_one_that_follows_it(
    desk: Desk, provider: Provider
) -> None:
    just_no_two = await worst(desk, max_output_tokens=100) * 2 - Decimal("0.000000001")
    await limit(desk, just_no_two)
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    provider.default = says("Yes.", usage=usage)
    await complete(desk.resources, desk.request(max_output_tokens=100, is_followed=True))
    await complete(desk.resources, desk.request(max_output_tokens=100))
    assert len(provider.bodies) == 2


async def test_a_call_that_was_not_billed_gives_back_what_it_had_reserved(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk(attempts_per_model=1)
    await limit(desk, Decimal(1))
    provider.default = fails(400)
    with pytest.raises(Exception, match="refused"):
        await complete(desk.resources, desk.request())
    provider.default = hangs
    task = asyncio.create_task(complete(desk.resources, desk.request()))
    await eventually(lambda: provider.in_flight)
    assert (await used(desk))[1] > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await desk.written()
    assert await used(desk) == (0, 0)


async def test_what_a_killed_worker_had_reserved_is_released_in_time(
    desk: Desk, provider: Provider
) -> None:
    await limit(desk, Decimal(1))
    provider.default = hangs
    task = asyncio.create_task(complete(desk.resources, desk.request()))
    await eventually(lambda: provider.in_flight)
    async with desk.resources.db.system() as connection:
        assert desk.tenant_id not in [row[0] for row in await RELEASE.list_ids(connection, 100)]
        await connection.execute(
            "UPDATE budget_reservation SET due_at = now() - interval '1 s' WHERE tenant_id = $1",
            desk.tenant_id,
        )
        due = [row for row in await RELEASE.list_ids(connection, 100) if row[0] == desk.tenant_id]
    for tenant_id, row_id in due * 2:
        await RELEASE.handle(desk.resources, tenant_id, row_id)
    assert len(due) == 1
    assert await used(desk) == (0, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await desk.written()
    assert await used(desk) == (0, 0), "the call that was slow after all gives nothing back twice"


async def test_past_the_soft_cap_the_cheaper_model_answers_and_says_why(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk(cheaper_chain=(GROQ,))
    dear = await worst(desk, models=(OPENAI,))
    await limit(desk, dear * 3, soft_usd=dear)
    provider.default = says("Yes.", usage=USAGE | {"prompt_tokens": 9_000})
    first = await complete(desk.resources, desk.request(models=(OPENAI,)))
    assert (first.model, first.thrift) == (OPENAI, None)
    second = await complete(desk.resources, desk.request(models=(OPENAI,)))
    assert second.model == GROQ
    assert second.thrift is not None
    assert "day budget of this tenant is used up" in second.thrift
    assert "soft cap" in second.thrift
    async with desk.resources.db.hot(desk.tenant_id) as tx:
        told = await tx.sql.fetch("SELECT kind, audience, payload FROM feed_event ORDER BY seq")
    assert [(row["kind"], row["audience"]) for row in told] == [("budget.reached", "admins")]
    assert loads(told[0]["payload"])["cap"] == "soft"


async def test_at_the_hard_cap_no_model_is_called_and_the_feed_tells_once(
    desk: Desk, provider: Provider
) -> None:
    await limit(desk, Decimal("0.000001"), scope="feature", feature="reply")
    for _ in range(2):
        with pytest.raises(
            BudgetReached, match="day budget of feature reply is used up"
        ) as reached:
            await complete(desk.resources, desk.request())
        assert (reached.value.status, reached.value.code) == (402, "budget_reached")
    assert provider.bodies == []
    assert (await complete(desk.resources, desk.request(feature="summary"))).text == "Hello."
    async with desk.resources.db.hot(desk.tenant_id) as tx:
        assert await tx.sql.fetchval("SELECT count(*) FROM feed_event") == 1


async def test_a_model_without_a_price_counts_as_dear_or_is_left_out(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk()
    await limit(desk, Decimal(1))
    await complete(desk.resources, desk.request(models=(UNPRICED,)))
    # 1,200 tokens at the assumed 30 USD a million; the ledger's amount stays unknown.
    assert await used(desk) == (Decimal("0.036"), 0)
    assert (await desk.usage())[0]["amount_usd"] is None
    strict = make_desk(unpriced_usd_per_million=None)
    completion = await complete(strict.resources, strict.request(models=(UNPRICED, GROQ)))
    assert completion.model == GROQ
    with pytest.raises(BudgetReached, match=f"price of {UNPRICED} is not known"):
        await complete(strict.resources, strict.request(models=(UNPRICED,)))


async def test_a_model_that_is_down_is_not_taken_for_a_budget_that_is_used_up(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk(attempts_per_model=1, unpriced_usd_per_million=None)
    await limit(desk, Decimal(1))
    provider.default = fails(503)
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=(UNPRICED, GROQ)))


async def test_a_tenant_without_budgets_costs_no_round_trip(desk: Desk, provider: Provider) -> None:
    await complete(desk.resources, desk.request())
    async with desk.resources.db.hot(desk.tenant_id) as tx:
        assert await tx.sql.fetchval("SELECT count(*) FROM budget_use") == 0
