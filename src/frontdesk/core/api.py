"""What every route shares: who may call it, the tenant's transaction, problem+json, headers.

Each operation under `/api/v1` declares who may call it by taking one of `Staff`, `AdminOnly`,
`SuperAdminOnly`, `SignedIn` or `PUBLIC`; a route without is a failure of the build
(`tests/test_architecture.py`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from frontdesk.core.again import CLASHED
from frontdesk.core.callers import (
    ActFirst,
    MissingScope,
    Principal,
    Refusal,
    Role,
    Scope,
    SuperAdmin,
    asked_at,
    bind_key,
    request_id_of,
    resources_of,
)
from frontdesk.core.db import Session
from frontdesk.core.errors import (
    Forbidden,
    FrontdeskError,
    Invalid,
    NotFound,
    NothingYet,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from frontdesk.core.json import dumps_bytes
from frontdesk.core.limits import Bucket
from frontdesk.core.masking import MASKED
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

# Some routes of a context; in the API's description an operation is called as its function is.
Router = partial(APIRouter, generate_unique_id_function=lambda route: route.name)

# Set by the composition root, for cookies and for keys: tells who a request is from, or raises
# `Unauthenticated`.
Authenticate = Callable[[Request], Awaitable[Principal | SuperAdmin]]
# Set by the composition root too: writes down that a member of a tenant was told 403 or 404.
RecordRefusal = Callable[[Resources, "Refusal"], Awaitable[None]]


async def _signed_in(request: Request) -> Principal | SuperAdmin:
    state = request.app.state
    # Whoever sends this header means it: their cookie is not looked at.
    by_key = "authorization" in request.headers
    authenticate: Authenticate = state.authenticate_key if by_key else state.authenticate
    caller = await authenticate(request)
    structlog.contextvars.bind_contextvars(user_id=str(caller.user_id))
    principal = caller.acting if isinstance(caller, SuperAdmin) else caller
    if principal is not None:
        structlog.contextvars.bind_contextvars(
            tenant_id=str(principal.tenant_id), plan=principal.plan
        )
        request.scope[MASKED] = principal.masked
        request.state.principal = principal
    return caller


def _in_tenant(caller: Principal | SuperAdmin) -> Principal:
    if isinstance(caller, Principal):
        return caller
    if caller.acting is None:
        raise ActFirst
    return caller.acting


class Allow:
    """A dependency that lets in the given roles; a route's declaration of who may call it.

    Args:
        roles: members in one of them; a super admin counts as what they act as.
        super_admin: a super admin is let in as such, whether or not they act in a tenant.
        scope: API keys that have it are let in; without one, none is.
    """

    def __init__(self, *roles: Role, super_admin: bool = False, scope: Scope | None = None) -> None:
        self.roles = roles
        self.super_admin = super_admin
        self.scope = scope

    async def __call__(
        self, caller: Annotated[Principal | SuperAdmin, Depends(_signed_in)], request: Request
    ) -> Principal | SuperAdmin:
        """The caller, or `Forbidden`; over the caller's rate limit, `RateLimited`."""
        if isinstance(caller, Principal) and caller.api_key_id is not None:
            await _limit_rate(
                request, f"{caller.tenant_id}:key:{caller.api_key_id}", caller.tenant_id
            )
            if self.scope is None:
                raise MissingScope("API keys can't do this.")
            if self.scope not in caller.scopes:
                raise MissingScope(f"The key needs the scope {self.scope}.")
            return caller
        if isinstance(caller, SuperAdmin) and self.super_admin:
            await _limit_rate(request, f"platform:user:{caller.user_id}")
            return caller
        if not self.roles:
            raise Forbidden(
                "This is for programs: send an API key."
                if self.scope
                else "This needs the role SUPER_ADMIN."
            )
        principal = _in_tenant(caller)
        if principal.role not in self.roles:
            raise Forbidden(f"This needs the role {' or '.join(self.roles)}.")
        await _limit_rate(
            request, f"{principal.tenant_id}:user:{principal.user_id}", principal.tenant_id
        )
        return principal


async def _limit_rate(request: Request, caller: str, tenant_id: UUID | None = None) -> None:
    limits = resources_of(request).settings.limits
    rates = {caller: limits.requests_per_minute}
    if tenant_id is not None:
        rates[f"{tenant_id}:requests"] = limits.tenant_requests_per_minute
    wait = await resources_of(request).limiter.wait_seconds(
        *(Bucket(key, rate / 60, rate / 4) for key, rate in rates.items())
    )
    if wait:
        raise RateLimited(retry_after_seconds=wait)


async def _anyone() -> None:
    """Says on purpose that a route needs no sign-in."""


