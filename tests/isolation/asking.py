"""Asks the application as raw ASGI: what no client library would send, and a look into streams."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import FastAPI

ORIGIN = "http://testserver"
# A stream's first words come with its headers or not at all.
_LISTEN_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What came back; of a stream, its first piece."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key == name)

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's code, when it is one."""
        told = self.header("content-type") == "application/problem+json"
        return str(self.json()["code"]) if told else None


async def ask(
    app: FastAPI,
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    json_body: Any = None,
    host: str = "127.0.0.1",
) -> Answer:
    """One request. Header values go out as they are, with line ends in them if there are any."""
    given = {"host": "testserver", **{name.lower(): v for name, v in (headers or {}).items()}}
    if json_body is not None:
        body = json.dumps(json_body).encode()
        given.setdefault("content-type", "application/json")
    if body is not None:
        given.setdefault("content-length", str(len(body)))
    heard = [{"type": "http.request", "body": body or b"", "more_body": False}]
    left = asyncio.Event()
    status, sent_headers, pieces = 0, [], []
    streams = False

    async def receive() -> Any:
        if heard:
            return heard.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, streams
        if message["type"] == "http.response.start":
            status = message["status"]
            sent_headers.extend(message["headers"])
            streams = (b"content-type", b"text/event-stream; charset=utf-8") in sent_headers
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if streams or not message.get("more_body", False):
                left.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path, safe="/%").encode(),
        "root_path": "",
        "query_string": urlencode(query or {}, doseq=True).encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": (host, 50_000),
        "server": ("testserver", 80),
    }
    async with asyncio.timeout(_LISTEN_SECONDS):
        await app(scope, receive, send)
    decoded = [(name.decode().lower(), value.decode("latin-1")) for name, value in sent_headers]
    return Answer(status, decoded, b"".join(pieces))
