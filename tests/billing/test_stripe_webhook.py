"""Stripe's webhook: who may call it, what it keeps, and that order and repetition do not matter."""

import asyncio
import json
import time
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.billing.paying import Payer
from tests.desk import ORIGIN, Desk

from frontdesk.billing.stripe.routes import MOST_BYTES
from frontdesk.billing.stripe.signature import is_signed
from frontdesk.simulator import StripeFault, StripeFaultKind, sign_stripe

SECRET = "whsec_simulated"
BODY = json.dumps({"id": "evt_x", "type": "invoice.paid", "data": {"object": {}}}).encode()


@pytest.fixture
async def payer(desk: Desk) -> Payer:
    return await Payer.make(desk)


async def post(app: FastAPI, body: bytes, *headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    sent = [("stripe-signature", header) for header in headers]
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.post("/webhooks/stripe", content=body, headers=sent)


def event(name: str, customer: str | None, kind: str = "invoice.paid") -> bytes:
    return json.dumps(
        {"id": name, "type": kind, "data": {"object": {"customer": customer}}}
    ).encode()


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (lambda now: sign_stripe(BODY, SECRET, now), True),
        (lambda now: sign_stripe(BODY, SECRET, now - 299), True),
        (lambda now: sign_stripe(BODY, SECRET, now) + ",v0=00", True),
        (lambda now: f"v1={'0' * 64}," + sign_stripe(BODY, SECRET, now), True),
        (lambda now: sign_stripe(BODY, "old", now), True),
        (lambda now: sign_stripe(BODY, SECRET, now - 301), False),
        (lambda now: sign_stripe(BODY, SECRET, now + 301), False),
        (lambda now: sign_stripe(BODY, "", now), False),
        (lambda now: sign_stripe(BODY, "whsec_other", now), False),
        (lambda now: sign_stripe(BODY + b" ", SECRET, now), False),
        (lambda now: sign_stripe(BODY, SECRET, now).replace("v1", "v0"), False),
        (lambda now: sign_stripe(BODY, SECRET, now).upper(), False),
        (lambda now: sign_stripe(BODY, SECRET, now - 400) + f",t={now}", False),
        (lambda now: sign_stripe(BODY, SECRET, now).partition(",")[2], False),
        (lambda now: "t=1,v1=" + "é" * 64, False),
        (lambda now: "", False),
        (lambda now: None, False),
    ],
)
def test_a_signature_is_of_these_bytes_by_one_of_the_secrets_and_of_now(
    header: Any, good: bool
) -> None:
    now = int(time.time())
    secrets = [b"", b"old", SECRET.encode()]
    assert is_signed(BODY, header(now), secrets, now=now) is good


