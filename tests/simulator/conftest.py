"""A simulator, and a desk that only takes webhooks down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from frontdesk.simulator import Simulator, SimulatorSettings, running

SECRET = "test_app_secret"
PNID = "100000000000001"

Json = dict[str, Any]


@dataclass
class Desk:
    """An ASGI application that records webhooks and answers what it is told to."""

    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str | None] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the coming answers; 200 once they are used up."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = httpx.QueryParams(scope["query_string"].decode())
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        content = query.get("hub.challenge", "ok").encode()
        if scope["method"] == "POST":
            self.bodies.append(body)
            headers = dict(scope["headers"])
            signature = headers.get(b"x-hub-signature-256")
            self.signatures.append(signature.decode() if signature else None)
        status = self.answers.pop(0) if self.answers else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})

    def values(self) -> list[Json]:
        """The `value` of every change that came, in order."""
        return [
            change["value"]
            for body in self.bodies
            for entry in orjson.loads(body)["entry"]
            for change in entry["changes"]
        ]

    def messages(self) -> list[Json]:
        """All inbound messages."""
        return [message for value in self.values() for message in value.get("messages", [])]

    def statuses(self) -> list[Json]:
        """All statuses."""
        return [status for value in self.values() for status in value.get("statuses", [])]


SETTINGS = SimulatorSettings(
    app_secret=SECRET,
    webhook_url="http://desk/webhooks/whatsapp",
    verify_token="verify",
    status_delay_seconds=(0.0, 0.0),
    retry_pauses_seconds=(0.005, 0.01),
)


@pytest.fixture(scope="session")
async def world() -> AsyncIterator[tuple[Simulator, Desk]]:
    """One server for all tests: stopping one takes uvicorn 0.2 s."""
    desk = Desk()
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=desk)) as client,
        running(SETTINGS, client) as simulator,
    ):
        yield simulator, desk


@pytest.fixture
async def simulator(world: tuple[Simulator, Desk]) -> AsyncIterator[Simulator]:
    """A quick simulator in which nothing has happened, posting to `desk`."""
    simulator, desk = world
    simulator.register_channel(
        PNID,
        waba_id="200000000000002",
        business_id="300000000000003",
        display_phone_number="15550009999",
        verified_name="Casa Verde",
    )
    yield simulator
    await simulator.reset(SETTINGS)
    simulator.whatsapp.channels.clear()
    for recorded in (desk.bodies, desk.signatures, desk.answers):
        recorded.clear()


@pytest.fixture
def desk(world: tuple[Simulator, Desk]) -> Desk:
    """The business's side."""
    return world[1]


@pytest.fixture
async def graph(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the fake Graph API with a token."""
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(base_url=simulator.url, headers=headers, timeout=30) as client:
        yield client


def text_to(to: str, body: str = "Hello", **more: Any) -> Json:
    """A send of a text."""
    addressed = {"recipient": to} if "." in to else {"to": to}
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **addressed,
        "type": "text",
        "text": {"body": body},
        **more,
    }


async def send_to(graph: httpx.AsyncClient, body: Any) -> httpx.Response:
    """Post a send for the one number."""
    return await graph.post(f"/v26.0/{PNID}/messages", json=body)


async def eventually(holds: Any, seconds: float = 30.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event.
            await asyncio.sleep(0.005)
