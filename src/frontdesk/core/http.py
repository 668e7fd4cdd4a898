"""One HTTP client per process: for the hosts we choose ourselves, and for those that others name.

What a customer or a tenant gives us as an address is asked for with `fetch_public` and nothing else:
it reaches the public internet only, never a machine beside us.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, BinaryIO

import certifi

from frontdesk.core.addresses import Address, is_loopback, is_public

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_CONNECT_SECONDS = 5
# More than a worker has under way at once, so that a send never waits for another to end.
_MAX_CONNECTIONS = 500
# Soon enough that a server hardly ever closes a connection just as we use it again.
_IDLE_SECONDS = 5
_MAX_ANSWER_BYTES = 64 * 1024
_PIECE_BYTES = 256 * 1024
_USER_AGENT = "frontdesk/0.1"
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = frozenset({80, 443})
_MAX_URL_CHARACTERS = 2_000

# The addresses of a host name, which may be a number in any of its spellings.
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


@dataclass(frozen=True)
class Answer:
    """What a host answered; of a body that is far too long, only the beginning."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name, in any case."""

    @property
    def is_success(self) -> bool:
        """Whether its status says so; a redirect's does not."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class FormPart:
    """A field of a form, or a file when it has a name of its own."""

    name: str
    content: str | BinaryIO
    filename: str | None = None
    mime_type: str = "text/plain"


class NotConnected(Exception):
    """No connection came about: nothing of the request has left us."""


class NoAnswer(Exception):
    """No whole answer came: the request may have arrived or not."""


@dataclass(frozen=True)
class Fetched:
    """What a public address answered."""

    url: str
    """Where it was found in the end, after redirects."""
    status: int
    content_type: str
    """Lower case, without parameters; empty when the answer names none."""
    headers: Mapping[str, str]
    """By lower-case name."""
    content: bytes
    """Decompressed; empty for an error that comes in a type that was not asked for."""

    @property
    def is_success(self) -> bool:
        """Whether its status says so."""
        return 200 <= self.status < 300


class FetchRefused(Exception):
    """We do not ask this address, or do not take its answer; the message tells a person why."""


async def resolve_host(host: str, port: int) -> list[Address]:
    """The addresses of a host, as this machine's resolver knows them.

    Raises:
        OSError: it knows none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(where[0]) for *_, where in found]


