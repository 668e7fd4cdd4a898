"""Looking at Frontdesk from outside: as a user over REST and the feed, as contacts by their phones.

Nothing here imports a context: what the demo shows and checks is what crossed the wire.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from frontdesk.demo.errors import DemoError

Json = Any
"""A body as it crosses the wire."""

_LOOK_SECONDS = 0.1
_UNNUMBERED = 0
_SLOW_LOOK_SECONDS = 0.4  # For what many wait for at once: a user has a rate limit.


class Refused(DemoError):
    """An answer that is an error; `status` and `code` say which, `problem` is all of it."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        self.status = response.status_code
        self.problem: Json = problem
        self.code = str(problem.get("code", ""))
        request = response.request
        super().__init__(
            f"{request.method} {request.url.path} answered {self.status} {self.code}: "
            f"{problem.get('detail') or problem.get('title') or response.text[:300]}"
        )


class Late(DemoError):
    """What was waited for did not come in time."""


async def until(
    look: Callable[[], Any], what: str, *, seconds: float = 15.0, slow: bool = False
) -> Any:
    """Call the async `look` until it gives something true, and return that.

    Raises:
        Late: the time is up; the message says what was missing.
    """
    give_up_at = time.monotonic() + seconds
    while True:
        if found := await look():
            return found
        if time.monotonic() > give_up_at:
            raise Late(f"{what}: not seen within {seconds:g} s")
        await asyncio.sleep(_SLOW_LOOK_SECONDS if slow else _LOOK_SECONDS)


class User:
    """Somebody signed in to the desk, over HTTP with a cookie, as a browser would be."""

    def __init__(self, http: httpx.AsyncClient, me: Json) -> None:
        self.http = http
        self.id = str(me["id"])
        self.name = str(me["name"])

    @classmethod
    async def sign_in(cls, url: str, email: str, password: str) -> Self:
        """Sign in; close the user when done.

        Raises:
            Refused: wrong email or password.
        """
        # The Origin is what tells the desk that no other site makes these requests.
        http = httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=20, trust_env=False)
        answer = await http.post(
            "/api/v1/auth/sign-in", json={"email": email, "password": password}
        )
        if answer.is_error:
            await http.aclose()
            raise Refused(answer)
        return cls(http, answer.json())

    async def close(self) -> None:
        """Drop the connections; the session stays until it is signed out or expires."""
        await self.http.aclose()

    async def get(self, path: str, **query: Any) -> Json:
        """GET under /api/v1."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Json = None, *, key: str | None = None) -> Json:
        """POST under /api/v1, with an Idempotency-Key when one is given."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self._ask("POST", path, json=body, headers=headers)

    async def put(self, path: str, body: Json, *, version: str | None = None) -> Json:
        """PUT under /api/v1; `version` is the ETag of what is replaced."""
        headers = {"If-Match": version} if version else {}
        return await self._ask("PUT", path, json=body, headers=headers)

    async def patch(self, path: str, body: Json, *, version: str | None = None) -> Json:
        """PATCH under /api/v1; `version` is the ETag of what is changed."""
        headers = {"If-Match": version} if version else {}
        return await self._ask("PATCH", path, json=body, headers=headers)

    async def delete(self, path: str) -> Json:
        """DELETE under /api/v1."""
        return await self._ask("DELETE", path)

    async def upload(self, path: str, name: str, content: bytes) -> Json:
        """POST a file under /api/v1, as a form would."""
        return await self._ask("POST", path, files={"file": (name, content)})

    async def etag(self, path: str) -> str | None:
        """The version of something under /api/v1."""
        answer = await self.http.get(f"/api/v1{path}")
        if answer.is_error:
            raise Refused(answer)
        found: str | None = answer.headers.get("etag")
        return found

    async def _ask(self, method: str, path: str, **how: Any) -> Json:
        for _ in range(5):
            answer = await self.http.request(method, f"/api/v1{path}", **how)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
        if answer.is_error:
            raise Refused(answer)
        return answer.json() if answer.content else None

    # Conversations

    async def find_conversation(self, contact: str) -> Json:
        """The newest conversation with a contact (number or BSUID), or None."""
        found = await self.get("/conversations", contact=contact, order="recent", limit=1)
        return found["items"][0] if found["items"] else None

    async def conversation(self, conversation_id: str) -> Json:
        """One conversation."""
        return await self.get(f"/conversations/{conversation_id}")

    async def messages(self, conversation_id: str) -> list[Json]:
        """Its messages, oldest first, at most a hundred."""
        page = await self.get(f"/conversations/{conversation_id}/messages", limit=100)
        return list(reversed(page["items"]))

    async def act(self, conversation_id: str, act: str, body: Json = None) -> Json:
        """`take-over`, `release`, `close` or `reopen` it."""
        return await self.post(f"/conversations/{conversation_id}/{act}", body)

    async def reply(self, conversation_id: str, text: str, *, key: str | None = None) -> Json:
        """Write to the contact."""
        return await self.post(
            f"/conversations/{conversation_id}/messages", {"text": text}, key=key
        )


