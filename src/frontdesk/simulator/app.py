"""The simulator as an ASGI application: model, Stripe, control API and Graph API on one server."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from frontdesk.simulator.control import ControlRoutes
from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.graph_routes import GraphRoutes
from frontdesk.simulator.model_routes import ModelRoutes
from frontdesk.simulator.shop import ShopRoutes
from frontdesk.simulator.simulator import Simulator
from frontdesk.simulator.stripe_control import StripeControl
from frontdesk.simulator.stripe_routes import StripeRoutes
from frontdesk.simulator.wire import JSONAnswer


def create_app(simulator: Simulator) -> Starlette:
    """All routes of a simulator; the Graph API's come last, as they match almost any path."""
    graph = GraphRoutes(simulator.world, simulator.whatsapp, simulator.delivery)
    routes = [
        *ModelRoutes(simulator.world, simulator.model).routes(),
        *ShopRoutes(simulator.shop).routes(),
        *StripeRoutes(simulator.world, simulator.stripe).routes(),
        *ControlRoutes(simulator).routes(StripeControl(simulator.stripe).table),
        *graph.routes(),
    ]
    handlers = {GraphError: _refuse, HTTPException: _no_such_path}
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]  # Starlette types handlers by the base class.


async def _refuse(request: Request, error: GraphError) -> Response:
    return JSONAnswer(error.body(), error.status)


async def _no_such_path(request: Request, error: HTTPException) -> Response:
    if request.url.path.startswith("/_sim"):
        return JSONAnswer({"error": error.detail}, error.status_code)
    unknown = GraphError(2500, f"Unknown path components: {request.url.path}", error.status_code)
    return JSONAnswer(unknown.body(), unknown.status)
