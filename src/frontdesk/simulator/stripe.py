"""A fake Stripe: plans, customers, subscriptions, invoices; a card that works or does not.

What a person does on Stripe's pages (pay, cancel) and what time does (a period ends) are methods
here, for tests and for the control API; everything else comes over the wire.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx

from frontdesk.simulator.faults import FaultPlan, StripeFault
from frontdesk.simulator.stripe_meters import StripeMeters
from frontdesk.simulator.stripe_store import StripeStore
from frontdesk.simulator.stripe_webhooks import StripeWebhooks
from frontdesk.simulator.stripe_wire import StripeError, needed, new_id
from frontdesk.simulator.world import Json, World

_MONTH_SECONDS = 30 * 86_400
_ENDED = ("canceled", "incomplete_expired")


class Stripe:
    """One Stripe account in test mode."""

    def __init__(self, world: World, client: httpx.AsyncClient | None = None) -> None:
        self._world = world
        self.store = StripeStore(world.now)
        self.meters = StripeMeters(self.store, world.now)
        self.webhooks = StripeWebhooks(world, client)
        self.faults: FaultPlan[StripeFault] = FaultPlan(world.settings.seed)
        self.store.told = self._post
        self.holding = False
        """While True events happen and are not posted: `post` them in any order, or never."""
        self.lose_events = 0
        """So many of the next events are never posted."""
        self.broke: set[str] = set()
        """Customers whose card is refused."""
        self.calls: list[tuple[str, str]] = []
        """Method and path of every call, in order."""
        self.answered: dict[str, tuple[str, int, Json]] = {}
        """By idempotency key: what was asked, and the answer it got."""

    def reset(self) -> None:
        """An empty account where all goes well."""
        self.store.reset()
        self.meters.reset()
        self.faults.clear()
        self.webhooks.postings.clear()
        self.broke.clear()
        self.calls.clear()
        self.answered.clear()
        self.holding, self.lose_events = False, 0

    def _post(self, event: Json) -> None:
        if self.lose_events > 0:
            self.lose_events -= 1
        elif not self.holding and self._world.settings.stripe_webhook_url is not None:
            self.webhooks.tell(event)

    # What Stripe's pages and its clock do.

    def subscribe(self, customer: str, prices: list[Json], metadata: Json) -> Json:
        """Begin a subscription; its first invoice is paid, or it is incomplete."""
        now = int(self._world.now())
        period = {"current_period_start": now, "current_period_end": now + _MONTH_SECONDS}
        made = self.store.add(
            "subscription",
            "sub",
            {
                "customer": customer,
                "status": "active",
                "cancel_at_period_end": False,
                "canceled_at": None,
                "ended_at": None,
                "collection_method": "charge_automatically",
                "latest_invoice": None,
                "metadata": metadata,
                "items": {"object": "list", "has_more": False, "data": []},
            },
        )
        made["items"]["data"] = [
            {
                "id": new_id("si"),
                "object": "subscription_item",
                "price": self.store.get("price", str(each["price"]), "items[price]"),
                "quantity": int(each.get("quantity", 1)),
                "subscription": made["id"],
                "metadata": {},
                **period,
            }
            for each in prices
        ]
        self._bill(made, licensed_only=True)
        if customer in self.broke:
            made["status"] = "incomplete"
        self.store.tell("customer.subscription.created", made)
        return made

    def complete_checkout(self, session_id: str) -> Json:
        """Pay on the page of a checkout session; gives the subscription."""
        session = self.store.get("checkout.session", session_id)
        if session["status"] != "open":
            raise StripeError(400, "This session is not open.")
        how = session.get("subscription_data") or {}
        made = self.subscribe(session["customer"], session["line_items"], how.get("metadata") or {})
        session |= {"status": "complete", "payment_status": "paid", "subscription": made["id"]}
        self.store.tell("checkout.session.completed", session)
        return made

    def end_period(self, subscription_id: str) -> Json:
        """Let the present period end now: its invoice, which is paid if the card works."""
        found = self.store.get("subscription", subscription_id)
        now = int(self._world.now())
        for item in found["items"]["data"]:
            item["current_period_end"] = max(now, item["current_period_start"] + 1)
        invoice = self._bill(found)
        for item in found["items"]["data"]:
            item["current_period_start"] = item["current_period_end"]
            item["current_period_end"] += _MONTH_SECONDS
        if found["cancel_at_period_end"]:
            self._end(found)
        else:
            self.store.tell("customer.subscription.updated", found)
        return invoice

    def pay(self, invoice_id: str) -> Json:
        """Pay an open invoice; its subscription is active again unless it has ended."""
        invoice = self.store.get("invoice", invoice_id)
        self._paid(invoice)
        found = self.store.get("subscription", _subscription_of(invoice))
        if found["status"] not in _ENDED:
            found["status"] = "active"
            self.store.tell("customer.subscription.updated", found)
        return invoice

    def give_up(self, subscription_id: str, status: str = "unpaid") -> Json:
        """Stripe has tried often enough: the subscription is `unpaid` or `canceled`."""
        found = self.store.get("subscription", subscription_id)
        if status == "canceled":
            return self._end(found)
        found["status"] = status
        self.store.tell("customer.subscription.updated", found)
        return found

    # Parts of it.

    def _end(self, found: Json) -> Json:
        now = int(self._world.now())
        found |= {"status": "canceled", "canceled_at": now, "ended_at": now}
        self.store.tell("customer.subscription.deleted", found)
        return found

    cancel = _end

    def _bill(self, subscription: Json, *, licensed_only: bool = False) -> Json:
        customer = subscription["customer"]
        lines = [
            self._line(item, customer)
            for item in subscription["items"]["data"]
            if not licensed_only or item["price"]["recurring"].get("usage_type") != "metered"
        ]
        total = sum(line["amount"] for line in lines)
        invoice = self.store.add(
            "invoice",
            "in",
            {
                "customer": customer,
                "currency": "usd",
                "status": "open",
                "amount_due": total,
                "amount_paid": 0,
                "amount_remaining": total,
                "total": total,
                "attempt_count": 1,
                "number": f"SIM-{len(self.store.all('invoice')) + 1:04d}",
                "period_start": min((line["period"]["start"] for line in lines), default=0),
                "period_end": max((line["period"]["end"] for line in lines), default=0),
                "hosted_invoice_url": f"https://invoice.stripe.example/{new_id('i')}",
                "parent": {
                    "type": "subscription_details",
                    "subscription_details": {"subscription": subscription["id"], "metadata": {}},
                },
                "lines": {"object": "list", "has_more": False, "data": lines},
            },
        )
        for line in lines:
            line["invoice"] = invoice["id"]
        subscription["latest_invoice"] = invoice["id"]
        if customer in self.broke and total > 0:
            subscription["status"] = "past_due"
            self.store.tell("invoice.payment_failed", invoice)
        else:
            self._paid(invoice)
        return invoice

    def _line(self, item: Json, customer: str) -> Json:
        price, start, end = item["price"], item["current_period_start"], item["current_period_end"]
        quantity = item["quantity"]
        if meter_id := price["recurring"].get("meter"):
            name = self.store.get("billing.meter", meter_id)["event_name"]
            quantity = max(0, sum(e.value for e in self.meters.within(name, customer, start, end)))
        cents = Decimal(price["unit_amount_decimal"]) * quantity
        return {
            "id": new_id("il"),
            "object": "line_item",
            "amount": int(cents.quantize(Decimal(1), ROUND_HALF_UP)),
            "currency": "usd",
            "description": price.get("nickname") or price["lookup_key"] or price["product"],
            "quantity": quantity,
            "period": {"start": start, "end": end},
            "livemode": False,
            "metadata": {},
            "parent": {
                "type": "subscription_item_details",
                "subscription_item_details": {
                    "subscription": item["subscription"],
                    "subscription_item": item["id"],
                    "proration": False,
                },
            },
            "pricing": {
                "type": "price_details",
                "price_details": {"price": price["id"], "product": price["product"]},
                "unit_amount_decimal": price["unit_amount_decimal"],
            },
        }

    def _paid(self, invoice: Json) -> None:
        invoice |= {"status": "paid", "amount_paid": invoice["total"], "amount_remaining": 0}
        self.store.tell("invoice.paid", invoice)


def price_fields(body: Json) -> Json:
    """What a price is made of; the amount in cents, whole or with decimals."""
    needed(body, "currency", "product")
    amount = body.get("unit_amount_decimal", body.get("unit_amount"))
    if amount is None:
        raise StripeError(400, "An amount is needed.", param="unit_amount")
    recurring: Json = body.get("recurring") or {}
    whole = Decimal(str(amount))
    return {
        "active": True,
        "billing_scheme": "per_unit",
        "currency": body["currency"],
        "lookup_key": body.get("lookup_key"),
        "metadata": body.get("metadata") or {},
        "nickname": body.get("nickname"),
        "product": body["product"],
        "recurring": {"interval": "month", "usage_type": "licensed", "meter": None, **recurring},
        "type": "recurring",
        "unit_amount": int(whole) if whole == int(whole) else None,
        "unit_amount_decimal": str(amount),
    }


def _subscription_of(invoice: Json) -> str:
    details: dict[str, Any] = invoice["parent"]["subscription_details"]
    return str(details["subscription"])
