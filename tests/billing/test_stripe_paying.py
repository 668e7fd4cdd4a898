"""Plans, checkout, and what a subscription's state does to the tenant that has it."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.billing.paying import Payer
from tests.desk import Desk

from frontdesk.billing.stripe.accounts import _INSERT
from frontdesk.billing.stripe.errors import NoSuchPlan
from frontdesk.billing.stripe.plans import set_up
from frontdesk.core.resources import Resources
from frontdesk.simulator import StripeFault, StripeFaultKind

from .conftest import MakeTenant


@pytest.fixture
async def payer(desk: Desk) -> Payer:
    return await Payer.make(desk)


async def test_setting_up_twice_makes_everything_once(payer: Payer) -> None:
    again = await set_up(payer.desk.resources)
    assert {change.outcome for change in again} == {"kept"}
    store = payer.stripe.store
    assert {m["event_name"] for m in store.all("billing.meter")} == {
        "frontdesk_tokens", "frontdesk_messages", "frontdesk_resolutions",
    }  # fmt: skip
    prices = {p["lookup_key"]: p["unit_amount_decimal"] for p in store.all("price")}
    assert prices["frontdesk:standard:base"] == "9900"
    assert prices["frontdesk:standard:tokens"] == "0.0002"
    assert prices["frontdesk:small:base"] == "2900"


async def test_another_amount_is_another_price_under_the_same_name(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = payer.desk.resources.settings.stripe.plans["small"]
    monkeypatch.setattr(plan, "monthly_usd", plan.monthly_usd + 1)
    changes = await set_up(payer.desk.resources)
    assert [c.name for c in changes if c.outcome == "replaced"] == ["frontdesk:small:base"]
    found = payer.stripe.store.all("price", lookup_key="frontdesk:small:base")
    assert [price["unit_amount"] for price in found] == [3000]


async def test_a_plan_is_bought_and_gives_its_limits(payer: Payer, admin_sql: Any) -> None:
    assert (await payer.stands())["standing"] == "none"
    await payer.buy()
    stands = await payer.stands()
    assert (stands["standing"], stands["status"], stands["plan"]) == ("good", "active", "standard")
    tenant = await admin_sql.fetchrow("SELECT * FROM tenant WHERE id = $1", payer.desk.id)
    assert (tenant["plan"], tenant["max_users"], tenant["max_agents"]) == ("standard", 10, None)
    told = [
        payload for kind, payload in await payer.desk.events() if kind == "subscription.changed"
    ]
    assert [(each["before"], each["standing"]) for each in told] == [("none", "good")]


async def test_who_has_a_subscription_buys_no_second_one(payer: Payer) -> None:
    admin = await payer.desk.admin()
    first = await admin.post("/billing/checkout", {"plan": "small"})
    assert first["url"].startswith("https://checkout.stripe.example/")
    payer.stripe.complete_checkout(first["url"].rpartition("/")[2])
    # Whether or not the event has come.
    refused = await admin.post("/billing/checkout", {"plan": "standard"}, status=409)
    assert refused["code"] == "already_subscribed"
    assert len(payer.stripe.store.all("subscription")) == 1
    portal = await admin.post("/billing/portal")
    assert portal["url"].startswith("https://billing.stripe.example/")


async def test_of_many_who_ask_at_once_nobody_buys_a_second_one(payer: Payer) -> None:
    admin = await payer.desk.admin()
    payer.stripe.holding = True
    first = await admin.post("/billing/checkout", {"plan": "small"})
    payer.stripe.complete_checkout(first["url"].rpartition("/")[2])
    # Of these the last alone writes down what all of them hear.
    plan = {"plan": "standard"}
    await asyncio.gather(*(admin.post("/billing/checkout", plan, status=409) for _ in range(8)))
    assert len(payer.stripe.store.all("checkout.session")) == 1


async def test_one_key_gives_one_page_and_many_at_once_make_one_customer(payer: Payer) -> None:
    admin = await payer.desk.admin()
    plan = {"plan": "standard"}
    pages = await asyncio.gather(
        *(admin.post("/billing/checkout", plan, Idempotency_Key="once") for _ in range(3))
    )
    assert len({page["url"] for page in pages}) == 1
    assert len(payer.stripe.store.all("customer")) == 1


async def test_an_account_that_many_make_at_once_is_one_and_no_error(
    resources: Resources, make_tenant: MakeTenant
) -> None:
    async def insert(tenant_id: UUID) -> None:
        async with resources.db.hot(tenant_id) as tx:
            await tx.sql.execute(_INSERT, f"cus_{tenant_id}")

    # Of so many, some find the other's row in one index and not yet in the other.
    for _ in range(100):
        tenant_id = await make_tenant()
        await asyncio.gather(*(insert(tenant_id) for _ in range(4)))


async def test_what_nobody_offers_is_not_sold(payer: Payer) -> None:
    admin = await payer.desk.admin()
    refused = await admin.post("/billing/checkout", {"plan": "golden"}, status=422)
    assert refused["code"] == "no_such_plan"
    nothing = await admin.post("/billing/portal", status=409)
    assert nothing["code"] == "not_subscribed"
    human = await payer.desk.ana()
    for path, body in (("/billing/checkout", {"plan": "small"}), ("/billing/portal", None)):
        await human.post(path, body, status=403)


async def test_nothing_is_sold_where_stripe_is_not_set_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await desk.admin()
    unknown = await admin.post("/billing/checkout", {"plan": "standard"}, status=422)
    assert "set-up" in unknown["detail"]
    monkeypatch.setattr(desk.resources.settings.stripe, "secret_key", None)
    refused = await admin.post("/billing/checkout", {"plan": "standard"}, status=409)
    assert refused["code"] == "stripe_not_set_up"
    monkeypatch.setattr(desk.resources.settings.stripe, "plans", {})
    with pytest.raises(NoSuchPlan):
        await set_up(desk.resources)


async def test_stripe_down_is_told_as_503(payer: Payer) -> None:
    admin = await payer.desk.admin()
    payer.stripe.faults.share(StripeFault(StripeFaultKind.SERVER_ERROR), 1)
    await admin.post("/billing/checkout", {"plan": "standard"}, status=503)


async def test_a_failed_payment_warns_and_stops_nothing(payer: Payer) -> None:
    made = await payer.buy()
    await payer.fail(made)
    stands = await payer.stands()
    assert (stands["standing"], stands["status"]) == ("warned", "past_due")
    assert "billing portal" in stands["sentence"]
    assert await payer.desk.say("How long does shipping take?")


async def test_unpaid_stops_the_ai_while_people_work_on_and_payment_brings_it_back(
    payer: Payer,
) -> None:
    desk = payer.desk
    made = await payer.buy()
    invoice = await payer.fail(made)
    payer.stripe.give_up(made["id"])
    await desk.work_until_idle()
    assert (await payer.stands())["standing"] == "stopped"
    calls = desk.simulator.model.calls
    await desk.say("Can I get a purple lamp with wings?")
    held = await desk.conversation()
    assert (held["status"], desk.simulator.model.calls) == ("WITH_HUMAN", calls)
    admin = await desk.admin()
    await admin.post(f"/conversations/{held['id']}/take-over")
    await admin.post(f"/conversations/{held['id']}/messages", {"text": "I will look."})
    await desk.work_until_idle()
    assert desk.phone().replies[-1] == "I will look."
    payer.stripe.broke.clear()
    payer.stripe.pay(invoice["id"])
    await desk.work_until_idle()
    assert (await payer.stands())["standing"] == "good"
    assert await desk.say("How long does shipping take?", number="4915550009")
    assert desk.simulator.model.calls > calls


async def test_long_unpaid_suspends_and_payment_resumes(payer: Payer, admin_sql: Any) -> None:
    made = await payer.buy()
    invoice = await payer.fail(made)
    payer.stripe.give_up(made["id"])
    await payer.desk.work_until_idle()
    status = "SELECT status FROM tenant WHERE id = $1"
    await payer.overlook()
    assert await admin_sql.fetchval(status, payer.desk.id) == "ACTIVE"
    await payer.desk.sql("UPDATE stripe_account SET standing_since = now() - interval '31 days'")
    await payer.overlook()
    assert await admin_sql.fetchval(status, payer.desk.id) == "SUSPENDED"
    payer.stripe.broke.clear()
    payer.stripe.pay(invoice["id"])
    await payer.desk.work_until_idle()
    assert await admin_sql.fetchval(status, payer.desk.id) == "ACTIVE"
    assert (await payer.account())["suspended_at"] is None


async def test_payment_does_not_lift_a_suspension_of_the_platforms(
    payer: Payer, admin_sql: asyncpg.Connection
) -> None:
    made = await payer.buy()
    invoice = await payer.fail(made)
    payer.stripe.give_up(made["id"])
    await payer.desk.work_until_idle()
    await admin_sql.execute("UPDATE tenant SET status = 'SUSPENDED' WHERE id = $1", payer.desk.id)
    await payer.desk.sql("UPDATE stripe_account SET standing_since = now() - interval '31 days'")
    await payer.overlook()
    payer.stripe.pay(invoice["id"])
    await payer.desk.work_until_idle()
    status = await admin_sql.fetchval("SELECT status FROM tenant WHERE id = $1", payer.desk.id)
    assert status == "SUSPENDED"


async def test_a_tenant_that_left_can_come_back(payer: Payer) -> None:
    made = await payer.buy()
    payer.stripe.give_up(made["id"], "canceled")
    await payer.desk.work_until_idle()
    assert (await payer.stands())["standing"] == "stopped"
    await payer.buy("small")
    stands = await payer.stands()
    assert (stands["standing"], stands["plan"]) == ("good", "small")


async def test_what_was_done_stands_in_the_tenants_audit_log(payer: Payer) -> None:
    await payer.buy()
    rows = await payer.desk.sql("SELECT action, details FROM audit_entry ORDER BY id")
    told = {row["action"]: json.loads(row["details"]) for row in rows}
    assert told["checkout.started"] == {"plan": "standard"}
    assert told["tenant.changed"]["max_users"] == 10
    assert told["subscription.changed"]["standing"] == ["none", "good"]
