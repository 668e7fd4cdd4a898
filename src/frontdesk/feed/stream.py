"""One open stream: a cursor, an event that wakes it, and no database session."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from frontdesk.core.callers import Principal
from frontdesk.core.errors import Unauthenticated, Unavailable
from frontdesk.core.json import dumps
from frontdesk.core.resources import Resources
from frontdesk.feed.models import Audience
from frontdesk.feed.reading import audiences_of
from frontdesk.feed.rules import Start
from frontdesk.feed.tail import Frame, Tail
from frontdesk.identity import forget, recheck

log = structlog.get_logger(__name__)

PING_SECONDS = 15
# With the ten seconds a sign-in may be remembered, an ended one ends its streams within thirty.
RECHECK_SECONDS = 20
# A browser comes back after just what it was told. Each stream is told another time, so that after a
# restart thousands do not come at once.
RECONNECT_MILLISECONDS = (1_000, 5_000)
# A client that reads nothing for so long has gone or is broken.
SEND_TIMEOUT_SECONDS = 30
_RETRY_SECONDS = 1
_PING = b": ping\n\n"


class Stream:
    """The events of a tenant as one user may see them, from `begin` to `close`."""

    def __init__(
        self,
        resources: Resources,
        principal: Principal,
        tail: Tail,
        news: asyncio.Event,
        on_close: Callable[[], None],
    ) -> None:
        self._resources = resources
        self._on_close: Callable[[], None] | None = on_close
        self._first = b""
        self._cursor = 0
        self._ping_at = 0.0
        self._recheck_at = 0.0
        self._ended = False
        self._policies = tail.policies
        self._whispered = tail.whispered
        self.principal = principal
        self.tail = tail
        self.news = news

    def begin(self, start: Start, *, fresh: bool) -> None:
        """Go on after the start's cursor; the client is told where it is when it could not know."""
        self._cursor = start.cursor
        if start.reset is not None:
            self._first = _notice("reset", start.cursor, reason=start.reset)
        elif fresh:
            self._first = _notice("hello", start.cursor)
        else:
            self._first = ServerSentEvent(retry=_reconnect_after(), sep="\n").encode()

    def end(self) -> None:
        """Send nothing more; `frames` ends at once."""
        self._ended = True
        self.news.set()

    def close(self) -> None:
        """Make room for another stream; safe to call twice."""
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    async def frames(self) -> AsyncIterator[bytes]:
        """What to send, as it comes: events, pings, resets. Ends with the sign-in or the role it was
        opened with, or by `end`."""
        now = time.monotonic()
        self._ping_at, self._recheck_at = now + PING_SECONDS, now + RECHECK_SECONDS
        try:
            yield self._first
            self._first = b""
            while not self._ended:
                # Cleared before looking: what comes while we look wakes us again.
                self.news.clear()
                if self._policies != self.tail.policies:
                    # What comes is for whoever they are by the new policy, which is committed.
                    self._policies = self.tail.policies
                    forget(self._resources, self.principal.session_id)
                    if not await self._still_signed_in():
                        return
                data = await self._next() + self._whispers()
                if data:
                    yield data
                else:
                    await self._wait()
                now = time.monotonic()
                if now >= self._recheck_at:
                    self._recheck_at = now + RECHECK_SECONDS
                    if not await self._still_signed_in():
                        return
                if now >= self._ping_at:
                    self._ping_at = now + PING_SECONDS
                    yield _PING
        finally:
            self.close()

    async def _next(self) -> bytes:
        """The events after the cursor that the user may see; nothing when there are none."""
        while True:
            frames = self.tail.after(self._cursor)
            if frames is None:
                try:
                    frames = await self.tail.older(self._cursor)
                except Unavailable:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                if not frames or frames[0].seq != self._cursor + 1:
                    # Retention overtook us while the client was slow: the gap must be told.
                    self._cursor = self.tail.last
                    return _notice("reset", self._cursor, reason="expired")
            if not frames:
                return b""
            self._cursor = frames[-1].seq
            if data := _visible(frames, self.principal):
                return data

    def _whispers(self) -> bytes:
        if self._whispered == self.tail.whispered:
            return b""
        fresh = self.tail.whispers_after(self._whispered)
        self._whispered = self.tail.whispered
        return fresh

    async def _wait(self) -> None:
        """Until there is news, or it is time for a ping or for asking who this is."""
        if self.news.is_set() or self._ended:
            return
        delay = min(self._ping_at, self._recheck_at) - time.monotonic()
        # A timer of the loop is a good deal lighter than a task or a timeout context per wait.
        alarm = asyncio.get_running_loop().call_later(max(delay, 0), self.news.set)
        try:
            await self.news.wait()
        finally:
            alarm.cancel()

    async def _still_signed_in(self) -> bool:
        """Whether the reader is who they were; what they may see of contacts is looked up anew."""
        try:
            found = await recheck(self._resources, self.principal)
        except Unauthenticated:
            return False
        except Unavailable:
            # Without the database there is no news either; ask again soon.
            self._recheck_at = time.monotonic() + _RETRY_SECONDS
            return True
        if found.role is not self.principal.role:
            # A dashboard is built for a role: it comes back with its cursor, as whoever it is now.
            return False
        self.principal = found
        return True


def _visible(frames: list[Frame], who: Principal) -> bytes:
    if len(frames) == 1 and frames[0].audience == Audience.EVERYONE and not who.masked:
        return frames[0].data
    seen = audiences_of(who)
    if who.masked:
        return b"".join(frame.masked() for frame in frames if frame.audience in seen)
    return b"".join(frame.data for frame in frames if frame.audience in seen)


def _notice(event: str, last_seq: int, **details: Any) -> bytes:
    data = dumps({**details, "last_seq": last_seq})
    return ServerSentEvent(
        data, event=event, id=str(last_seq), retry=_reconnect_after(), sep="\n"
    ).encode()


def _reconnect_after() -> int:
    return random.randint(*RECONNECT_MILLISECONDS)  # noqa: S311  # Not a secret.


class FeedResponse(EventSourceResponse):
    """A stream as an answer.

    What the library does in four tasks a stream, this does in two: its pings come from the stream
    itself and its shutdown from the hub. With thousands of streams that is memory and time.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream.frames())
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client has gone, reads no longer, or the stream ends."""
        watcher = asyncio.get_running_loop().create_task(self._end_with_client(receive))
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            async for data in self.body_iterator:
                async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("feed_reader_stalled")
        finally:
            watcher.cancel()
            self._stream.close()

    async def _end_with_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._stream.end()
