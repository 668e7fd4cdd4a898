"""A provider of models that speaks OpenAI's wire format, answers what it is told to, and records."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Provider:
    """What came in, and what goes out next; once the plan is used up, `default` goes out."""

    url: str = ""
    bodies: list[Json] = field(default_factory=list)
    headers: list[Json] = field(default_factory=list)
    plan: list[Answer] = field(default_factory=list)
    default: Answer | None = None
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def models(self) -> list[str]:
        """The models asked for, in order."""
        return [body["model"] for body in self.bodies]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request by the plan."""
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        answer = self.plan.pop(0) if self.plan else self.default or says("Hello.")
        try:
            return await answer(request)
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def serving(provider: Provider) -> AsyncIterator[Provider]:
    """The provider on a free port of loopback, until the block ends."""
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/{path:.*}", provider.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider.url = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()


USAGE: Json = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


def says(
    text: str | None,
    *,
    finish_reason: str = "stop",
    usage: Json | None = USAGE,
    after: float = 0,
    **more: Any,
) -> Answer:
    """A completion with this text; without `service_tier`, as fakes of Groq forget it."""
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    body: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": "stub-model",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        **({"usage": usage} if usage else {}),
        **more,
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        if after:
            await asyncio.sleep(after)
        return web.json_response(body)

    return answer


def fails(
    status: int,
    *,
    code: str | None = None,
    message: str = "It failed.",
    kind: str = "invalid_request_error",
    headers: dict[str, str] | None = None,
) -> Answer:
    """An error in OpenAI's form."""
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def gives(
    body: str | bytes, *, status: int = 200, content_type: str = "application/json"
) -> Answer:
    """Any body whatever."""

    async def answer(request: web.Request) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, status=status, content_type=content_type)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """No answer, for longer than any test takes."""
    await asyncio.sleep(600)
    return web.Response()


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """The connection is reset without an answer, as by a machine that dies."""
    assert request.transport is not None
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return web.Response()


async def drips(request: web.Request) -> web.StreamResponse:
    """A byte now and then, so that no single read ever times out."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(6_000):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


def as_json(value: Any) -> str:
    """The value as JSON text."""
    return json.dumps(value)
