"""Redis: one way to make a client, and one way to listen. Nothing here is the record of anything."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import structlog
from arq import ArqRedis
from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio.connection import Connection as RedisConnection
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.settings import RedisSettings

log = structlog.get_logger(__name__)

# What a Redis that is down, frozen or gone raises; nothing of ours may fail because of it.
REDIS_DOWN = (RedisError, OSError, TimeoutError)


class _Plain:
    """Sends and looks as redis-py does, in fewer steps."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Send within the socket's timeout, or close the connection.

        redis-py sends in a task of its own, by `asyncio.wait_for`, which before Python 3.12 forgets a
        cancellation that comes while the send ends: a worker went on listening for ever after
        SIGTERM. It also costs more than the command.

        Raises:
            ConnectionError, TimeoutError: redis-py's; what was sent may have arrived.
        """
        it: Any = self  # The connection this is mixed into.
        if isinstance(command, str):
            command = command.encode()
        if not it.is_connected:
            await it.connect()
        elif check_health:
            await it.check_health()
        try:
            it._writer.writelines([command] if isinstance(command, bytes) else command)
            async with asyncio.timeout(it.socket_timeout):
                await it._writer.drain()
        except BaseException as error:
            # Of a command half sent, or whose answer nobody waits for, the next would suffer.
            await it.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeout("Timeout writing to socket") from None
            if isinstance(error, OSError):
                raise RedisGone(f"{error} while writing to socket.") from error
            raise

    async def can_read_destructive(self) -> bool:
        """Whether the other end has closed or reset it. Asked each time a connection is taken to be used.

        redis-py tries to read, and cancels that, for a third of what a command costs; but what was
        left unread closes the connection anyway.
        """
        reader: asyncio.StreamReader | None = self._reader  # type: ignore[attr-defined]  # The mixed-in one's.
        return reader is not None and (reader.at_eof() or reader.exception() is not None)


class _Connection(_Plain, RedisConnection):
    pass


class _TlsConnection(_Plain, SSLConnection):
    pass


def connect(settings: RedisSettings, *, max_connections: int = 50) -> ArqRedis:
    """A client with timeouts on every socket, which speaks JSON to arq. Connects on first use."""
    parts = urlsplit(settings.url.get_secret_value())
    how: dict[str, Any] = {"connection_class": _Connection}
    if parts.scheme == "rediss":
        # redis-py checks the certificate by default, and not for whom it was made.
        how = {
            "connection_class": _TlsConnection,
            "ssl_check_hostname": True,
            "ssl_ca_certs": settings.ca_file or certifi.where(),
        }
    pool = BlockingConnectionPool(
        **how,
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        db=int(parts.path.strip("/") or 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        max_connections=max_connections,
        timeout=max(1, round(settings.socket_timeout_seconds)),
        socket_timeout=settings.socket_timeout_seconds,
        socket_connect_timeout=settings.socket_timeout_seconds,
        health_check_interval=15,
    )
    return ArqRedis(
        pool,
        job_serializer=dumps_bytes,
        job_deserializer=loads,
        expires_extra_ms=60_000,
    )


async def listen(
    redis: ArqRedis, channel: str, *, idle_seconds: float = 1
) -> AsyncGenerator[bytes | None, None]:
    """Messages of a pub/sub channel, for ever; `b""` when some may be missed, None when it was idle.

    Pub/sub loses messages while the connection is down, so the empty message, after each
    (re)connecting, says "look for yourself". A Redis that is down is tried again each second; one
    that is frozen looks idle.
    """
    while True:
        pubsub = redis.pubsub()
        try:
            await pubsub.subscribe(channel)
            while True:
                message = await pubsub.get_message(timeout=idle_seconds)
                if message is None:
                    yield None
                else:
                    # redis-py also connects again by itself, and subscribes: that it says so is
                    # the only sign.
                    yield message["data"] if message["type"] == "message" else b""
        except REDIS_DOWN as error:
            log.warning("redis_listen_failed", channel=channel, error=type(error).__name__)
            yield b""
            await asyncio.sleep(1)
        finally:
            with suppress(*REDIS_DOWN):
                await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped.
