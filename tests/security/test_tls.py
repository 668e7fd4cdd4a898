"""Postgres and Redis over TLS: only with a server that proves it is the one named."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisDown
from tests.certificates import self_signed
from tests.core.test_settings_secrets import values

from frontdesk.core.db import Database
from frontdesk.core.errors import Unavailable
from frontdesk.core.ids import NIL
from frontdesk.core.redis import connect
from frontdesk.core.settings import SettingsError, load_settings

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            pass  # The client has hung up.
        finally:
            writer.close()

    async with await asyncio.start_server(once, "127.0.0.1", 0, ssl=tls) as listening:
        yield listening.sockets[0].getsockname()[1]


def _server_side(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize("made_for", ["localhost", "elsewhere.example", "nobody"])
async def test_postgres_gets_a_password_only_after_it_has_proved_who_it_is(
    tmp_path: Path, made_for: str
) -> None:
    ours = self_signed(tmp_path, "localhost")
    theirs = ours if made_for == "localhost" else self_signed(tmp_path, made_for)
    trusted = ours if made_for == "nobody" else theirs
    heard: list[bytes] = []

    async def postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "asks for TLS"
        writer.write(b"S")
        await writer.start_tls(_server_side(theirs))
        heard.append(await reader.read(500))

    async with _serving(postgres) as port:
        url = f"postgresql://frontdesk_app:s3cret@localhost:{port}/frontdesk"
        given = values(database__url=f"{url}?sslmode=verify-full&sslrootcert={trusted}")
        given["database"]["pool_timeout_seconds"] = 20
        database = Database(load_settings(None, **given).database, {})
        await database.open()
        for door in (database.transaction(NIL), database.hot(NIL), database.system()):
            with pytest.raises((Unavailable, ssl.SSLError, OSError)):
                async with door:
                    pass
        await database.close()
    if made_for == "localhost":
        assert len(heard) == 3
        assert all(b"frontdesk_" in packet for packet in heard)
    else:
        assert not any(heard)


@pytest.mark.parametrize("made_for", ["localhost", "elsewhere.example", "nobody"])
async def test_redis_gets_a_password_only_after_it_has_proved_who_it_is(
    tmp_path: Path, made_for: str
) -> None:
    ours = self_signed(tmp_path, "localhost")
    theirs = ours if made_for == "localhost" else self_signed(tmp_path, made_for)
    heard: list[bytes] = []

    async def redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while packet := await reader.read(500):
            heard.append(packet)
            writer.write(b"+OK\r\n" * packet.count(b"*"))

    async with _serving(redis, _server_side(theirs)) as port:
        given: dict[str, Any] = values(redis__url=f"rediss://:an0ther@localhost:{port}/0")
        given["redis"]["ca_file"] = str(ours if made_for == "nobody" else theirs)
        client = connect(load_settings(None, **given).redis)
        if made_for == "localhost":
            await client.execute_command("ECHO", "x")
            assert b"an0ther" in b"".join(heard)
        else:
            with pytest.raises(RedisDown):
                await client.execute_command("ECHO", "x")
            assert heard == []
        await client.aclose(close_connection_pool=True)


@pytest.mark.parametrize("mode", ["require", "prefer", "allow", "verify-ca"])
def test_tls_with_whoever_answers_is_refused(mode: str) -> None:
    url = f"postgresql://frontdesk_app:s3cret@db.example/frontdesk?sslmode={mode}"
    with pytest.raises(SettingsError, match="verify-full"):
        load_settings(None, **values(database__url=url))
