"""A small shop with an HTTP API, for agents' tools to call: the status of orders, and cancelling."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontdesk.simulator.wire import JSONAnswer, read_json
from frontdesk.simulator.world import Json

TOKEN = "shop-secret"  # noqa: S105  # Of a shop that is not there.
_NO_TOKEN = {"error": "The token is wrong."}


@dataclass(frozen=True)
class ShopRequest:
    """One call of the shop's API."""

    method: str
    path: str
    idempotency_key: str | None
    body: Json | None


@dataclass
class Shop:
    """Its orders, and what was asked of it."""

    orders: dict[str, str] = field(default_factory=dict)
    """Status by order number."""
    answers: dict[str, int] = field(default_factory=dict)
    """HTTP status to answer with instead, by order number."""
    requests: list[ShopRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    """Orders cancelled, each time anew: a key that was seen before cancels nothing."""
    keys: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    """Authorization headers it has shown to whoever sent them."""

    def reset(self) -> None:
        """A new day: two orders, and nothing asked."""
        self.orders = {"A-10427": "shipped", "A-10428": "being packed"}
        self.answers.clear()
        self.requests.clear()
        self.cancelled.clear()
        self.keys.clear()
        self.told.clear()


class ShopRoutes:
    """Handlers under `/shop`, for whoever sends `Authorization: Bearer shop-secret`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def routes(self) -> list[Route]:
        """The shop's API."""
        order = "/shop/orders/{order_id}"
        return [
            Route(order, self.status, methods=["GET"]),
            Route(f"{order}/cancel", self.cancel, methods=["POST"]),
            Route("/shop/echo", self.echo, methods=["GET"]),
            Route("/shop/moved", self.moved, methods=["GET"]),
        ]

    async def status(self, request: Request) -> Response:
        """How an order stands."""
        if refusal := await self._refusal(request):
            return refusal
        order_id = request.path_params["order_id"]
        order = {"id": order_id, "status": self._shop.orders[order_id]}
        return JSONAnswer({"order": {**order, "delivery": {"date": "2026-12-01"}}})

    async def cancel(self, request: Request) -> Response:
        """Cancel an order; once for each idempotency key."""
        if refusal := await self._refusal(request):
            return refusal
        order_id, key = request.path_params["order_id"], request.headers.get("idempotency-key")
        if key is None or key not in self._shop.keys:
            self._shop.cancelled.append(order_id)
        if key is not None:
            self._shop.keys.add(key)
        self._shop.orders[order_id] = "cancelled"
        return JSONAnswer({"order": {"id": order_id, "status": "cancelled"}})

    async def echo(self, request: Request) -> Response:
        """All that was sent, as careless services show it: the headers and their secrets, too."""
        self._shop.told.append(request.headers.get("authorization", ""))
        return JSONAnswer({**request.query_params, "headers": dict(request.headers)})

    async def moved(self, request: Request) -> Response:
        """A redirect to wherever it is asked to lead."""
        return Response(status_code=302, headers={"Location": request.query_params["to"]})

    async def _refusal(self, request: Request) -> Response | None:
        shop, order_id = self._shop, request.path_params["order_id"]
        raw = await request.body()
        shop.requests.append(
            ShopRequest(
                request.method,
                request.url.path,
                request.headers.get("idempotency-key"),
                read_json(raw) if raw else None,
            )
        )
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONAnswer(_NO_TOKEN, 401)
        if order_id in shop.answers:
            return JSONAnswer({"error": "As planned."}, shop.answers[order_id])
        if order_id not in shop.orders:
            return JSONAnswer({"error": "There is no such order."}, 404)
        return None
