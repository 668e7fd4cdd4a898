"""Addresses that others name reach the public internet and nothing beside us."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from frontdesk.core.addresses import Address, is_public
from frontdesk.core.http import Fetched, FetchRefused, HttpClient, NoAnswer, NotConnected

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::5db8:d70e", True),  # NAT64 of a public address: all that an IPv6-only host sees.
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("172.31.0.1", False),
        ("192.0.2.1", False),
        ("192.168.0.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2002:a9fe:a9fe::1", False),
        ("2001:0:7f00:1::5db8:d70e", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
    ],
)
def test_only_the_public_internet_is_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


class Names:
    """A resolver that knows what a test tells it, and how often it was asked."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        found = host if host[0].isdigit() else self.known.get(host.partition(".")[0])
        if found is None:
            raise OSError("no such host")
        return [ip_address(one) for one in found.split()]


class Site:
    """A server on loopback that answers what it is told to, by path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.port = 0

    def page(self, path: str, body: bytes, *headers: str, status: int = 200) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        self.pages[path] = "\r\n".join(lines).encode() + body

    def url(self, path: str, host: str = "shop.example") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        writer.write(self.pages[head.split()[1]])
        await writer.drain()
        # What was only begun stays so until the other side gives up.
        await reader.read()
        writer.close()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


async def fetch(url: str, names: Names, loopback: bool = True, **changes: Any) -> Fetched:
    client = HttpClient(allow_loopback=loopback, resolve=names)
    how: dict[str, Any] = {
        "content_types": ("text/html", "application/json"),
        "max_bytes": 10_000,
        "timeout_seconds": 5,
    }
    return await client.fetch_public(url, **{**how, **changes})


HTML = "Content-Type: text/html; charset=utf-8"


async def test_a_page_is_read_from_the_address_that_was_checked() -> None:
    names = Names(shop="127.0.0.1")
    async with site() as there:
        there.page("/", gzip.compress(b"<p>Hello"), HTML, "Content-Encoding: gzip", "ETag: x")
        page = await fetch(there.url("/"), names, headers={"If-None-Match": "w"})
        assert (page.content, page.content_type, page.headers["etag"]) == (
            b"<p>Hello",
            "text/html",
            "x",
        )
        # Looked up once, whatever it would say the next time; and asked for by its name.
        assert names.asked == ["shop.example"]
        [asked] = there.asked
        assert f"Host: shop.example:{there.port}\r\n" in asked
        assert "If-None-Match: w" in asked
        assert "ookie" not in asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "①②⑦.⓪.⓪.①",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "2852039166",
    ],
)
async def test_no_spelling_of_an_inner_address_is_asked(host: str) -> None:
    async with site() as there:
        # With this machine's own resolver, and the port that a deployment may not use anyway.
        client = HttpClient()
        for port in (there.port, 80):
            with pytest.raises(FetchRefused, match="not on the public internet"):
                await client.fetch_public(
                    f"http://{host}:{port}/",
                    content_types=("text/html",),
                    max_bytes=10,
                    timeout_seconds=5,
                )
        assert there.asked == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://shop.example/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("//shop.example/", "https://"),
        ("nothing at all", "https://"),
        ("http://[", "no address"),
        ("http://shop.example:99999/", "no address"),
        ("http://a:b@shop.example/", "password"),
        ("http://shop.example:8080/", "port 80 or 443"),
        ("http://inside.example/", "public internet"),
        ("http://both.example/", "public internet"),
        ("http://shop.example/" + "a" * 2_000, "too long"),
    ],
)
async def test_an_address_is_refused_in_words(url: str, why: str) -> None:
    names = Names(shop="93.184.215.14", inside="10.0.0.5", both="93.184.215.14 10.0.0.5")
    with pytest.raises(FetchRefused, match=why):
        await fetch(url, names, loopback=False)


async def test_a_name_that_is_not_known_or_does_not_answer_is_not_connected() -> None:
    with pytest.raises(NotConnected):
        await fetch("https://nowhere.example/", Names())
    with pytest.raises(NotConnected):
        await fetch("http://shop.example:1/", Names(shop="127.0.0.1"))


async def test_every_redirect_is_checked_like_the_first_address() -> None:
    names = Names(shop="127.0.0.1", other="127.0.0.1", inside="10.0.0.5")
    secret = {"Authorization": "Bearer of-the-tool"}
    async with site() as there:
        there.page("/found", b"ok", HTML)
        there.page("/1", b"", "Location: /found", status=302)
        there.page("/2", b"", "Location: /1", status=307)
        there.page("/3", b"", f"Location: {there.url('/2', 'other.example')}", status=301)
        there.page("/4", b"", "Location: /3", status=308)
        there.page("/inside", b"", "Location: http://inside.example/", status=302)
        there.page("/metadata", b"", "Location: http://169.254.169.254/", status=302)
        there.page("/file", b"", "Location: file:///etc/passwd", status=302)
        page = await fetch(there.url("/3"), names, headers=secret)
        assert (page.content, page.url) == (b"ok", there.url("/found", "other.example"))
        # A secret is for the host it was given for.
        assert ["of-the-tool" in asked for asked in there.asked] == [True, False, False, False]
        for path, why in (
            ("/4", "redirects more than 3 times"),
            ("/inside", "public internet"),
            ("/metadata", "public internet"),
            ("/file", "https://"),
        ):
            with pytest.raises(FetchRefused, match=why):
                await fetch(there.url(path), names)
        with pytest.raises(FetchRefused, match="is not among the hosts"):
            await fetch(there.url("/3"), names, hosts={"shop.example"})
        # What changes something goes where it was sent, and nowhere else.
        there.asked.clear()
        moved = await fetch(there.url("/1"), names, method="POST", body=b"{}")
        assert (moved.status, len(there.asked)) == (302, 1)


async def test_too_much_too_slow_or_of_another_type_is_not_taken() -> None:
    names = Names(shop="127.0.0.1")
    async with site() as there:
        there.page("/long", b"a" * 10_001, HTML)
        there.page("/bomb", gzip.compress(bytes(50_000_000)), HTML, "Content-Encoding: gzip")
        there.page("/image", b"GIF89a", "Content-Type: image/gif")
        there.page("/untold", b"?")
        there.page("/gone", b"<p>gone", "Content-Type: image/gif", status=404)
        there.page("/wrong", b'{"error":1}', "Content-Type: application/json", status=400)
        there.pages["/slow"] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>"
        there.pages["/odd"] = b"SSH-2.0-OpenSSH\r\n\r\n"
        for path, why in (
            ("/long", "larger than 10000"),
            ("/bomb", "larger than 10000"),
            ("/image", "image/gif"),
            ("/untold", "no type"),
        ):
            with pytest.raises(FetchRefused, match=why):
                await fetch(there.url(path), names)
        gone = await fetch(there.url("/gone"), names)
        assert (gone.status, gone.is_success, gone.content) == (404, False, b"")
        assert (await fetch(there.url("/wrong"), names)).content == b'{"error":1}'
        for path in ("/slow", "/odd"):
            with pytest.raises(NoAnswer):
                await fetch(there.url(path), names, timeout_seconds=0.2)
