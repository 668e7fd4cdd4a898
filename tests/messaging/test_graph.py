"""How a send can end, against servers that answer, break off, hang or lie; all on bare sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.certificates import self_signed

from frontdesk.core.http import HttpClient
from frontdesk.core.resources import Resources
from frontdesk.messaging.graph import (
    Accepted,
    NotSent,
    Refused,
    SendResult,
    SendUnknown,
    mark_read,
    post_message,
)

TAKEN = b'{"messages":[{"id":"wamid.1"}],"contacts":[{"wa_id":"4915551"}]}'
REFUSED = b'{"error":{"code":131047,"message":"Re-engagement message"}}'

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def reply(body: bytes = TAKEN, status: int = 200, *headers: str) -> Reply:
    """A whole answer on a connection that stays open."""

    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return write


def raw(data: bytes) -> Reply:
    """These bytes, and the end of the connection."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return write


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """The end of the connection without a word."""
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    """The end of the connection, the hard way."""
    writer.transport.abort()


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    """No answer at all."""


async def drip(writer: asyncio.StreamWriter) -> None:
    """An answer that goes on for ever, a byte at a time, so that no single read takes long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.02)


async def pour(writer: asyncio.StreamWriter) -> None:
    """An answer without end, as fast as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        await writer.drain()


@dataclass
class Server:
    """What it has been asked so far, over how many connections, and what it will reply."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                declared = head.lower().partition(b"content-length:")[2].split()
                length = int(declared[0]) if declared else 0
                self.requests.append(head + await reader.readexactly(length))
                await (self.replies.pop(0) if self.replies else reply())(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(list(replies))
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield server


@asynccontextmanager
async def sending_to(
    url: str, resources: Resources, *, seconds: float = 5
) -> AsyncIterator[Resources]:
    """Resources whose WhatsApp is at this address, with an HTTP client of their own."""
    whatsapp = resources.settings.whatsapp.model_copy(
        update={"api_base": url, "send_timeout_seconds": seconds}
    )
    made = replace(
        resources,
        settings=resources.settings.model_copy(update={"whatsapp": whatsapp}),
        http=HttpClient(),
    )
    try:
        yield made
    finally:
        await made.http.aclose()


async def send(resources: Resources) -> SendResult:
    return await post_message(resources, "100000000000001", "secret-token", {"type": "text"})


async def test_a_send_is_one_post_with_the_token(resources: Resources) -> None:
    async with serving() as server, sending_to(server.url, resources) as ours:
        assert await send(ours) == Accepted(wamid="wamid.1", wa_id="4915551")
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().splitlines()
    assert lines[0] == "POST /v26.0/100000000000001/messages HTTP/1.1"
    assert {"Authorization: Bearer secret-token", "Content-Type: application/json"} <= set(lines)
    assert body == b'{"type":"text"}'


@pytest.mark.parametrize("ending", [hang_up, reset])
async def test_a_post_is_never_repeated_when_its_connection_breaks(
    resources: Resources, ending: Reply
) -> None:
    # The second goes over the connection kept from the first: what HTTP clients like to repeat.
    async with (
        serving(reply(), ending) as server,
        sending_to(server.url, resources) as ours,
    ):
        assert isinstance(await send(ours), Accepted)
        assert isinstance(await send(ours), SendUnknown)
        assert (len(server.requests), server.connections) == (2, 1)
        assert isinstance(await send(ours), Accepted)
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize(
    "answer",
    [
        hang_up,
        reset,
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + TAKEN[:20]),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + TAKEN[:20]),
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        reply(TAKEN, 200, "Content-Encoding: gzip"),
        reply(b""),
        reply(b"<html>"),
        reply(b"[]"),
        reply(b"Bad gateway", 502),
        reply(b"", 500),
        reply(b"Not found", 404),
        pour,
    ],
    ids=range(14),
)
async def test_the_outcome_is_unknown_without_whatsapps_own_answer(
    resources: Resources, answer: Reply
) -> None:
    async with serving(answer) as server, sending_to(server.url, resources) as ours:
        assert isinstance(await send(ours), SendUnknown)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 400, 500, 503])
async def test_an_error_of_whatsapps_own_is_a_refusal_whatever_its_status(
    resources: Resources, status: int
) -> None:
    async with serving(reply(REFUSED, status)) as server, sending_to(server.url, resources) as ours:
        result = await send(ours)
    assert isinstance(result, Refused)
    assert (result.error.code, result.error.http_status) == (131047, status)


@pytest.mark.parametrize("answer", [say_nothing, drip])
async def test_a_send_has_one_deadline_however_the_answer_comes(
    resources: Resources, answer: Reply
) -> None:
    async with (
        serving(answer) as server,
        sending_to(server.url, resources, seconds=0.2) as ours,
    ):
        assert await send(ours) == SendUnknown("TimeoutError")
        # What was given up is not mistaken for the answer to the next, which may take its time.
        ours.settings.whatsapp.send_timeout_seconds = 5
        assert isinstance(await send(ours), Accepted)
    assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_token_does_not_follow_a_redirect(resources: Resources, status: int) -> None:
    async with serving() as elsewhere:
        there = reply(b"", status, f"Location: {elsewhere.url}/messages")
        async with serving(there) as server, sending_to(server.url, resources) as ours:
            assert isinstance(await send(ours), SendUnknown)
    assert (len(server.requests), elsewhere.requests) == (1, [])


async def test_nothing_has_left_us_where_no_connection_came_about(resources: Resources) -> None:
    async with serving() as server:
        gone = server.url
    for url in (gone, "http://nowhere.invalid", "not-an-address"):
        async with sending_to(url, resources) as ours:
            assert isinstance(await send(ours), NotSent), url


async def test_a_host_nobody_vouches_for_gets_no_token(
    resources: Resources, tmp_path: Path
) -> None:
    async with (
        serving(tls=_self_signed(tmp_path)) as server,
        sending_to(server.url, resources) as ours,
    ):
        assert isinstance(await send(ours), NotSent)
    assert server.requests == []


async def test_as_many_sends_as_a_worker_makes_are_under_way_at_once(resources: Resources) -> None:
    together = 300  # 100 sends and a read mark for each of 200 conversations.
    everybody = asyncio.Event()
    waiting = 0

    async def wait_for_the_others(writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == together:
            everybody.set()
        await everybody.wait()
        await reply()(writer)

    async with (
        serving(*[wait_for_the_others] * together) as server,
        sending_to(server.url, resources, seconds=30) as ours,
    ):
        results = await asyncio.gather(*(send(ours) for _ in range(together)))
    assert all(isinstance(result, Accepted) for result in results)


@pytest.mark.parametrize("answer", [reply(b'{"success":true}'), reply(REFUSED, 400), hang_up])
async def test_a_read_mark_that_fails_disturbs_nobody(resources: Resources, answer: Reply) -> None:
    async with serving(answer) as server, sending_to(server.url, resources) as ours:
        await mark_read(ours, "100000000000001", "secret-token", {"status": "read"})
    assert len(server.requests) == 1


def _self_signed(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(folder, "127.0.0.1"))
    return context
