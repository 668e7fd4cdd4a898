"""The fake Stripe, as Stripe's own library talks to it."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
import stripe

from frontdesk.simulator import Simulator, StripeFault, StripeFaultKind, sign_stripe

from .conftest import Desk

KEY = "sk_test_simulated"
SECRET = "whsec_simulated"


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[stripe.StripeClient]:
    """Stripe's library, on the simulator."""
    transport = stripe.HTTPXClient(timeout=30)
    yield stripe.StripeClient(
        KEY, base_addresses={"api": simulator.stripe_url}, http_client=transport
    )
    await transport.close_async()


async def metered(client: stripe.StripeClient) -> tuple[Any, Any, Any]:
    """A meter `tokens`, a price of 0.002 cents each, and a customer."""
    meter = await client.v1.billing.meters.create_async(
        {
            "event_name": "tokens",
            "display_name": "Tokens",
            "default_aggregation": {"formula": "sum"},
        }
    )
    product = await client.v1.products.create_async({"name": "Usage"})
    price = await client.v1.prices.create_async(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount_decimal": Decimal("0.002"),
            "lookup_key": "tokens",
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    customer = await client.v1.customers.create_async({"name": "Shop", "metadata": {"tenant": "7"}})
    return meter, price, customer


def event_of(customer: Any, value: object = 25, **more: Any) -> Any:
    payload = {"stripe_customer_id": customer.id, "value": str(value)}
    return {"event_name": "tokens", "payload": payload, **more}


async def test_ids_look_like_stripes_and_what_was_made_is_found_again(
    client: stripe.StripeClient,
) -> None:
    meter, price, customer = await metered(client)
    assert [each.id.partition("_")[0] for each in (meter, price, customer)] == [
        "mtr",
        "price",
        "cus",
    ]
    assert (await client.v1.customers.retrieve_async(customer.id)).metadata["tenant"] == "7"
    found = await client.v1.prices.list_async({"lookup_keys": ["tokens"]})
    assert [each.unit_amount_decimal for each in found.data] == [Decimal("0.002")]


async def test_errors_are_of_stripes_kinds(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await client.v1.customers.retrieve_async("cus_none")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.products.create_async({})  # type: ignore[typeddict-item]
    with pytest.raises(stripe.AuthenticationError):
        await client.v1.customers.list_async({}, {"api_key": "sk_test_wrong"})


async def test_one_idempotency_key_does_one_thing(client: stripe.StripeClient) -> None:
    options: Any = {"idempotency_key": "a"}
    first = await client.v1.customers.create_async({"name": "Shop"}, options)
    again = await client.v1.customers.create_async({"name": "Shop"}, options)
    assert first.id == again.id
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.customers.create_async({"name": "Other"}, options)


async def test_an_event_counts_once_for_its_identifier(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    meter, _, customer = await metered(client)
    start = int(time.time()) // 86_400 * 86_400
    await client.v1.billing.meter_events.create_async(event_of(customer, identifier="one"))
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier one"):
        await client.v1.billing.meter_events.create_async(event_of(customer, identifier="one"))
    simulator.configure(clock_offset_seconds=86_401)
    await client.v1.billing.meter_events.create_async(event_of(customer, identifier="one"))
    found = await client.v1.billing.meters.event_summaries.list_async(
        meter.id,
        {
            "customer": customer.id,
            "start_time": start,
            # A day may end just now.
            "end_time": start + 3 * 86_400,
            "value_grouping_window": "day",
        },
    )
    assert [each.aggregated_value for each in found.data] == [25.0, 25.0]


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-35 * 86_400 - 60, "timestamp_too_far_in_past"), (400, "timestamp_in_future")],
)
async def test_events_of_other_times_are_refused(
    client: stripe.StripeClient, seconds: int, code: str
) -> None:
    _, _, customer = await metered(client)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.billing.meter_events.create_async(
            event_of(customer, timestamp=int(time.time()) + seconds)
        )
    assert refused.value.code == code


