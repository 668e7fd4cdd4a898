"""Webhooks as Meta posts them: built, escaped, signed, and posted again until answered 200."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from frontdesk.simulator.threads import Channel
from frontdesk.simulator.world import Json, World, random_digits

VALID = "valid"
"""Stands for the right signature where a test may give a wrong one or none."""

_POSTINGS_KEPT = 10_000

# Meta escapes these beyond what JSON asks for, before it signs (Cloud API: webhook signatures).
_ESCAPED = {"/": "\\/", "<": "\\u003C", "%": "\\u0025", "@": "\\u0040"}


def escape(payload: Json) -> bytes:
    """The bytes Meta would post and sign: non-ASCII as lower-case escapes, `/` as `\\/`."""
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":"))
    for character, escaped in _ESCAPED.items():  # None of them is JSON syntax.
        text = text.replace(character, escaped)
    return text.encode("ascii")


def sign(body: bytes, app_secret: str) -> str:
    """The value of `X-Hub-Signature-256` for exactly these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def envelope(channel: Channel, **lists: Any) -> Json:
    """One webhook of field `messages`; `lists` are its contacts, messages, statuses, errors."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": channel.display_phone_number,
            "phone_number_id": channel.phone_number_id,
        },
        **{name: items for name, items in lists.items() if items},
    }
    return whole([(channel.waba_id, "messages", value)])


def whole(changes: Iterable[tuple[str, str, Json]]) -> Json:
    """A POST body of several changes, each (WABA id, field, value), each in an entry of its own."""
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": waba_id, "changes": [{"value": value, "field": name}]}
            for waba_id, name, value in changes
        ],
    }


@dataclass(frozen=True)
class Attempt:
    """One try to post a webhook."""

    at: float
    status: int | None
    """None when no answer came."""
    error: str = ""
    body: str = ""


@dataclass
class Posting:
    """A webhook on its way. Awaiting it waits until every copy was answered 200 or given up."""

    body: bytes
    signature: str | None
    wamids: tuple[str, ...] = ()
    about: str = ""
    """`message`, `status: sent`, … for people who read the record."""
    attempts: list[Attempt] = field(default_factory=list)
    delivered: int = 0
    """How many copies were answered 200."""
    first_attempt: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def wamid(self) -> str:
        """The id of the (first) message it carries."""
        return self.wamids[0]

    @property
    def status(self) -> int | None:
        """How the last attempt was answered; None when it was not."""
        return self.attempts[-1].status if self.attempts else None

    def __await__(self) -> Generator[Any, None, "Posting"]:
        if self.tasks:
            yield from asyncio.gather(*self.tasks, return_exceptions=True).__await__()
        return self

    def view(self) -> Json:
        """As JSON, for the control API."""
        return {
            "about": self.about,
            "wamids": list(self.wamids),
            "delivered": self.delivered,
            "attempts": [
                {"at": tried.at, "status": tried.status, "error": tried.error}
                for tried in self.attempts
            ],
            "body": self.body.decode(errors="replace"),
        }


class Webhooks:
    """Posts webhooks to the desk and keeps a record of them."""

    def __init__(self, world: World, client: httpx.AsyncClient | None = None) -> None:
        self._world = world
        self._given = client
        self._own: httpx.AsyncClient | None = None
        self.postings: deque[Posting] = deque(maxlen=_POSTINGS_KEPT)

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._own is None:
            # Meta posts in parallel; the default of 100 connections would queue a benchmark.
            limits = httpx.Limits(max_connections=500, max_keepalive_connections=100)
            self._own = httpx.AsyncClient(limits=limits, trust_env=False)
        return self._own

    def post(
        self,
        payload: Json | bytes,
        *,
        signature: str | None = VALID,
        copies: int = 1,
        retry: bool = True,
        wamids: tuple[str, ...] = (),
        about: str = "",
        after: Posting | None = None,
    ) -> Posting:
        """Start posting a webhook and return at once.

        Args:
            payload: a body to escape, or raw bytes to post as they are.
            signature: `VALID` to sign, None to send no header, else the header's value.
            copies: how often the same bytes are posted, side by side.
            retry: whether an answer other than 200 is tried again.
            after: wait for the first attempt of that posting before the first of this one.
        """
        body = payload if isinstance(payload, bytes) else escape(payload)
        if signature == VALID:
            signature = self._sign(body)
        posting = Posting(body, signature, wamids, about)
        self.postings.append(posting)
        posting.tasks += [
            self._world.spawn(self._deliver(posting, retry=retry, after=after))
            for _ in range(copies)
        ]
        return posting

    async def _deliver(self, posting: Posting, *, retry: bool, after: Posting | None) -> None:
        if after is not None:
            await after.first_attempt.wait()
        started = self._world.now()
        pauses = self._world.settings.retry_pauses_seconds or (1.0,)
        tries = 0
        try:
            while True:
                attempt = await self._attempt(posting)
                posting.attempts.append(attempt)
                posting.first_attempt.set()
                if attempt.status == 200:  # Nothing else counts as success (Cloud API: webhooks).
                    posting.delivered += 1
                    return
                waited = self._world.now() - started
                if not retry or waited > self._world.settings.retry_for_seconds:
                    return
                await asyncio.sleep(pauses[min(tries, len(pauses) - 1)])
                tries += 1
        finally:
            posting.first_attempt.set()

    @property
    def _url(self) -> str | None:
        return self._world.settings.webhook_url

    def _sign(self, body: bytes) -> str:
        return sign(body, self._world.settings.app_secret)

    def _headers(self, posting: Posting) -> dict[str, str]:
        signed = {} if posting.signature is None else {"X-Hub-Signature-256": posting.signature}
        return {"User-Agent": "facebookexternalua", **signed}

    async def _attempt(self, posting: Posting) -> Attempt:
        settings = self._world.settings
        at = self._world.now()
        url = self._url
        if url is None:
            return Attempt(at, None, "no webhook_url is set")
        try:
            response = await self._client.post(
                url,
                content=posting.body,
                headers={"Content-Type": "application/json", **self._headers(posting)},
                timeout=settings.webhook_timeout_seconds,
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Attempt(at, None, f"{type(error).__name__}: {error}")
        return Attempt(at, response.status_code, body=response.text[:500])

    async def subscribe(self) -> bool:
        """Do the verification handshake; True when the challenge came back as it must."""
        settings = self._world.settings
        if settings.webhook_url is None:
            return False
        challenge = random_digits(10)
        query = urlencode(
            {
                "hub.mode": "subscribe",
                "hub.challenge": challenge,
                "hub.verify_token": settings.verify_token,
            }
        )
        try:
            response = await self._client.get(
                f"{settings.webhook_url}?{query}", timeout=settings.webhook_timeout_seconds
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return False
        return response.status_code == 200 and response.text == challenge

    async def aclose(self) -> None:
        """Close our own HTTP client; one that was given stays open."""
        if self._own is not None:
            await self._own.aclose()
            self._own = None
