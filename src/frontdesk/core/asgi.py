"""The edge: what holds for every request before a route sees it, as one plain ASGI middleware.

Not Starlette's `BaseHTTPMiddleware`: that one buffers between tasks and breaks streams. Webhook
paths pass with a request id and a count only; they check themselves, and are the busiest.
"""

import re
import time
from collections.abc import Callable, Container, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontdesk.core import ids
from frontdesk.core.api import problem_response
from frontdesk.core.callers import ANSWER_HEADERS, ASKED_AT, REQUEST_ID
from frontdesk.core.errors import Forbidden, FrontdeskError, TooLarge, UnsupportedMediaType
from frontdesk.core.tracing import annotate, fail, root_span

log = structlog.get_logger(__name__)

Headers = list[tuple[bytes, bytes]]

_GOOD_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_KNOWN_METHODS = _SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
_JSON = re.compile(rb"application/(json|[\w.-]+\+json)\s*(;.*)?", re.IGNORECASE)
_NOTHING_LOADS = b"default-src 'none'; frame-ancestors 'none'"
# FastAPI's docs page is an inline script and style around files of this CDN.
_DOCS_LOAD = (
    b"default-src 'none'; frame-ancestors 'none'; connect-src 'self'; "
    b"script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"img-src data: https://fastapi.tiangolo.com"
)


class CrossSiteRequest(Forbidden):
    """The request comes from another site's page, or does not say where it comes from."""

    code, title = "cross_site_request", "The request comes from another site"


def check_origin(
    method: str,
    sec_fetch_site: str | None,
    origin: str | None,
    ours: str,
    allowed: Container[str] = (),
) -> None:
    """Refuse a request that another site may have made with our cookie.

    A browser's `Sec-Fetch-Site` decides where it is sent, since pages can't set it; else `Origin`
    does. Reading needs neither, changing something needs one of them.

    Args:
        ours: the origin of this deployment, `scheme://host[:port]`.
        allowed: other origins whose pages may do what ours may.

    Raises:
        CrossSiteRequest: another site made it, or it would change something and does not say.
    """
    reads = method in _SAFE_METHODS
    if origin is not None and origin in allowed:
        fine = True
    elif sec_fetch_site is not None:
        # "none" is someone typing the address, which can only read.
        fine = sec_fetch_site == "same-origin" or (reads and sec_fetch_site == "none")
    elif origin is not None:
        fine = origin == ours
    else:
        fine = reads
    if not fine:
        raise CrossSiteRequest(f"Unsafe requests must come from {ours}.")


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it: lower case, without the default port."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port and parts.port != usual else ""
    return f"{parts.scheme}://{host}{port}"


