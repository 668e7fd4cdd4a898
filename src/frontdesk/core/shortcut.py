"""The busiest route, reached without the router: finding and calling it costs more than its work."""

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class Shortcut:
    """Answers one route itself, as plain ASGI middleware; every other request passes.

    The route must take nothing but the request and give a response. What it raises is left to the
    edge around this.
    """

    def __init__(self, app: ASGIApp, route: APIRoute) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if (
            scope["type"] != "http"
            or scope["path"] != self._route.path
            or scope["method"] not in (self._route.methods or ())
        ):
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route  # What is counted and traced is counted under it.
        response = await self._route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
