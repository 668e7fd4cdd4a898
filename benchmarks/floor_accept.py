"""The floor of the accept rows: raw ASGI, one HMAC, one INSERT, and nothing a product needs."""

import gc
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import asyncpg
import uvicorn

Message = MutableMapping[str, Any]

SCHEMA = """
CREATE TABLE raw_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
"""
_INSERT = "INSERT INTO raw_event (body) VALUES ($1)"


async def keep_as_it_is(connection: Any) -> None:
    """Stand in for asyncpg's reset query, which costs a fifth of the rate."""


class Accept:
    """The application. Its pool has a connection for every request in flight."""

    def __init__(self, dsn: str, secret: bytes, connections: int) -> None:
        self._dsn, self._secret, self._connections = dsn, secret, connections
        self._pool: asyncpg.Pool[asyncpg.Record]

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        given = next((v for k, v in scope["headers"] if k == b"x-hub-signature-256"), b"")
        expected = hmac.new(self._secret, body, hashlib.sha256).hexdigest().encode()
        status = 401
        if hmac.compare_digest(given, b"sha256=" + expected):
            await self._pool.execute(_INSERT, body)
            status = 200
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _live(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(
            self._dsn, min_size=self._connections, max_size=self._connections, reset=keep_as_it_is
        )
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    """Serve on the port in the environment until told to stop."""
    app = Accept(
        os.environ["FLOOR_DSN"],
        os.environ["FLOOR_SECRET"].encode(),
        int(os.environ["FLOOR_CONNECTIONS"]),
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["FLOOR_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        timeout_keep_alive=75,  # As Frontdesk's: who is not at turn loses no connection.
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