Staff = Annotated[Principal, Depends(Allow(Role.ADMIN, Role.HUMAN_AGENT))]
AdminOnly = Annotated[Principal, Depends(Allow(Role.ADMIN))]
SuperAdminOnly = Annotated[SuperAdmin, Depends(Allow(super_admin=True))]
# Whoever has a session: for what is about the person and not about a tenant.
SignedIn = Annotated[
    Principal | SuperAdmin, Depends(Allow(Role.ADMIN, Role.HUMAN_AGENT, super_admin=True))
]
# The same for programs too, with an API key of that scope.
_STAFF = (Role.ADMIN, Role.HUMAN_AGENT)
ReadsConversations = Annotated[Principal, Depends(Allow(*_STAFF, scope=Scope.CONVERSATIONS_READ))]
WritesConversations = Annotated[Principal, Depends(Allow(*_STAFF, scope=Scope.CONVERSATIONS_WRITE))]
ReadsConfig = Annotated[Principal, Depends(Allow(*_STAFF, scope=Scope.CONFIG_READ))]
ReadsUsage = Annotated[Principal, Depends(Allow(Role.ADMIN, scope=Scope.USAGE_READ))]
WritesConfig = Annotated[Principal, Depends(Allow(Role.ADMIN, scope=Scope.CONFIG_WRITE))]
PUBLIC = Depends(_anyone)


async def _open_transaction(
    caller: Annotated[Principal | SuperAdmin, Depends(_signed_in)],
    resources: Annotated[Resources, Depends(resources_of)],
) -> AsyncIterator[Session]:
    principal = _in_tenant(caller)
    async with resources.db.transaction(principal.tenant_id) as session:
        await bind_key(session, principal)
        yield session


# scope="function": the commit comes before the answer, so a failed commit is not told as a success.
TenantSession = Annotated[Session, Depends(_open_transaction, scope="function")]
ResourcesDep = Annotated[Resources, Depends(resources_of)]


Now = Annotated[datetime, Depends(asked_at)]
Limit = Annotated[int, Query(ge=1, le=100, description="Items on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the page before.")
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=100, description='The `ETag` you read, e.g. `"3"`.'),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Your own key for this request: the same key again gives the same message.",
    ),
]


def set_etag(response: Response, version: int) -> None:
    """Give the answer the version as its ETag."""
    response.headers["ETag"] = f'"{version}"'


class Problem(BaseModel):
    """What every error looks like (RFC 9457): `code` is stable, `detail` is for people."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def problems(*kinds: type[FrontdeskError]) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, as OpenAPI's `responses`: what any may answer, and these."""
    by_status: dict[int | str, dict[str, Any]] = {}
    always: list[type[FrontdeskError]] = [
        Unauthenticated,
        Forbidden,
        Invalid,
        RateLimited,
        Unavailable,
    ]
    for kind in dict.fromkeys([*kinds, *always]):
        entry = by_status.setdefault(
            kind.status,
            {
                "model": Problem,
                "description": "",
                "content": {"application/problem+json": {"examples": {}}},
            },
        )
        entry["description"] = "; ".join(filter(None, [entry["description"], kind.title]))
        entry["content"]["application/problem+json"]["examples"][kind.code] = {
            "summary": kind.title,
            "value": Problem(
                title=kind.title,
                status=kind.status,
                detail=kind.title + ".",
                code=kind.code,
                request_id="0192f0aa7c0e7c31b6a1d6a0c3c1e001",
            ).model_dump(),
        }
    return by_status


def problem_response(error: FrontdeskError, request_id: str) -> Response:
    """The error as problem+json."""
    body = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        "request_id": request_id,
        **error.details,
    }
    headers = {"X-Request-ID": request_id}
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    return Response(dumps_bytes(body), error.status, headers, media_type="application/problem+json")


def _pries(error: FrontdeskError) -> bool:
    return isinstance(error, Forbidden | NotFound) and not isinstance(error, NothingYet)


def install_error_handlers(app: FastAPI) -> None:
    """Render every error as problem+json; what we did not expect says nothing but its request id."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, FrontdeskError)
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request_failed", code=error.code, error=str(error))
        if isinstance(error, Unavailable) and error.retry_after_seconds == 0:
            request.scope[CLASHED] = True
        principal = getattr(request.state, "principal", None)
        if principal is not None and _pries(error):
            route = request.scope["route"].path_format
            refusal = Refusal(principal, request.method, route, request.path_params, error)
            record: RecordRefusal = request.app.state.record_refusal
            # Before the answer, and when it can't be written there is none but 503.
            await record(resources_of(request), refusal)
        return problem_response(error, request_id_of(request))

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        fields = [
            {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['field']}: {item['message']}" for item in fields[:5])
        return problem_response(Invalid(detail, errors=fields), request_id_of(request))

    async def unencodable(request: Request, error: Exception) -> Response:
        return problem_response(
            Invalid("There are characters in it that can't be stored."), request_id_of(request)
        )

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem_response(NotFound(), request_id_of(request))
        if error.status_code == HTTPStatus.BAD_REQUEST:
            # FastAPI's word for bytes that are no text at all; other bad JSON is 422 already.
            return problem_response(Invalid("The body can't be read."), request_id_of(request))
        status = HTTPStatus(error.status_code)

        class HttpError(FrontdeskError):
            code, title = status.name.lower(), status.phrase

        HttpError.status = status.value
        return problem_response(HttpError(), request_id_of(request))

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("request_crashed", exc_info=error)
        return problem_response(FrontdeskError(), request_id_of(request))

    app.add_exception_handler(FrontdeskError, ours)
    app.add_exception_handler(RequestValidationError, malformed)
    # A lone surrogate is legal JSON and no text: it shows itself where somebody encodes it.
    app.add_exception_handler(UnicodeEncodeError, unencodable)
    app.add_exception_handler(StarletteHTTPException, http)
    app.add_exception_handler(Exception, unexpected)