class Phone:
    """A contact's phone at the simulator."""

    def __init__(self, http: httpx.AsyncClient, number: str, channel: str) -> None:
        self._http = http
        self._path = f"/_sim/phones/{number}"
        self._channel = channel
        self.number = number

    async def change(self, **known: Any) -> Json:
        """Change the person: name, number_hidden, online, chat_open."""
        return await self._ask("PATCH", self._path, json={"channel": self._channel, **known})

    async def write(self, **message: Any) -> list[str]:
        """Send something, `text="…"` or as the control API takes it; ids of the messages."""
        body = {"channel": self._channel, "wait": True, **message}
        sent = await self._ask("POST", f"{self._path}/messages", json=body)
        if not sent["delivered"]:
            raise DemoError("Frontdesk did not take the webhook.")
        return list(sent["wamids"])

    async def view(self) -> Json:
        """The chat as the phone shows it."""
        return await self._ask("GET", f"{self._path}/thread", params={"channel": self._channel})

    async def replies(self) -> list[Json]:
        """What the business wrote, oldest first."""
        chat = await self.view()
        return [m for m in chat["messages"] if m["author"] == "business"]

    async def _ask(self, method: str, path: str, **how: Any) -> Json:
        return await ask_simulator(self._http, method, path, **how)


async def ask_simulator(http: httpx.AsyncClient, method: str, path: str, **how: Any) -> Json:
    """Call the simulator's control API.

    Raises:
        DemoError: it refused.
    """
    answer = await http.request(method, path, **how)
    if answer.is_error:
        raise DemoError(f"The simulator answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


@dataclass(frozen=True)
class Event:
    """One event of the feed, as it came."""

    seq: int
    kind: str
    payload: Json
    at: float
    """When it arrived here, on the monotonic clock."""


class Feed:
    """The live feed of a user's tenant, read from `watching` on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.start = -1
        """The number before the first event; -1 until the feed has said hello."""
        self.resets = 0
        self.whispers: list[Event] = []
        """What came without a number, as that a colleague is typing: kept nowhere, seen or missed."""

    async def wait_for(
        self, kind: str, *, seconds: float = 15.0, after: int = 0, **payload: Any
    ) -> Event:
        """The first event of that kind with these values in its payload, be it in the past.

        Args:
            payload: of an object, only what it is to hold among others.
            after: only events with a higher number, or without any.

        Raises:
            Late: none came in time.
        """

        async def look() -> Event | None:
            return self.find(kind, after=after, **payload)

        wanted = ", ".join(f"{name}={value}" for name, value in payload.items())
        found: Event = await until(look, f"feed event {kind} ({wanted})", seconds=seconds)
        return found

    def find(self, kind: str, *, after: int = 0, **payload: Any) -> Event | None:
        """The first such event that has come, or None."""
        return next(
            (
                event
                for event in (*self.events, *self.whispers)
                if event.kind == kind
                and (event.seq > after or event.seq == _UNNUMBERED)
                and _holds(event.payload, payload)
            ),
            None,
        )

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self.events[-1].seq if self.events else self.start

    def take(self, kind: str, seq: str, data: str) -> None:
        """Take one frame of the stream."""
        payload = json.loads(data) if data else {}
        if kind == "reset":
            self.resets += 1
        elif kind == "hello":
            self.start = int(seq or payload.get("seq", 0))
        elif seq:
            self.events.append(Event(int(seq), kind, payload, time.monotonic()))
        else:
            self.whispers.append(Event(_UNNUMBERED, kind, payload, time.monotonic()))


def _holds(whole: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict) or not isinstance(whole, dict):
        return bool(whole == wanted)
    return all(_holds(whole.get(name), value) for name, value in wanted.items())


@asynccontextmanager
async def watching(user: User) -> AsyncIterator[Feed]:
    """The live feed of that user's tenant, read in the background."""
    feed = Feed()
    reading = asyncio.create_task(_read(user.http, feed))

    async def begun() -> bool:
        if reading.done():
            reading.result()
        return feed.start >= 0

    try:
        await until(begun, "the feed's hello", seconds=10)
        yield feed
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(http: httpx.AsyncClient, feed: Feed) -> None:
    kind, seq, data = "message", "", ""
    async with http.stream("GET", "/api/v1/feed", timeout=httpx.Timeout(20, read=60)) as answer:
        if answer.is_error:
            await answer.aread()
            raise Refused(answer)
        async for line in answer.aiter_lines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data or kind in ("hello", "reset"):
                    feed.take(kind, seq, data)
                kind, seq, data = "message", "", ""
            elif name == "event":
                kind = value
            elif name == "id":
                seq = value
            elif name == "data":
                data = f"{data}\n{value}" if data else value
