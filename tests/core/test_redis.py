"""Redis connections between their uses."""

import asyncio
import re
import socket
import struct
from typing import Any

import pytest
from pydantic import SecretStr

from frontdesk.core.redis import connect
from frontdesk.core.settings import RedisSettings


@pytest.mark.parametrize("ends", ["closes", "resets"])
async def test_a_connection_that_its_server_gave_up_is_made_anew(ends: str) -> None:
    served: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        while asked := await reader.read(1_000):
            for word in re.findall(rb"PING|GET|SETINFO", asked):
                writer.write({b"PING": b"+PONG\r\n", b"GET": b"$1\r\n1\r\n"}.get(word, b"+OK\r\n"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis = connect(RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}/0")))
    assert await redis.get("x") == b"1"
    transport: Any = served[0].transport
    if ends == "resets":
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()  # Without a word; by default the other end hears that there is no more.
    await asyncio.sleep(0.05)
    assert await redis.get("x") == b"1"
    assert len(served) == 2
    await redis.connection_pool.disconnect()
    for writer in served:
        writer.close()
    server.close()
