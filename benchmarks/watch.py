"""The dashboards of the feed rows: open streams, and when an event has reached each of them.

One epoll loop over bare sockets, so that noticing an event costs next to nothing. It answers each
question on standard input with a line of JSON on standard output.
"""

import select
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import orjson
import redis

# So many connections are opened at once, as after a deployment, not all.
_AT_ONCE = 50
_PATIENCE_SECONDS = 30.0
_HELLO = b"event: hello"
_READ_BYTES = 1 << 16


class Crowd:
    """The streams open to one server; they end with the process."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._streams: dict[int, socket.socket] = {}
        self._unread: dict[int, bytes] = {}

    def open(self, url: str, cookie: str, streams: int) -> dict[str, Any]:
        """Open more, until there are so many and each has been greeted."""
        parts = urlsplit(url)
        request = (
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n"
            f"Cookie: {cookie}\r\n\r\n"
        ).encode()
        while len(self._streams) < streams:
            fresh = set()
            for _ in range(min(_AT_ONCE, streams - len(self._streams))):
                stream = socket.create_connection((parts.hostname, parts.port))
                stream.sendall(request)
                stream.setblocking(False)
                self._streams[stream.fileno()] = stream
                self._epoll.register(stream, select.EPOLLIN)
                fresh.add(stream.fileno())
            self._wait(_HELLO, fresh)
        return {}

    def tell(self, redis_url: str, channel: str, message: str, marker: str) -> dict[str, Any]:
        """Announce an event in Redis; the seconds until each stream had brought the marker."""
        with redis.Redis.from_url(redis_url) as client:
            client.ping()
            began = time.perf_counter()
            client.publish(channel, message)
            reached = self._wait(marker.encode(), set(self._streams))
        return {"took": [at - began for at in reached]}

    def _wait(self, marker: bytes, missing: set[int]) -> list[float]:
        """Read until each of these streams has brought the marker; when each did."""
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        reached = []
        while missing:
            ready = self._epoll.poll(give_up_at - time.monotonic(), len(self._streams))
            if not ready:
                instead = self._unread.get(next(iter(missing)), b"")[:200]
                raise TimeoutError(
                    f"{len(missing)} streams did not get {marker.decode()} but: {instead!r}"
                )
            for fd, _ in ready:
                data = self._streams[fd].recv(_READ_BYTES)
                if not data:
                    raise ConnectionError(f"a stream ended: {self._unread.get(fd, b'')[:200]!r}")
                unread = self._unread.get(fd, b"") + data
                if fd in missing and marker in unread:
                    reached.append(time.perf_counter())
                    missing.discard(fd)
                    unread = b""
                self._unread[fd] = unread[-_READ_BYTES:]
        return reached


def main() -> None:
    """Answer questions until standard input ends; `do` names what."""
    crowd = Crowd()
    for line in sys.stdin:
        question = orjson.loads(line)
        try:
            told = getattr(crowd, question.pop("do"))(**question)
        except (OSError, redis.RedisError) as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        print(orjson.dumps(told).decode(), flush=True)


if __name__ == "__main__":
    main()
