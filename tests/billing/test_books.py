"""The sums of days: exact against the ledger, whatever comes late, and checked."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from frontdesk.billing import UsageKind, reconcile
from frontdesk.billing.books import keep_books, list_due_books
from frontdesk.billing.rollups import mend
from frontdesk.core import ids
from frontdesk.core.resources import Resources

from .conftest import SUPER_ADMIN, SignIn
from .using import PRICED_USD, PRICES, days_ago, use


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def keep(resources: Resources, tenant_id: UUID) -> None:
    """Keep the books now, due or not."""
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute("UPDATE usage_book SET due_at = now()")
    await keep_books(resources, tenant_id, tenant_id)


async def an_hour_passes(resources: Resources, tenant_id: UUID) -> None:
    """As if all there is had been written, and the books been kept, an hour earlier."""
    async with resources.db.system() as sql:
        for table, column in (("usage_entry", "created_at"), ("usage_book", "rolled_at")):
            await sql.execute(
                f"UPDATE {table} SET {column} = {column} - interval '1 hour' WHERE tenant_id = $1",
                tenant_id,
            )


async def summed(resources: Resources, tenant_id: UUID) -> dict[date, int]:
    """How many entries of each day are in its sums."""
    async with resources.db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch(
            "SELECT day, sum(entries)::int AS entries FROM usage_rollup GROUP BY day"
        )
    return {row["day"]: row["entries"] for row in rows}


async def report(sign_in: SignIn, tenant_id: UUID, group_by: str = "feature") -> Any:
    span = {"from": str(days_ago(2)), "to": str(days_ago(0)), "group_by": group_by}
    response = await sign_in(tenant_id).get("/api/v1/usage", params=span)
    assert response.status_code == 200, response.text
    return response.json()


async def some_usage(resources: Resources, tenant_id: UUID) -> None:
    agent_id = ids.new()
    for day in (days_ago(2), days_ago(1), days_ago(0)):
        for feature in ("reply", "triage", "reply"):
            await use(resources, tenant_id, noon(day), feature=feature, agent_id=agent_id)
        await use(resources, tenant_id, noon(day), usd=None)
        await use(
            resources, tenant_id, noon(day), kind=UsageKind.WHATSAPP, model="service/DE", usd="0.05"
        )
        await use(resources, tenant_id, noon(day), prompt_name="reply", prompt_version="1.2.0")


@pytest.mark.parametrize(
    "group_by", ["day", "month", "kind", "model", "agent", "prompt", "category"]
)
async def test_a_report_is_the_same_before_and_after_its_days_are_summed(
    resources: Resources, tenant_id: UUID, sign_in: SignIn, group_by: str
) -> None:
    await some_usage(resources, tenant_id)
    before = await report(sign_in, tenant_id, group_by)
    assert before["total"]["amount_usd"] == "0.162000000"
    assert before["total"]["unpriced"] == 3
    await keep(resources, tenant_id)
    in_sums = await summed(resources, tenant_id)
    assert (in_sums[days_ago(2)], in_sums[days_ago(1)]) == (6, 6)
    assert await report(sign_in, tenant_id, group_by) == before


async def test_what_comes_late_for_a_summed_day_counts_at_once_and_is_summed_next_time(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await some_usage(resources, tenant_id)
    await keep(resources, tenant_id)
    late = await use(resources, tenant_id, noon(days_ago(1)), usd="7")
    async with resources.db.system() as sql:  # Written now, for yesterday.
        await sql.execute("UPDATE usage_entry SET created_at = now() WHERE id = $1", late)
    assert (await report(sign_in, tenant_id))["total"]["amount_usd"] == "7.162000000"
    await keep(resources, tenant_id)
    assert (await summed(resources, tenant_id))[days_ago(1)] == 6
    await an_hour_passes(resources, tenant_id)
    assert (await report(sign_in, tenant_id))["total"]["amount_usd"] == "7.162000000"
    await keep(resources, tenant_id)
    assert (await summed(resources, tenant_id))[days_ago(1)] == 7
    assert (await report(sign_in, tenant_id))["total"]["amount_usd"] == "7.162000000"
    assert await reconcile(resources, tenant_id, days_ago(2), days_ago(0)) == []


async def test_the_hours_of_today_are_summed_as_they_end(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    now = datetime.now(UTC)
    for minutes in (200, 90, 0):
        await use(resources, tenant_id, now - timedelta(minutes=minutes), usd="1")
    await keep(resources, tenant_id)
    assert sum((await summed(resources, tenant_id)).values()) == 2
    for entries in (3, 3):
        assert (await report(sign_in, tenant_id))["total"]["amount_usd"] == "3.000000000"
        await an_hour_passes(resources, tenant_id)
        await keep(resources, tenant_id)
        assert sum((await summed(resources, tenant_id)).values()) == entries


async def test_a_report_counts_each_entry_once_while_sums_are_made(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    for number in range(60):
        at = datetime.now(UTC) - timedelta(hours=25 * number)
        await use(resources, tenant_id, at, usd="1")
    keeping = asyncio.create_task(keep_all(resources, tenant_id))
    client, span = sign_in(tenant_id), {"from": str(days_ago(70)), "to": str(days_ago(0))}
    told = set()
    while not keeping.done():
        answer = await client.get("/api/v1/usage", params=span)
        told.add(answer.json()["total"]["amount_usd"])
    await keeping
    assert told == {"60.000000000"}
    assert sum((await summed(resources, tenant_id)).values()) == 59


async def keep_all(resources: Resources, tenant_id: UUID) -> None:
    """Make all sums there are to make, a few times over."""
    for _ in range(3):
        await keep(resources, tenant_id)


async def test_a_new_budget_counts_what_is_in_sums_and_what_is_not_and_no_corrections(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    old = await use(resources, tenant_id, noon(days_ago(2)), usd="1")
    await use(resources, tenant_id, noon(days_ago(2)), usd="5", kind=UsageKind.WHATSAPP)
    await keep(resources, tenant_id)
    await use(resources, tenant_id, datetime.now(UTC), usd="2", feature="triage")
    url = f"/api/v1/tenants/{tenant_id}/usage-entries/{old}/corrections"
    said = await sign_in(tenant_id, SUPER_ADMIN).post(url, json={"reason": "It was wrong."})
    assert said.status_code == 201, said.text
    admin = sign_in(tenant_id)
    for scope, spent in (
        ({"scope": "tenant"}, "3"),
        ({"scope": "feature", "feature": "reply"}, "1"),
    ):
        budget = {**scope, "period": "total", "hard_usd": "10"}
        made = await admin.post("/api/v1/budgets", json=budget)
        assert made.status_code == 201, made.text
        assert Decimal(made.json()["use"][0]["spent_usd"]) == Decimal(spent)


async def test_a_wrong_number_is_found_and_mended(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await some_usage(resources, tenant_id)
    await keep(resources, tenant_id)
    assert await reconcile(resources, tenant_id, days_ago(2), days_ago(0)) == []
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "UPDATE usage_rollup SET amount_usd = amount_usd + 0.000000001 "
            "WHERE day = $1 AND feature = 'triage'",
            days_ago(1),
        )
        await tx.sql.execute(
            "DELETE FROM usage_rollup WHERE day = $1 AND kind = 'whatsapp'", days_ago(2)
        )
    lost, wrong = await reconcile(resources, tenant_id, days_ago(2), days_ago(0))
    assert (lost.day, lost.what, lost.is_so) == (days_ago(2), "sums of reply, service/DE", "none")
    assert (wrong.day, wrong.what) == (days_ago(1), "sums of triage, openai/gpt-4o-mini")
    assert ("0.001000001" in wrong.is_so, "0.001000001" in wrong.should_be) == (True, False)
    await mend(resources, tenant_id, [days_ago(2), days_ago(1)])
    assert await reconcile(resources, tenant_id, days_ago(2), days_ago(0)) == []


async def test_an_amount_that_is_not_tokens_times_prices_is_found(
    resources: Resources, tenant_id: UUID
) -> None:
    await use(resources, tenant_id, noon(days_ago(1)), unit_prices=PRICES, usd=PRICED_USD)
    wrong = await use(resources, tenant_id, noon(days_ago(1)), unit_prices=PRICES, usd="0.00013")
    (found,) = await reconcile(resources, tenant_id, days_ago(2), days_ago(0))
    assert found.what == f"entry {wrong}"
    assert (found.is_so, found.should_be) == ("0.000130000 USD", "0.000120000 USD")


async def test_files_are_counted_once_a_day_at_the_tenant_s_price(
    resources: Resources, tenant_id: UUID
) -> None:
    agent_id = ids.new()
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "INSERT INTO agent (id, name, version, enabled) VALUES ($1::uuid, $1::uuid::text, 1, true)",
            agent_id,
        )
        await tx.sql.execute(
            "INSERT INTO knowledge_source (id, agent_id, title, body, kind, enabled, state, attempts, "
            "size_bytes) VALUES ($1, $2, 'Handbook', '', 'file', true, 'ready', 0, 3000000)",
            ids.new(),
            agent_id,
        )
        await tx.sql.execute("INSERT INTO cost_terms (storage_usd_per_gib_month) VALUES (3)")
    for _ in range(2):
        await keep(resources, tenant_id)
    async with resources.db.hot(tenant_id) as tx:
        (entry,) = await tx.sql.fetch("SELECT * FROM usage_entry")
    assert (entry["day"], entry["kind"], entry["model"]) == (days_ago(1), "storage", "knowledge")
    assert (entry["quantity"], entry["amount_usd"]) == (3, Decimal("0.000292969"))


async def test_books_come_due_each_hour_and_a_new_tenant_s_after_one(
    resources: Resources, tenant_id: UUID
) -> None:
    async def is_due() -> bool:
        async with resources.db.system() as sql:
            return (tenant_id, tenant_id) in await list_due_books(sql, 1_000)

    assert not await is_due()
    async with resources.db.system() as sql:
        await sql.execute(
            "UPDATE tenant SET created_at = now() - interval '61 minutes' WHERE id = $1", tenant_id
        )
    assert await is_due()
    await keep_books(resources, tenant_id, tenant_id)
    assert not await is_due()
    async with resources.db.hot(tenant_id) as tx:
        (book,) = await tx.sql.fetch("SELECT *, due_at - now() AS wait FROM usage_book")
    assert book["stored_day"] == days_ago(1)
    assert book["rolled_at"] is not None
    assert timedelta(0) < book["wait"] < timedelta(minutes=80)
