"""A real server in this process, and a client that reads server-sent events as they come.

httpx's in-process transport gives an answer only when it is complete; a stream never is.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The app on a port of its own; gives its address."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        log_level="error",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn only sets a flag.
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@dataclass
class Event:
    """An event as a browser would see it."""

    id: str
    kind: str
    data: Any


class Watcher:
    """An open stream; `next` waits for an event, `comments` counts the pings so far."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.retry: str | None = None
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self, seconds: float = 5) -> Event:
        """The next event; StopAsyncIteration when the server ended the stream."""
        return await asyncio.wait_for(self._next(), seconds)

    async def take(self, count: int, seconds: float = 10) -> list[Event]:
        return [await self.next(seconds) for _ in range(count)]

    async def ended(self, seconds: float = 5) -> bool:
        """Whether the server ends the stream in time."""
        try:
            while True:
                await self.next(seconds)
        except StopAsyncIteration:
            return True
        except TimeoutError:
            return False

    async def _next(self) -> Event:
        fields: dict[str, str] = {}
        while True:
            line = await anext(self._lines)
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                self.retry = fields.get("retry", self.retry)
                return Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            else:
                self.retry = fields.get("retry", self.retry)
                fields = {}


@asynccontextmanager
async def watching(
    url: str, cookies: dict[str, str], *, last_event_id: str | None = None, after: str | None = None
) -> AsyncIterator[Watcher]:
    """A stream of the feed."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    params = {} if after is None else {"after": after}
    async with (
        httpx.AsyncClient(base_url=url, cookies=cookies, timeout=None) as client,
        client.stream("GET", "/api/v1/feed", headers=headers, params=params) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Watcher(response)
