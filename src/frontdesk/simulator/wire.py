"""The lowest level of answering: JSON, hanging, and cutting the connection."""

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from frontdesk.simulator.world import World

_LOOK_SECONDS = 0.05  # How often a hanging answer looks whether the caller has gone.


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the connection put where an application can cut it."""

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class JSONAnswer(Response):
    """A JSON response."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes of any JSON value."""
        return orjson.dumps(content)


class CutConnection(Response):
    """No response: the connection is reset under the caller's feet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut it, then wait until the server has noticed; else it would answer 500."""
        transport = scope.get("state", {}).get("transport")
        if transport is None:
            raise ConnectionResetError("the simulator cut the connection")
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


async def hang(world: World, request: Request, seconds: float) -> None:
    """Keep the caller waiting; ends early when it goes away or the simulator closes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until and not world.closing:
        if await request.is_disconnected():
            return
        await asyncio.sleep(min(_LOOK_SECONDS, max(until - loop.time(), 0)))


def read_json(raw: bytes) -> Any:
    """The JSON value of a body, or None when it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