async def test_values_are_whole_and_can_be_taken_back_for_a_day(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    _, _, customer = await metered(client)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.billing.meter_events.create_async(event_of(customer, "1.5"))
    await client.v1.billing.meter_events.create_async(event_of(customer, identifier="two"))
    take_back: Any = {"event_name": "tokens", "type": "cancel", "cancel": {"identifier": "two"}}
    await client.v1.billing.meter_event_adjustments.create_async(take_back)
    assert simulator.stripe.meters.events == []
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.billing.meter_event_adjustments.create_async(take_back)


async def test_a_subscription_from_checkout_to_the_first_bill_with_what_was_used(
    client: stripe.StripeClient, simulator: Simulator, desk: Desk
) -> None:
    simulator.configure(stripe_webhook_url="http://desk/webhooks/stripe")
    _, price, customer = await metered(client)
    session = await client.v1.checkout.sessions.create_async(
        {
            "mode": "subscription",
            "customer": customer.id,
            "success_url": "https://desk.example/",
            "line_items": [{"price": price.id}],
            "subscription_data": {"metadata": {"plan": "standard"}},
        }
    )
    assert session.url is not None
    made = simulator.stripe.complete_checkout(session.id)
    await client.v1.billing.meter_events.create_async(event_of(customer, 1_000_000))
    simulator.configure(clock_offset_seconds=3_600)
    invoice = simulator.stripe.end_period(made["id"])
    found = await client.v1.invoices.retrieve_async(invoice["id"])
    (line,) = found.lines.data
    assert (found.status, line.quantity, line.amount) == ("paid", 1_000_000, 2_000)
    held = await client.v1.subscriptions.retrieve_async(made["id"])
    assert (held.status, held.metadata["plan"]) == ("active", "standard")
    await simulator.settle()
    kinds = [orjson.loads(body)["type"] for body in desk.bodies]
    assert sorted(kinds) == [
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "invoice.paid",
        "invoice.paid",
    ]


async def test_a_refused_card_makes_the_subscription_past_due_until_it_is_paid(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    _, price, customer = await metered(client)
    made = simulator.stripe.subscribe(customer.id, [{"price": price.id}], {})
    await client.v1.billing.meter_events.create_async(event_of(customer, 1_000_000))
    simulator.stripe.broke.add(customer.id)
    simulator.configure(clock_offset_seconds=3_600)
    invoice = simulator.stripe.end_period(made["id"])
    assert (invoice["status"], made["status"]) == ("open", "past_due")
    simulator.stripe.give_up(made["id"])
    assert made["status"] == "unpaid"
    simulator.stripe.pay(invoice["id"])
    assert (invoice["status"], made["status"]) == ("paid", "active")


async def test_events_are_signed_so_that_stripes_library_takes_them(
    simulator: Simulator, desk: Desk
) -> None:
    simulator.configure(stripe_webhook_url="http://desk/webhooks/stripe")
    simulator.stripe.store.tell("customer.created", {"id": "cus_1", "object": "customer"})
    await simulator.settle()
    (body,) = desk.bodies
    header = sign_stripe(body, SECRET, int(time.time()))
    assert stripe.Webhook.construct_event(body, header, SECRET).type == "customer.created"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", header, SECRET)


async def test_lost_and_held_events_are_not_posted(simulator: Simulator, desk: Desk) -> None:
    simulator.configure(stripe_webhook_url="http://desk/webhooks/stripe")
    simulator.stripe.lose_events = 1
    simulator.stripe.store.tell("customer.created", {"id": "cus_1"})
    simulator.stripe.holding = True
    held = simulator.stripe.store.tell("customer.updated", {"id": "cus_1"})
    await simulator.settle()
    assert desk.bodies == []
    simulator.stripe.webhooks.tell(held)
    await simulator.settle()
    assert len(desk.bodies) == 1
    assert len(simulator.stripe.store.events) == 2


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        (StripeFaultKind.RATE_LIMITED, stripe.RateLimitError, 0),
        (StripeFaultKind.SERVER_ERROR, stripe.APIError, 0),
        (StripeFaultKind.DONE_THEN_ERROR, stripe.APIError, 1),
        (StripeFaultKind.HANG_BEFORE, stripe.APIConnectionError, 0),
        (StripeFaultKind.HANG_AFTER, stripe.APIConnectionError, 1),
        (StripeFaultKind.DROP_BEFORE, stripe.APIConnectionError, 0),
        (StripeFaultKind.DROP_AFTER, stripe.APIConnectionError, 1),
    ],
)
async def test_faults_happen_before_or_after_something_was_done(
    client: stripe.StripeClient,
    simulator: Simulator,
    kind: StripeFaultKind,
    error: type[Exception],
    done: int,
) -> None:
    simulator.stripe.faults.next(StripeFault(kind, seconds=0.01))
    with pytest.raises(error):
        await client.v1.customers.create_async({"name": "Shop"})
    assert len(simulator.stripe.store.all("customer")) == done


async def test_the_control_api_plants_wrong_numbers_and_breaks_cards(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    _, price, customer = await metered(client)
    made = simulator.stripe.subscribe(customer.id, [{"price": price.id}], {})
    async with httpx.AsyncClient(base_url=f"{simulator.url}/_sim/stripe") as control:
        wrong = {"event_name": "tokens", "customer": customer.id, "value": 999_000_000}
        planted = await control.post("/meter-events", json={**wrong, "at": time.time()})
        assert planted.status_code == 201
        (event,) = (await control.get("/meter-events")).json()["items"]
        assert event["value"] == 999_000_000
        await control.patch(f"/customers/{customer.id}", json={"card_works": False})
        simulator.configure(clock_offset_seconds=3_600)
        invoice = (await control.post(f"/subscriptions/{made['id']}/end-period")).json()
        assert invoice["status"] == "open"
        await control.post("/meter-events", json={"lose": event["identifier"]})
        assert simulator.stripe.meters.events == []
        assert (await control.post("/invoices/in_none/pay")).status_code == 404
