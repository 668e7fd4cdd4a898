"""What a test or a person does to the fake Stripe, under `/_sim/stripe`."""

from collections.abc import Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from frontdesk.simulator.faults import StripeFault, plan_fault
from frontdesk.simulator.stripe import Stripe
from frontdesk.simulator.stripe_wire import StripeError
from frontdesk.simulator.wire import JSONAnswer, read_json
from frontdesk.simulator.world import Json


class StripeControl:
    """Handlers, each listed with its one-line help."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self.table = (
            ("GET", "/stripe/events", self.list_stripe_events),
            ("POST", "/stripe/events/{id}", self.post_stripe_event),
            ("GET", "/stripe/meter-events", self.list_meter_events),
            ("POST", "/stripe/meter-events", self.plant_meter_event),
            ("POST", "/stripe/checkouts/{id}/complete", self.complete_checkout),
            ("POST", "/stripe/subscriptions/{id}/end-period", self.end_period),
            ("POST", "/stripe/subscriptions/{id}/give-up", self.give_up),
            ("POST", "/stripe/invoices/{id}/pay", self.pay_invoice),
            ("PATCH", "/stripe/customers/{id}", self.change_card),
            ("PATCH", "/stripe", self.change_posting),
            ("POST", "/stripe/faults", self.plan_stripe_fault),
        )

    async def list_stripe_events(self, request: Request) -> Response:
        """Stripe's events, oldest first, whether or not they were posted."""
        return JSONAnswer({"items": self._stripe.store.events})

    async def post_stripe_event(self, request: Request) -> Response:
        """Post an event now, whatever became of it: {"copies": n}."""
        body = await _body(request)
        given = request.path_params["id"]
        event = next(each for each in self._stripe.store.events if each["id"] == given)
        posting = self._stripe.webhooks.tell(event, copies=int(body.get("copies", 1)), retry=False)
        await posting
        return JSONAnswer(posting.view())

    async def list_meter_events(self, request: Request) -> Response:
        """Meter events that count, in the order they came."""
        return JSONAnswer({"items": [asdict(event) for event in self._stripe.meters.events]})

    async def plant_meter_event(self, request: Request) -> Response:
        """Plant a wrong number: {"event_name", "customer", "value", "at"}; or {"lose": identifier}."""
        body = await _body(request)
        if "lose" in body:
            self._stripe.meters.lose(str(body["lose"]))
        else:
            self._stripe.meters.plant(
                body["event_name"], body["customer"], int(body["value"]), float(body["at"])
            )
        return JSONAnswer({"planted": True}, 201)

    async def complete_checkout(self, request: Request) -> Response:
        """Pay on the page of a checkout session."""
        return _told(self._stripe.complete_checkout, request)

    async def end_period(self, request: Request) -> Response:
        """Let a subscription's period end now; gives the invoice."""
        return _told(self._stripe.end_period, request)

    async def give_up(self, request: Request) -> Response:
        """Stripe stops trying: {"status": "unpaid" or "canceled"}."""
        status = str((await _body(request)).get("status", "unpaid"))
        return _told(lambda given: self._stripe.give_up(given, status), request)

    async def pay_invoice(self, request: Request) -> Response:
        """Pay an open invoice; its subscription is active again."""
        return _told(self._stripe.pay, request)

    async def change_card(self, request: Request) -> Response:
        """Let a customer's card be refused, or work again: {"card_works": false}."""
        given, works = request.path_params["id"], bool((await _body(request))["card_works"])
        self._stripe.store.get("customer", given)
        (self._stripe.broke.discard if works else self._stripe.broke.add)(given)
        return JSONAnswer({"id": given, "card_works": works})

    async def change_posting(self, request: Request) -> Response:
        """Hold all events, or lose the next few: {"holding": true, "lose_events": n}."""
        body = await _body(request)
        self._stripe.holding = bool(body.get("holding", self._stripe.holding))
        self._stripe.lose_events = int(body.get("lose_events", self._stripe.lose_events))
        return JSONAnswer(
            {"holding": self._stripe.holding, "lose_events": self._stripe.lose_events}
        )

    async def plan_stripe_fault(self, request: Request) -> Response:
        """Plan: {"kind", "seconds", "times", or "share" with "for_seconds"; "only": "POST /v1/…"}."""
        plan_fault(self._stripe.faults, StripeFault, await _body(request))
        return JSONAnswer(self._stripe.faults.describe())


def _told(act: Callable[[str], Json], request: Request) -> Response:
    try:
        made: Json = act(request.path_params["id"])
    except StripeError as error:
        return JSONAnswer(error.body(), error.status)
    return JSONAnswer(made)


async def _body(request: Request) -> Json:
    body = read_json(await request.body() or b"{}")
    return body if isinstance(body, dict) else {}
