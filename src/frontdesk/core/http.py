"""One HTTP client per process, for the hosts we choose ourselves."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import certifi

if TYPE_CHECKING:
    import aiohttp

_CONNECT_SECONDS = 5
# More than a worker has under way at once, so that a send never waits for another to end.
_MAX_CONNECTIONS = 500
# Soon enough that a server hardly ever closes a connection just as we use it again.
_IDLE_SECONDS = 5
_MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """What a host answered; of a body that is far too long, only the beginning."""

    status: int
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether its status says so; a redirect's does not."""
        return 200 <= self.status < 300


class NotConnected(Exception):
    """No connection came about: nothing of the request has left us."""


class NoAnswer(Exception):
    """No whole answer came: the request may have arrived or not."""


class HttpClient:
    """Posts JSON over connections it keeps, each request at most once.

    A web process posts nothing, so aiohttp is imported only with the first request: in a worker
    LiteLLM has loaded it by then.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, *, token: str, timeout_seconds: float) -> Answer:
        """Post once and return the answer, whatever its status. Redirects are not followed.

        aiohttp repeats a request by itself when a kept connection turns out to be closed, but only
        one with an idempotent method: never a POST.

        Args:
            timeout_seconds: for all of it, from connecting to the last byte of the answer.

        Raises:
            NotConnected: the host can't be reached, or can't prove who it is.
            NoAnswer: the connection broke, the time was over, or what came is not HTTP.
        """
        import aiohttp

        session = self._session or self._open()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                return Answer(response.status, await _read(response))
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            raise NotConnected(type(error).__name__) from error
        # ValueError: a token that can't stand in a header.
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_MAX_CONNECTIONS,
                keepalive_timeout=_IDLE_SECONDS,
                ssl=ssl.create_default_context(cafile=certifi.where()),
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
            headers={"User-Agent": "frontdesk/0.1", "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


async def _read(response: "aiohttp.ClientResponse") -> bytes:
    """The body, or the beginning of one that nobody we know would send; its connection is closed."""
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > _MAX_ANSWER_BYTES:
            break
    return body