class Edge:
    """Gives every request an id, its answer safe headers, and keeps out what no route should see.

    Args:
        public_url: how browsers reach this deployment.
        allowed_origins: origins of other sites whose pages may use the API as our own may.
        json_body_bytes: the largest body of a route under `/api` and `/v1`.
        file_paths: paths under `/api` that take multipart; they check type and size themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        public_url: str,
        allowed_origins: Iterable[str] = (),
        json_body_bytes: int,
        file_paths: re.Pattern[str] | None = None,
    ) -> None:
        self._app = app
        self._origin = origin_of(public_url)
        self._allowed = frozenset(allowed_origins)
        self._json_body_bytes = json_body_bytes
        self._file_paths = file_paths
        always: Headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
            # No page of another site may load an answer as its picture or script, nor hold our window.
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            # For browsers too old for `frame-ancestors`.
            (b"x-frame-options", b"DENY"),
        ]
        if self._origin.startswith("https:"):
            always.append((b"strict-transport-security", b"max-age=31536000"))
        self._page_headers = [*always, (b"content-security-policy", _NOTHING_LOADS)]
        self._api_headers = [*self._page_headers, (b"cache-control", b"no-store")]
        self._docs_headers = [*always, (b"content-security-policy", _DOCS_LOAD)]
        self._counts: dict[tuple[str, str, int], Counter] = {}
        self._times: dict[str, Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of connection pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        path: str = scope["path"]
        given_id = _given_request_id(scope)
        request_id = given_id or ids.new().hex
        scope[REQUEST_ID] = request_id
        scope[ASKED_AT] = datetime.now(UTC)
        pending: Headers = []
        scope[ANSWER_HEADERS] = pending
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        defaults = [(b"x-request-id", request_id.encode()), *self._headers_for(path)]
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), defaults, pending)
                self._count(scope, status, time.perf_counter() - started)
                _describe(span, scope, status)
            await send(message)

        # Whoever asks names the request, but not the trace: its id decides which traces are kept.
        own_id = request_id if given_id is None else None
        with root_span(scope["method"], trace_id=own_id, kind=SpanKind.SERVER) as span:
            annotate(request_id=given_id)
            await self._answer(scope, receive, answer, request_id, lambda: status)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        answer: Send,
        request_id: str,
        begun_with: Callable[[], int],
    ) -> None:
        """Let the application answer; what it raises becomes an answer of ours.

        Args:
            begun_with: the status of the answer that is out already, else 0.
        """
        try:
            if scope["path"].startswith(("/api/", "/v1/")):
                admitted = await self._admit(scope, receive)
                if admitted is None:
                    return
                receive = admitted
            await self._app(scope, receive, answer)
        except FrontdeskError as error:
            if error.status >= 500:
                log.warning("request_failed", code=error.code, error=str(error))
            await problem_response(error, request_id)(scope, receive, answer)
        except ClientDisconnect:
            log.info("client_left_with_half_a_body")
        except Exception:
            log.exception("request_crashed")
            if begun_with():
                # Half an answer is out; breaking the connection is the only way to say so.
                raise
            await problem_response(FrontdeskError(), request_id)(scope, receive, answer)

    def _headers_for(self, path: str) -> Headers:
        if path.startswith("/webhooks/"):
            return []
        if path.startswith(("/api/", "/v1/")):
            return self._api_headers
        return self._docs_headers if path == "/docs" else self._page_headers

    async def _admit(self, scope: Scope, receive: Receive) -> Receive | None:
        """What the route reads its body from; None when the client has gone meanwhile."""
        headers = _wanted_headers(scope)
        method = scope["method"]
        if b"authorization" not in headers:
            # With it the cookie is not looked at, and no other site's page can send it.
            site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
            check_origin(method, site, origin, self._origin, self._allowed)
        if method in _SAFE_METHODS:
            return receive
        if self._file_paths is not None and self._file_paths.fullmatch(scope["path"]):
            return receive
        declared = headers.get(b"content-length", "")
        if declared.isdecimal():
            # The server reads no more than what was declared.
            length = int(declared)
            if length > self._json_body_bytes:
                raise TooLarge(f"At most {self._json_body_bytes} bytes.")
        else:
            body = await _read(receive, self._json_body_bytes)
            if body is None:
                return None
            length = len(body)
            receive = _replayed(body, receive)
        if length and not _JSON.fullmatch(headers.get(b"content-type", "").encode("latin-1")):
            raise UnsupportedMediaType
        return receive

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer under its route's template: paths themselves would be endless labels."""
        route = getattr(scope.get("route"), "path_format", "none")
        method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
        key = (method, route, status)
        counter = self._counts.get(key)
        if counter is None:
            metrics = scope["app"].state.resources.metrics
            counter = self._counts[key] = metrics.requests.labels(method, route, str(status))
            self._times[route] = metrics.request_seconds.labels(route)
        counter.inc()
        # Until the answer begins: a stream goes on for hours.
        self._times[route].observe(seconds)
        # Webhooks come by the thousand and each is told of where it is received; probes tell nothing.
        if status >= 400 or scope["path"].startswith(("/api/", "/v1/")):
            log.info(
                "request", method=method, route=route, status=status, seconds=round(seconds, 4)
            )


def _describe(span: Span, scope: Scope, status: int) -> None:
    """Name a request's span after its route, when its answer begins."""
    if not span.is_recording():
        return
    route = getattr(scope.get("route"), "path_format", None)
    span.update_name(f"{scope['method']} {route}" if route else scope["method"])
    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("http.response.status_code", status)
    if route:
        span.set_attribute("http.route", route)
    if status >= 500:
        fail(span, str(status))
    if scope.get("route") and str(scope["path"]).endswith("/feed"):
        span.end()  # It streams for hours; the answer has begun.


def _given_request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GOOD_REQUEST_ID.fullmatch(value):
            given: str = value.decode()
            return given
    return None


def _wanted_headers(scope: Scope) -> dict[bytes, str]:
    wanted = (b"authorization", b"sec-fetch-site", b"origin", b"content-length", b"content-type")
    return {name: value.decode("latin-1") for name, value in scope["headers"] if name in wanted}


def _completed(
    given: Iterable[tuple[bytes, bytes]], defaults: Headers, pending: Headers
) -> list[tuple[bytes, bytes]]:
    """The route's headers, then ours where it set none of that name, then what was asked for."""
    headers = list(given)
    present = {name for name, _ in headers}
    headers += [header for header in defaults if header[0] not in present]
    return headers + pending


async def _read(receive: Receive, most_bytes: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > most_bytes:
            raise TooLarge(f"At most {most_bytes} bytes.")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    unread: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return unread.pop() if unread else await receive()

    return read
