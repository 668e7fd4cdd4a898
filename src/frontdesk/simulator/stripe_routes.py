"""Stripe's API over HTTP, as the official library speaks to it; under `/stripe`."""

import base64
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontdesk.simulator.faults import StripeFault, StripeFaultKind
from frontdesk.simulator.stripe import Stripe, price_fields
from frontdesk.simulator.stripe_wire import StripeError, needed, new_id, page, read_form
from frontdesk.simulator.wire import CutConnection, JSONAnswer, hang
from frontdesk.simulator.world import Json, World

Act = Callable[[str, Json], Json]
_BEFORE = (StripeFaultKind.HANG_BEFORE, StripeFaultKind.DROP_BEFORE)
_REFUSED = {StripeFaultKind.RATE_LIMITED: 429, StripeFaultKind.SERVER_ERROR: 500}
_NAMES = {"customers": "customer", "products": "product", "prices": "price"}
_UPDATED = ("name", "email", "metadata", "description", "active", "nickname", "default_price")


class StripeRoutes:
    """Handlers of everything under `/stripe/v1`."""

    def __init__(self, world: World, stripe: Stripe) -> None:
        self._world = world
        self._stripe = stripe

    def routes(self) -> list[Route]:
        """The part of the API that is here; the rest is a 404 as Stripe gives it."""
        table: dict[str, dict[str, Act]] = {
            "customers": {"POST": self._create_customer, "GET": self._list("customer")},
            "products": {"POST": self._create_product, "GET": self._list("product")},
            "prices": {"POST": self._create_price, "GET": self._list_prices},
            "subscriptions": {"GET": self._list_subscriptions},
            "subscriptions/{id}": {"GET": self._read("subscription"), "DELETE": self._cancel},
            "checkout/sessions": {"POST": self._create_checkout},
            "billing_portal/sessions": {"POST": self._create_portal},
            "billing/meters": {"POST": self._create_meter, "GET": self._list("billing.meter")},
            "billing/meters/{id}/event_summaries": {"GET": self._summaries},
            "billing/meter_events": {"POST": lambda _, body: self._stripe.meters.record(body)},
            "billing/meter_event_adjustments": {
                "POST": lambda _, body: self._stripe.meters.cancel(body)
            },
            "invoices": {"GET": self._list_invoices},
            "invoices/{id}": {"GET": self._read("invoice")},
            "invoices/{id}/lines": {"GET": self._lines},
            "events": {"GET": lambda _, query: page(self._stripe.store.events[::-1], query, "")},
        }
        for plural, kind in _NAMES.items():
            table[f"{plural}/{{id}}"] = {"GET": self._read(kind), "POST": self._update(kind)}
        return [
            *(
                Route(f"/stripe/v1/{path}", self._handler(act), methods=[method])
                for path, acts in table.items()
                for method, act in acts.items()
            ),
            Route(
                "/stripe/{rest:path}",
                self._handler(_unknown),
                methods=["GET", "POST", "DELETE"],
            ),
        ]

    def _handler(self, act: Act) -> Callable[..., object]:
        async def handle(request: Request) -> Response:
            path = request.url.path.removeprefix("/stripe")
            asked = f"{request.method} {path}"
            self._stripe.calls.append((request.method, path))
            body = read_form((await request.body()).decode() or request.url.query)
            fault = self._stripe.faults.draw(asked, str(body.get("customer", "")))
            try:
                if fault is not None and (refused := await self._fail_before(request, fault)):
                    return refused
                self._check_key(request)
                answer = self._answer(request, asked, act, body)
            except StripeError as error:
                return JSONAnswer(error.body(), error.status, {"Request-Id": new_id("req")})
            if fault is not None and (lost := await self._fail_after(request, fault)):
                return lost
            return answer

        return handle

    def _answer(self, request: Request, asked: str, act: Act, body: Json) -> Response:
        """Do it, or give the answer that this idempotency key has got before."""
        key = request.headers.get("idempotency-key")
        known = self._stripe.answered.get(key) if key else None
        headers = {"Request-Id": new_id("req")}
        if known is not None:
            if known[0] != f"{asked} {body}":
                raise StripeError(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they "
                    "were first used with.",
                    kind="idempotency_error",
                )
            return JSONAnswer(known[2], known[1], {**headers, "Idempotent-Replayed": "true"})
        status = 200
        try:
            made = act(str(request.path_params.get("id", "")), body)
        except StripeError as error:
            made, status = error.body(), error.status
            headers["Stripe-Should-Retry"] = "false"
        if key and request.method == "POST":
            self._stripe.answered[key] = (f"{asked} {body}", status, made)
        return JSONAnswer(made, status, headers)

    def _check_key(self, request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            given = base64.b64decode(given).decode().partition(":")[0]
        if given != self._world.settings.stripe_key:
            raise StripeError(401, "Invalid API Key provided.")

    async def _fail_before(self, request: Request, fault: StripeFault) -> Response | None:
        if status := _REFUSED.get(fault.kind):
            kind, code = (
                ("invalid_request_error", "rate_limit") if status == 429 else ("api_error", None)
            )
            raise StripeError(status, "As planned.", kind=kind, code=code)
        if fault.kind is StripeFaultKind.HANG_BEFORE:
            await hang(self._world, request, fault.seconds)
        return CutConnection() if fault.kind in _BEFORE else None

    async def _fail_after(self, request: Request, fault: StripeFault) -> Response | None:
        if fault.kind is StripeFaultKind.DONE_THEN_ERROR:
            return JSONAnswer(StripeError(500, "As planned.", kind="api_error").body(), 500)
        if fault.kind is StripeFaultKind.HANG_AFTER:
            await hang(self._world, request, fault.seconds)
        return CutConnection()

    # What the paths do.

    def _read(self, kind: str) -> Act:
        return lambda given, _: self._stripe.store.get(kind, given)

    def _list(self, kind: str) -> Act:
        return lambda _, query: page(self._stripe.store.all(kind), query, f"/v1/{kind}s")

    def _update(self, kind: str) -> Act:
        def update(given: str, body: Json) -> Json:
            found = self._stripe.store.get(kind, given)
            metadata = {**found.get("metadata", {}), **(body.get("metadata") or {})}
            changes = {name: body[name] for name in _UPDATED if name in body}
            if "active" in changes:
                changes["active"] = changes["active"] == "true"
            if body.get("lookup_key") is not None and kind == "price":
                changes["lookup_key"] = self._free_key(body)
            found |= {**changes, "metadata": metadata}
            return found

        return update

    def _create_customer(self, _: str, body: Json) -> Json:
        fields = {name: body.get(name) for name in ("name", "email", "description")}
        made = {**fields, "metadata": body.get("metadata") or {}, "deleted": False}
        return self._stripe.store.add("customer", "cus", made)

    def _create_product(self, _: str, body: Json) -> Json:
        needed(body, "name")
        made = {"name": body["name"], "active": True, "metadata": body.get("metadata") or {}}
        if given := body.get("id"):
            if self._stripe.store.all("product", id=given):
                raise StripeError(400, "Product already exists.", code="resource_already_exists")
            made["id"] = given
        return self._stripe.store.add("product", "prod", made)

    def _create_price(self, _: str, body: Json) -> Json:
        self._stripe.store.get("product", str(body.get("product", "")), "product")
        fields = price_fields(body)
        if meter := fields["recurring"]["meter"]:
            self._stripe.store.get("billing.meter", meter, "recurring[meter]")
        elif fields["recurring"]["usage_type"] == "metered":
            raise StripeError(400, "Metered prices need a meter.", param="recurring[meter]")
        return self._stripe.store.add(
            "price", "price", {**fields, "lookup_key": self._free_key(body)}
        )

    def _free_key(self, body: Json) -> str | None:
        """The lookup key wished for, taken from whoever has it if that is wished for too."""
        key = body.get("lookup_key")
        for holder in self._stripe.store.all("price", lookup_key=key) if key else ():
            if body.get("transfer_lookup_key") != "true":
                raise StripeError(
                    400, f"A price has the lookup key {key} already.", param="lookup_key"
                )
            holder["lookup_key"] = None
        return None if key is None else str(key)

    def _list_prices(self, _: str, query: Json) -> Json:
        keys = query.get("lookup_keys")
        found = self._stripe.store.all("price")
        if keys is not None:
            found = [each for each in found if each["lookup_key"] in keys]
        if "active" in query:
            found = [each for each in found if each["active"] == (query["active"] == "true")]
        return page(found, query, "/v1/prices")

    def _create_meter(self, _: str, body: Json) -> Json:
        return self._stripe.meters.create(body)

    def _summaries(self, given: str, query: Json) -> Json:
        found = self._stripe.meters.summaries(given, query)
        return page(found, query, f"/v1/billing/meters/{given}/event_summaries")

    def _create_checkout(self, _: str, body: Json) -> Json:
        needed(body, "mode", "customer", "line_items", "success_url")
        self._stripe.store.get("customer", body["customer"], "customer")
        for item in body["line_items"]:
            price = self._stripe.store.get("price", item["price"], "line_items[price]")
            if price["recurring"]["usage_type"] == "metered" and "quantity" in item:
                raise StripeError(400, "Metered prices take no quantity.", param="line_items")
        made = self._stripe.store.add(
            "checkout.session",
            "cs_test",
            {
                **{
                    name: body.get(name)
                    for name in ("mode", "customer", "success_url", "cancel_url")
                },
                "client_reference_id": body.get("client_reference_id"),
                "line_items": body["line_items"],
                "metadata": body.get("metadata") or {},
                "payment_status": "unpaid",
                "status": "open",
                "subscription": None,
                "subscription_data": body.get("subscription_data"),
            },
        )
        made["url"] = f"https://checkout.stripe.example/c/pay/{made['id']}"
        return made

    def _create_portal(self, _: str, body: Json) -> Json:
        needed(body, "customer")
        self._stripe.store.get("customer", body["customer"], "customer")
        made = {"customer": body["customer"], "return_url": body.get("return_url")}
        session = self._stripe.store.add("billing_portal.session", "bps", made)
        return {**session, "url": f"https://billing.stripe.example/p/session/{session['id']}"}

    def _list_subscriptions(self, _: str, query: Json) -> Json:
        having = {name: query[name] for name in ("customer",) if name in query}
        wanted = query.get("status")
        found = [
            each
            for each in self._stripe.store.all("subscription", **having)
            if wanted in (each["status"], "all") or (not wanted and each["status"] != "canceled")
        ]
        return page(found, query, "/v1/subscriptions")

    def _cancel(self, given: str, _: Json) -> Json:
        return self._stripe.cancel(self._stripe.store.get("subscription", given))

    def _list_invoices(self, _: str, query: Json) -> Json:
        having = {name: query[name] for name in ("customer", "status") if name in query}
        return page(self._stripe.store.all("invoice", **having), query, "/v1/invoices")

    def _lines(self, given: str, query: Json) -> Json:
        lines = self._stripe.store.get("invoice", given)["lines"]["data"]
        return page(lines, query, f"/v1/invoices/{given}/lines")


def _unknown(_: str, body: Json) -> Json:
    raise StripeError(404, "Unrecognized request URL.")
