"""The floor of the feed rows: bare sse-starlette, one Redis subscription, a queue for each stream."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

CHANNEL = "floor:feed"


class Feed:
    """Who watches. An event is what Redis brings, as it is."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._readers: set[asyncio.Queue[str]] = set()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Listen as long as the server runs."""
        client = redis.asyncio.Redis.from_url(self._redis_url, decode_responses=True)
        async with client, client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            listening = asyncio.create_task(self._listen(subscription))
            gc.collect()
            gc.freeze()
            # Thousands of streams live long; walking them all again and again finds nothing.
            gc.set_threshold(50_000, 50, 100)
            yield
            listening.cancel()

    async def watch(self, request: Request) -> EventSourceResponse:
        """A stream without end."""
        return EventSourceResponse(self._events())

    async def _events(self) -> AsyncIterator[ServerSentEvent]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._readers.add(queue)
        seq = 0
        try:
            yield ServerSentEvent("{}", event="hello", id="0")
            while True:
                data = await queue.get()
                seq += 1
                yield ServerSentEvent(data, event="conversation.changed", id=str(seq))
        finally:
            self._readers.discard(queue)

    async def _listen(self, subscription: redis.asyncio.client.PubSub) -> None:
        async for message in subscription.listen():
            if message["type"] == "message":
                for queue in self._readers:
                    queue.put_nowait(message["data"])


def main() -> None:
    """Serve on the port in the environment until told to stop."""
    feed = Feed(os.environ["FLOOR_REDIS"])
    uvicorn.run(
        Starlette(routes=[Route("/feed", feed.watch)], lifespan=feed.lifespan),
        host="127.0.0.1",
        port=int(os.environ["FLOOR_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
