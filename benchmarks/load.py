"""Meta's side of the accept rows: signed webhooks over kept connections, and how long each took.

Raw sockets, and requests made beforehand: it must not be what is measured. It answers each question
on standard input with a line of JSON on standard output.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import uvloop

from frontdesk.simulator import escape, sign

_BODIES = 500
_END_OF_HEAD = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One kept connection with one request on it at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self._unread = b""
        self._answered: asyncio.Future[bool] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class.

    def post(self, request: bytes) -> asyncio.Future[bool]:
        """Send a request; the future tells whether it was answered with 200."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._unread += data
        # A good answer is empty, so it ends with its head; one that isn't ends the run anyway.
        if self._unread.endswith(_END_OF_HEAD) or not self._unread.startswith(b"HTTP/1.1 200"):
            good = self._unread.startswith(b"HTTP/1.1 200")
            self._unread = b""
            if self._answered is not None and not self._answered.done():
                self._answered.set_result(good)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the server hung up"))

    def close(self) -> None:
        """Close it."""
        self._transport.close()


async def saturate(
    connections: list[Connection], requests: Iterator[bytes], seconds: float
) -> list[float]:
    """Keep a request on every connection for so long; the seconds each one took."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def keep_busy(connection: Connection) -> None:
        asked_at = time.perf_counter()
        while asked_at < until:
            check(await connection.post(next(requests)))
            now = time.perf_counter()
            took.append(now - asked_at)
            asked_at = now

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(keep_busy(connection))
    return took


async def pace(
    connections: list[Connection], requests: Iterator[bytes], seconds: float, per_second: float
) -> list[float]:
    """Send at a steady rate. A request's time counts from when it was due, not from when it left."""
    took: list[float] = []
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)
    began = time.perf_counter()

    async def post(due: float) -> None:
        connection = await free.get()
        check(await connection.post(next(requests)))
        took.append(time.perf_counter() - began - due)
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(int(per_second * seconds)):
            due = number / per_second
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            group.create_task(post(due))
    return took


def check(good: bool) -> None:
    """Raise unless the webhook was accepted: what fails fast must not look fast."""
    if not good:
        raise RuntimeError("a webhook was not answered with an empty 200")


def signed_requests(url: str, app_secret: str) -> list[bytes]:
    """Whole requests as Meta posts them, each with another message in it."""
    parts = urlsplit(url)
    requests = []
    for number in range(_BODIES):
        body = escape(_message(number))
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "User-Agent: facebookexternalua\r\nAccept: */*\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {sign(body, app_secret)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


def _message(number: int) -> dict[str, Any]:
    contact = f"49155500{number:05d}"
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550001111",
            "phone_number_id": "100000000000001",
        },
        "contacts": [{"profile": {"name": "Zoë Müller"}, "wa_id": contact}],
        "messages": [
            {
                "from": contact,
                "id": f"wamid.HBgNNDkxNTU1MDAwMTIzNBUCABIYFjNFQjBDMTlG{number:08d}==",
                "timestamp": "1790000000",
                "type": "text",
                "text": {"body": f"Hello! When does order {number} ship, and what does it cost?"},
            }
        ],
    }
    change = {"value": value, "field": "messages"}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "200000000000001", "changes": [change]}],
    }


async def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Put one load on one address: `url`, `app_secret`, `connections`, `seconds`, `per_second`."""
    parts = urlsplit(question["url"])
    requests = itertools.cycle(signed_requests(question["url"], question["app_secret"]))
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, parts.hostname, parts.port))[1]
        for _ in range(question["connections"])
    ]
    began = time.perf_counter()
    if per_second := question["per_second"]:
        took = await pace(connections, requests, question["seconds"], per_second)
    else:
        took = await saturate(connections, requests, question["seconds"])
    seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return {"seconds": seconds, "took": took}


def main() -> None:
    """Answer questions until standard input ends."""
    for line in sys.stdin:
        print(orjson.dumps(uvloop.run(answer(orjson.loads(line)))).decode(), flush=True)


if __name__ == "__main__":
    main()