class HttpClient:
    """Asks over connections it keeps, each request at most once, and fetches public addresses.

    A web process asks nobody, so aiohttp is imported only with the first request: in a worker
    LiteLLM has loaded it by then.

    Args:
        allow_loopback: let `fetch_public` reach this machine too, on any port (development only).
        resolve: how it finds a host's addresses.
        most_connections: at once, to the hosts we choose ourselves.
        idle_seconds: how long a connection is kept for another request.
    """

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        resolve: Resolve = resolve_host,
        most_connections: int = _MAX_CONNECTIONS,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._allow_loopback = allow_loopback
        self._resolve = resolve
        self._most_connections = most_connections
        self._idle_seconds = idle_seconds

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
        headers = {"Authorization": f"Bearer {token}"}
        return await self.request(
            "POST", url, timeout_seconds=timeout_seconds, data=body, headers=headers
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        timeout_seconds: float,
        most_bytes: int = _MAX_ANSWER_BYTES,
        **how: Any,
    ) -> Answer:
        """The same for any method; `how` as aiohttp takes it: `headers`, `params`, `data`; or a
        `form`, whose parts are sent as multipart."""
        if form := how.pop("form", ()):
            how["data"] = data = _multipart(form)
            how["headers"] = {**how.get("headers", {}), "Content-Type": data.content_type}
        async with self._asked(method, url, timeout_seconds, **how) as response:
            return Answer(response.status, await _read(response, most_bytes), response.headers)

    @asynccontextmanager
    async def _asked(
        self, method: str, url: str, timeout_seconds: float, **how: Any
    ) -> AsyncIterator["aiohttp.ClientResponse"]:
        """The answer to a request while it is read; whatever breaks is an error of ours."""
        import aiohttp

        session = self._session or self._open()
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                session.request(method, url, allow_redirects=False, **how) as response,
            ):
                yield response
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            raise NotConnected(type(error).__name__) from error
        # ValueError: a token that can't stand in a header.
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error

    async def download(
        self,
        url: str,
        into: BinaryIO,
        *,
        token: str,
        most_bytes: int,
        timeout_seconds: float,
    ) -> int:
        """Write what a host we chose answers into a file; its HTTP status.

        What is no success is not written. Redirects are not followed: the token is for this host.

        Raises:
            FetchRefused: it is larger than `most_bytes`.
            NotConnected, NoAnswer: as `post`; the file then holds a beginning.
        """
        async with self._asked(
            "GET", url, timeout_seconds, headers={"Authorization": f"Bearer {token}"}
        ) as response:
            if 200 <= response.status < 300:
                size = 0
                async for part in response.content.iter_chunked(_PIECE_BYTES):
                    size += len(part)
                    if size > most_bytes:
                        raise FetchRefused(f"It is larger than {most_bytes} bytes.")
                    await asyncio.to_thread(into.write, part)
            status: int = response.status
            return status

    async def fetch_public(
        self,
        url: str,
        *,
        content_types: Collection[str],
        max_bytes: int,
        timeout_seconds: float,
        cuts_off: bool = False,
        hosts: Collection[str] | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Fetched:
        """Ask an address somebody else gave us, and read the whole answer.

        The host is looked up once per request and the connection goes to what was found then, so
        that a name can't point elsewhere after it was checked. A GET follows at most three
        redirects, each checked like the first; what else is redirected comes back as it is. Nothing
        is sent along that was not given here: no cookies, no proxy's credentials.

        Args:
            content_types: lower-case media types that are read, like `text/html`.
            max_bytes: of the content after decompression.
            cuts_off: of a longer answer so much is read, instead of none.
            timeout_seconds: for all of it, from the first look-up to the last byte.
            hosts: if given, only these, by their exact lower-case names; redirects too.
            headers: not sent along to where a redirect leads on another origin.

        Raises:
            FetchRefused: the address is none for us, or the answer too long or of another type;
                asking again changes nothing.
            NotConnected: the host can't be found or reached, or can't prove who it is.
            NoAnswer: the connection broke, the time was over, or what came is not HTTP.
        """
        from yarl import URL

        try:
            target = URL(url)
        except ValueError:
            raise FetchRefused("That is no address.") from None
        try:
            async with asyncio.timeout(timeout_seconds):
                for _ in range(_MAX_REDIRECTS + 1):
                    addresses = await self._checked(target, hosts)
                    answer = await self._ask(
                        target,
                        addresses,
                        content_types,
                        max_bytes,
                        cuts_off=cuts_off,
                        method=method,
                        headers=dict(headers or {}),
                        data=body,
                    )
                    if isinstance(answer, Fetched):
                        return answer
                    if (answer.scheme, answer.authority) != (target.scheme, target.authority):
                        headers = None
                    target = answer
        except TimeoutError as error:
            raise NoAnswer("TimeoutError") from error
        raise FetchRefused(f"It redirects more than {_MAX_REDIRECTS} times.")

    async def _checked(self, url: "URL", hosts: Collection[str] | None) -> Sequence[Address]:
        """The addresses of a URL's host, all of which we may connect to."""
        host, port = url.raw_host, url.port
        if url.scheme not in ("http", "https") or not host or not port:
            raise FetchRefused("The address must begin with https:// or http://.")
        if len(str(url)) > _MAX_URL_CHARACTERS:
            raise FetchRefused("The address is too long.")
        if url.user is not None or url.password is not None:
            raise FetchRefused("The address must not hold a user name or a password.")
        if hosts is not None and host not in hosts:
            raise FetchRefused(f"{host} is not among the hosts that may be asked.")
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotConnected(f"{host} can't be found.") from error
        local = self._allow_loopback and bool(addresses) and all(map(is_loopback, addresses))
        if not local and not all(map(is_public, addresses)):
            raise FetchRefused(f"{host} is not on the public internet.")
        if not local and port not in _PORTS:
            raise FetchRefused("The address must be on port 80 or 443.")
        return addresses

    async def _ask(
        self,
        url: "URL",
        addresses: Sequence[Address],
        content_types: Collection[str],
        max_bytes: int,
        *,
        cuts_off: bool,
        **request: Any,
    ) -> "Fetched | URL":
        """The answer to one request, or where it redirects to."""
        import aiohttp
        from yarl import URL

        connector = aiohttp.TCPConnector(
            resolver=_pinned(addresses), use_dns_cache=False, force_close=True, ssl=_tls()
        )
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
                    headers={"User-Agent": _USER_AGENT, "Accept": ", ".join(content_types)},
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                ) as session,
                session.request(url=url, allow_redirects=False, **request) as response,
            ):
                where = response.headers.get("Location")
                if request["method"] == "GET" and response.status in _REDIRECTS and where:
                    return url.join(URL(where))
                content_type = response.headers.get("Content-Type", "").partition(";")[0]
                fetched = Fetched(
                    url=str(url),
                    status=response.status,
                    content_type=content_type.strip().lower(),
                    headers={name.lower(): value for name, value in response.headers.items()},
                    content=b"",
                )
                if fetched.content_type not in content_types:
                    if fetched.is_success:
                        raise FetchRefused(f"It answers with {fetched.content_type or 'no type'}.")
                    return fetched
                content = await _read(response, max_bytes)
                if len(content) > max_bytes and not cuts_off:
                    raise FetchRefused(f"It is larger than {max_bytes} bytes.")
                return replace(fetched, content=content[:max_bytes])
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotConnected(f"{url.host} can't be reached.") from error
        # ValueError: a header that can't be sent, or a redirect to what is no address.
        except (aiohttp.ClientError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close all connections; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._most_connections,
                keepalive_timeout=self._idle_seconds,
                ssl=_tls(),
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
            headers={"User-Agent": _USER_AGENT, "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


@cache
def _tls() -> ssl.SSLContext:
    """By which hosts prove who they are; read once a process, as that takes 20 ms."""
    return ssl.create_default_context(cafile=certifi.where())


def _multipart(parts: Collection[FormPart]) -> "aiohttp.MultipartWriter":
    import aiohttp

    writer = aiohttp.MultipartWriter("form-data")
    for part in parts:
        payload = writer.append(part.content, {"Content-Type": part.mime_type})
        named: dict[str, Any] = {"filename": part.filename} if part.filename else {}
        payload.set_content_disposition("form-data", name=part.name, **named)
    return writer


def _pinned(addresses: Sequence[Address]) -> "aiohttp.abc.AbstractResolver":
    """A resolver that knows these addresses and no other.

    aiohttp asks none for a host written as a number: that one can't change its mind.
    """
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Pinned(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            """Nothing is open."""

    return Pinned()


async def _read(response: "aiohttp.ClientResponse", most_bytes: int) -> bytes:
    """The body, or a little more than the most of one that is longer; its connection is closed."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > most_bytes:
            break
    return bytes(body)
