"""What we sent beside what Stripe counted; and from an invoice down to the rows it is made of."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.billing.paying import Payer
from tests.desk import Desk

DAY = timedelta(days=1)


@pytest.fixture
async def payer(desk: Desk) -> Payer:
    """A tenant that has been paying for some days, and used something yesterday."""
    made = await Payer.make(desk)
    await made.buy()
    await desk.sql(
        "UPDATE stripe_account SET metered_from = now() - interval '40 days', "
        "metered_until = date_trunc('day', now()) - interval '2 days'"
    )
    at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    await made.used(tokens=100, at=at + timedelta(hours=9))
    await made.used(tokens=30, at=at + timedelta(hours=10))
    await made.used(messages=2, at=at + timedelta(hours=10))
    await made.overlook()
    return made


async def check(payer: Payer) -> list[Any]:
    """Compare what is to be compared; the differences that stand."""
    await payer.desk.sql("UPDATE stripe_check SET due_at = now()")
    await payer.desk.work_until_idle()
    return await payer.desk.sql(
        "SELECT meter, ours, theirs FROM stripe_difference WHERE settled_at IS NULL ORDER BY meter"
    )


async def test_what_agrees_is_noted_and_told_to_nobody(payer: Payer) -> None:
    assert await check(payer) == []
    rows = await payer.desk.sql("SELECT state, due_at FROM stripe_check")
    assert [(row["state"], row["due_at"]) for row in rows] == [("agrees", None)]
    assert "usage.differed" not in [kind for kind, _ in await payer.desk.events()]


async def test_a_planted_wrong_number_is_found_told_once_and_settled_when_it_is_put_right(
    payer: Payer,
) -> None:
    yesterday = (datetime.now(UTC) - DAY).replace(hour=10, minute=30)
    account = await payer.account()
    payer.stripe.meters.plant("frontdesk_tokens", account["customer_id"], 5, yesterday.timestamp())
    (found,) = await check(payer)
    assert (found["meter"], found["ours"], found["theirs"]) == ("tokens", 130, 135)
    await check(payer)
    told = [payload for kind, payload in await payer.desk.events() if kind == "usage.differed"]
    assert [(each["ours"], each["theirs"]) for each in told] == [(130, 135)]
    (planted,) = [e for e in payer.stripe.meters.events if e.identifier.startswith("planted")]
    payer.stripe.meters.lose(planted.identifier)
    assert await check(payer) == []


async def test_an_event_that_stripe_lost_is_found(payer: Payer) -> None:
    (lost,) = [e for e in payer.stripe.meters.events if e.value == 100]
    payer.stripe.meters.lose(lost.identifier)
    (found,) = await check(payer)
    assert (found["ours"], found["theirs"]) == (130, 30)


async def test_a_day_whose_usage_is_still_on_its_way_is_compared_later(payer: Payer) -> None:
    await payer.desk.sql(
        "UPDATE stripe_batch SET state = 'pending', due_at = now() + interval '1 hour' "
        "WHERE value = 100"
    )
    assert await check(payer) == []
    (row,) = await payer.desk.sql("SELECT state, last_error FROM stripe_check")
    assert (row["state"], row["last_error"]) == (
        "open",
        "Some of the day's usage is still on its way.",
    )


async def test_the_command_compares_and_fails_on_a_difference(payer: Payer, commands: Any) -> None:
    tenant = str(payer.desk.id)
    line = f"stripe reconcile --tenant {tenant} --days 1 --json"
    # In a process of its own: this one has to answer as Stripe meanwhile.
    (agreed,) = await commands(line)
    assert agreed["code"] == 0, agreed
    assert {each["meter"] for each in json.loads(agreed["stdout"])} == {
        "tokens", "messages", "resolutions",
    }  # fmt: skip
    (lost, *_) = payer.stripe.meters.events
    payer.stripe.meters.lose(lost.identifier)
    (differs,) = await commands(line)
    assert differs["code"] == 1
    assert [each["agrees"] for each in json.loads(differs["stdout"])].count(False) == 1
    assert "docs/stripe.md" in differs["stderr"]


async def test_an_invoice_is_followed_down_to_the_rows_of_the_ledger(payer: Payer) -> None:
    (subscription,) = payer.stripe.store.all("subscription")
    for item in subscription["items"]["data"]:
        item["current_period_start"] -= 10 * 86_400
    made = payer.stripe.end_period(subscription["id"])
    admin = await payer.desk.admin()
    listed = await admin.get("/billing/invoices")
    assert made["id"] in [each["id"] for each in listed["items"]]
    invoice = await admin.get(f"/billing/invoices/{made['id']}")
    lines = {line["meter"]: line for line in invoice["lines"]}
    tokens = lines["tokens"]
    assert (tokens["quantity"], tokens["sent"]) == (130, 130)
    assert lines[None]["amount"] == "99"
    span = {"from": tokens["period_start"], "to": tokens["period_end"], "meter": "tokens"}
    batches = (await admin.get("/billing/meter-batches", **span))["items"]
    assert sorted(batch["value"] for batch in batches) == [30, 100]
    rows = [
        row
        for batch in batches
        for row in (await admin.get(f"/billing/meter-batches/{batch['id']}/entries"))["items"]
    ]
    assert sum(row["counted"] for row in rows) == 130
    ledger = await payer.desk.sql("SELECT id FROM usage_entry WHERE kind = 'llm'")
    assert {row["id"] for row in rows} <= {str(row["id"]) for row in ledger}


async def test_a_batch_comes_in_pages(payer: Payer) -> None:
    at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    for _ in range(5):
        await payer.used(tokens=1, at=at + timedelta(hours=20))
    await payer.desk.sql(
        "UPDATE stripe_account SET metered_until = date_trunc('day', now()) - interval '4 hours'"
    )
    await payer.overlook()
    admin = await payer.desk.admin()
    batches = (await admin.get("/billing/meter-batches", meter="tokens"))["items"]
    (batch,) = [each for each in batches if each["entries"] == 5]
    path, seen, more = f"/billing/meter-batches/{batch['id']}/entries", [], {}
    while True:
        page = await admin.get(path, limit=2, **more)
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        more = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen)) == 5


async def test_another_tenants_invoices_and_batches_are_not_there(payer: Payer) -> None:
    other = await Desk.make(
        payer.desk.app, payer.desk.resources, payer.desk.dispatcher, payer.desk.simulator
    )
    stranger = await other.admin()
    (invoice, *_) = payer.stripe.store.all("invoice")
    (batch, *_) = await payer.desk.sql("SELECT id FROM stripe_batch")
    for rival in (None, await Payer(other).buy()):
        for path in (
            f"/billing/invoices/{invoice['id']}",
            f"/billing/meter-batches/{batch['id']}/entries",
        ):
            answer = await stranger.http.get(f"/api/v1{path}")
            assert answer.status_code == 404, (path, rival)
        mine = (await stranger.get("/billing/invoices"))["items"]
        assert invoice["id"] not in [each["id"] for each in mine]
    assert (await stranger.get("/billing/meter-batches"))["items"] == []
    await other.aclose()
