"""The ledger: everything once, nothing ever changed, and each tenant its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from frontdesk.billing import (
    DeliveredMessage,
    Held,
    UnitPrices,
    UsageKind,
    UsageRecord,
    record_deliveries,
    record_human_time,
    record_usage,
)
from frontdesk.core import ids
from frontdesk.core.json import loads
from frontdesk.core.resources import Resources

from .conftest import MakeTenant


def used(**changes: object) -> UsageRecord:
    given = {
        "kind": UsageKind.LLM,
        "source_id": str(ids.new()),
        "feature": "reply",
        "model": "openai/gpt-4o-mini",
        "input_tokens": 1000,
        "output_tokens": 200,
        "unit_prices": UnitPrices(Decimal("0.15"), Decimal("0.60"), Decimal("0.075")),
        "amount_usd": Decimal("0.00027"),
        **changes,
    }
    return UsageRecord(**given)  # type: ignore[arg-type]  # A mapping of anything, for brevity.


async def entries(resources: Resources, tenant_id: UUID) -> list[asyncpg.Record]:
    async with resources.db.hot(tenant_id) as tx:
        return await tx.sql.fetch("SELECT * FROM usage_entry ORDER BY id")


async def test_an_entry_keeps_the_unit_prices_it_was_made_with(
    resources: Resources, tenant_id: UUID
) -> None:
    async with resources.db.hot(tenant_id) as tx:
        await record_usage(tx, used(), used(unit_prices=None, amount_usd=None))
    first, second = await entries(resources, tenant_id)
    assert loads(first["unit_prices"]) == {
        "input_usd_per_million": "0.15",
        "output_usd_per_million": "0.60",
        "cached_input_usd_per_million": "0.075",
    }
    assert first["amount_usd"] == Decimal("0.00027")
    assert (second["unit_prices"], second["amount_usd"]) == (None, None)


async def test_the_same_thing_is_counted_once(resources: Resources, tenant_id: UUID) -> None:
    record = used()
    for again in (record, used(source_id=record.source_id, amount_usd=Decimal(9))):
        async with resources.db.hot(tenant_id) as tx:
            await record_usage(tx, again)
    (entry,) = await entries(resources, tenant_id)
    assert entry["amount_usd"] == Decimal("0.00027")


async def test_an_entry_works_from_the_orm_side_too(resources: Resources, tenant_id: UUID) -> None:
    async with resources.db.transaction(tenant_id) as session:
        await record_usage(session, used())
    assert len(await entries(resources, tenant_id)) == 1


@pytest.mark.parametrize(
    "change", ["UPDATE usage_entry SET amount_usd = 0", "DELETE FROM usage_entry"]
)
async def test_the_application_can_neither_change_nor_delete_an_entry(
    resources: Resources, tenant_id: UUID, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with resources.db.hot(tenant_id) as tx:
            await tx.sql.execute(change)


async def test_a_delivery_is_counted_once_and_without_a_price_is_not_zero(
    resources: Resources, tenant_id: UUID
) -> None:
    message_id = ids.new()
    for _ in range(3):
        async with resources.db.hot(tenant_id) as tx:
            await record_deliveries(
                tx, DeliveredMessage(message_id, "authentication-international", "de")
            )
    (entry,) = await entries(resources, tenant_id)
    assert entry["kind"] == "whatsapp"
    assert entry["source_id"] == str(message_id)
    assert entry["model"] == "authentication_international/DE"
    assert (entry["quantity"], entry["amount_usd"], entry["unit_prices"]) == (1, None, None)


async def test_a_delivery_costs_what_the_price_table_says(
    resources: Resources, tenant_id: UUID
) -> None:
    category = f"utility_{ids.new().hex}"
    async with resources.db.system_transaction() as tx:
        await tx.sql.execute(
            "INSERT INTO price VALUES ($1, '2026-01-01', 45600, 0, NULL, 'a test')",
            f"whatsapp/{category}/DE",
        )
    async with resources.db.hot(tenant_id) as tx:
        await record_deliveries(
            tx,
            DeliveredMessage(ids.new(), category, "DE"),
            DeliveredMessage(ids.new(), category, "DE", pricing_type="free_customer_service"),
            DeliveredMessage(ids.new(), category, None),
        )
    amounts = [entry["amount_usd"] for entry in await entries(resources, tenant_id)]
    assert amounts == [Decimal("0.0456"), 0, None]


async def test_tenants_do_not_see_each_other_s_ledger(
    resources: Resources, make_tenant: MakeTenant
) -> None:
    one, other = await make_tenant(), await make_tenant()
    record = used()
    for tenant_id in (one, other):
        async with resources.db.hot(tenant_id) as tx:
            await record_usage(tx, used(source_id=record.source_id))
    assert len(await entries(resources, one)) == 1


async def test_an_entry_tells_who_for_and_by_which_prompt(
    resources: Resources, tenant_id: UUID
) -> None:
    whose = {name: ids.new() for name in ("conversation_id", "contact_id", "agent_id")}
    record = used(
        **whose,
        prompt_name="reply",
        prompt_version="1.4.0",
        cached_input_tokens=300,
        reasoning_tokens=120,
    )
    async with resources.db.hot(tenant_id) as tx:
        await record_usage(tx, record)
    (entry,) = await entries(resources, tenant_id)
    assert {name: entry[name] for name in whose} == whose
    assert (entry["prompt_name"], entry["prompt_version"]) == ("reply", "1.4.0")
    assert (entry["cached_input_tokens"], entry["reasoning_tokens"]) == (300, 120)
    assert (entry["currency"], entry["day"]) == ("USD", entry["created_at"].date())


async def test_what_whatsapp_says_of_the_price_is_kept(
    resources: Resources, tenant_id: UUID
) -> None:
    free = DeliveredMessage(ids.new(), "service", "DE", pricing_type="free_entry_point")
    async with resources.db.hot(tenant_id) as tx:
        await record_deliveries(tx, free)
    (entry,) = await entries(resources, tenant_id)
    assert (entry["pricing_type"], entry["amount_usd"]) == ("free_entry_point", 0)


async def test_the_time_of_people_costs_what_the_tenant_says_or_is_counted_without_a_price(
    resources: Resources, tenant_id: UUID
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=3)
    held = Held(ids.new(), ids.new(), ids.new(), since)
    for _ in range(2):  # Once, however often it is told.
        async with resources.db.hot(tenant_id) as tx:
            await record_human_time(tx, held)
            await tx.sql.execute(
                "INSERT INTO cost_terms (human_usd_per_minute) VALUES (0.5) ON CONFLICT DO NOTHING"
            )
    async with resources.db.hot(tenant_id) as tx:
        await record_human_time(tx, replace(held, handoff_id=ids.new()))
    unpriced, priced = await entries(resources, tenant_id)
    assert (unpriced["kind"], unpriced["amount_usd"], unpriced["unit_prices"]) == (
        "human",
        None,
        None,
    )
    assert 179 <= priced["quantity"] <= 240
    assert priced["amount_usd"] == priced["quantity"] * Decimal("0.5") / 60
    assert loads(priced["unit_prices"]) == {"usd_per_minute": "0.500000000"}