async def test_unsigned_stale_and_too_large_bodies_are_refused_and_leave_nothing(
    app: FastAPI, desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    now = int(time.time())
    good = sign_stripe(BODY, SECRET, now)
    refused = [
        await post(app, BODY),
        await post(app, BODY, sign_stripe(BODY, "whsec_other", now)),
        await post(app, BODY, sign_stripe(BODY, SECRET, now - 600)),
        await post(app, BODY + b" ", good),
        await post(app, BODY, good, good),
    ]
    assert [answer.status_code for answer in refused] == [401] * 5
    large = b" " * (MOST_BYTES + 1)
    assert (await post(app, large, sign_stripe(large, SECRET, now))).status_code == 413
    rubbish = b"[1]"
    assert (await post(app, rubbish, sign_stripe(rubbish, SECRET, now))).status_code == 422
    found = await admin_sql.fetchval("SELECT count(*) FROM stripe_event WHERE event_id = 'evt_x'")
    assert found == 0


async def test_without_a_secret_there_is_no_webhook(
    app: FastAPI, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.resources.settings.stripe, "webhook_secrets", ())
    good = sign_stripe(BODY, SECRET, int(time.time()))
    assert (await post(app, BODY, good)).status_code == 404


async def test_the_same_event_ten_times_at_once_is_handled_once(
    app: FastAPI, payer: Payer, admin_sql: asyncpg.Connection
) -> None:
    await payer.buy()
    payer.stripe.calls.clear()
    customer = (await payer.account())["customer_id"]
    body = event(f"evt_{payer.desk.id}", customer)
    header = sign_stripe(body, SECRET, int(time.time()))
    answers = await asyncio.gather(*(post(app, body, header) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    await payer.desk.work_until_idle()
    assert payer.stripe.calls == [("GET", "/v1/subscriptions")]
    rows = await admin_sql.fetch(
        "SELECT state FROM stripe_event WHERE event_id = $1", f"evt_{payer.desk.id}"
    )
    assert [row["state"] for row in rows] == ["done"]


async def test_an_event_that_says_otherwise_is_not_believed(app: FastAPI, payer: Payer) -> None:
    made = await payer.buy()
    forged = json.dumps(
        {
            "id": f"evt_f{payer.desk.id}",
            "type": "customer.subscription.deleted",
            "data": {"object": {**made, "status": "canceled"}},
        }
    ).encode()
    await post(app, forged, sign_stripe(forged, SECRET, int(time.time())))
    await payer.desk.work_until_idle()
    assert (await payer.stands())["standing"] == "good"


async def test_events_in_the_wrong_order_end_in_what_is_so(payer: Payer) -> None:
    made = await payer.buy()
    payer.stripe.holding = True
    invoice = await payer.fail(made)
    payer.stripe.give_up(made["id"])
    payer.stripe.broke.clear()
    payer.stripe.pay(invoice["id"])
    payer.stripe.holding = False
    for held in reversed(payer.stripe.store.events[-5:]):
        payer.stripe.webhooks.tell(held)
    await payer.desk.work_until_idle()
    assert (await payer.stands())["standing"] == "good"


async def test_a_lost_event_is_made_up_for(payer: Payer) -> None:
    made = await payer.buy()
    payer.stripe.lose_events = 1
    payer.stripe.give_up(made["id"])
    await payer.desk.work_until_idle()
    assert (await payer.stands())["standing"] == "good"
    await payer.desk.sql("UPDATE stripe_account SET heard_at = now() - interval '7 hours'")
    await payer.overlook()
    assert (await payer.stands())["standing"] == "stopped"


async def test_an_event_waits_while_stripe_is_down(
    payer: Payer, admin_sql: asyncpg.Connection
) -> None:
    made = await payer.buy()
    payer.stripe.faults.next(StripeFault(StripeFaultKind.SERVER_ERROR))
    payer.stripe.give_up(made["id"])
    await payer.desk.work_until_idle()
    assert (await payer.stands())["standing"] == "good"
    customer = made["customer"]
    waiting = await admin_sql.fetchrow(
        "UPDATE stripe_event SET due_at = now() WHERE customer_id = $1 AND state = 'pending' "
        "RETURNING last_error",
        customer,
    )
    assert waiting["last_error"] == "Stripe answered 500."
    await payer.desk.work_until_idle()
    assert (await payer.stands())["standing"] == "stopped"


async def test_events_of_strangers_and_of_no_interest_touch_nobody(
    app: FastAPI, payer: Payer, admin_sql: asyncpg.Connection
) -> None:
    await payer.buy()
    payer.stripe.calls.clear()
    for name, body in (
        ("nobody", event(f"evt_n{payer.desk.id}", "cus_nobody")),
        ("other", event(f"evt_o{payer.desk.id}", None, "charge.succeeded")),
    ):
        answer = await post(app, body, sign_stripe(body, SECRET, int(time.time())))
        assert answer.status_code == 200, name
    await payer.desk.work_until_idle()
    assert payer.stripe.calls == []
    states = await admin_sql.fetch(
        "SELECT state FROM stripe_event WHERE event_id LIKE 'evt__' || $1", str(payer.desk.id)
    )
    assert [row["state"] for row in states] == ["ignored", "ignored"]
