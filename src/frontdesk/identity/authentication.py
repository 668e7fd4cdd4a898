"""Who a request is from."""

from dataclasses import replace
from datetime import UTC, datetime

from starlette.requests import Request

from frontdesk.core.callers import (
    ANSWER_HEADERS,
    Principal,
    Role,
    SuperAdmin,
    asked_at,
    request_id_of,
    resources_of,
)
from frontdesk.core.errors import Unauthenticated
from frontdesk.core.resources import Resources
from frontdesk.identity import sessions
from frontdesk.identity.live_sessions import LiveSession, LiveSessions
from frontdesk.identity.tokens import (
    SessionToken,
    Tokens,
    cookie_headers,
    cookie_name,
    read_token,
    refresh_cookie_name,
)


async def authenticate(request: Request) -> Principal | SuperAdmin:
    """Who sent this request, by its cookies.

    The role and the tenant are the ones the database holds now. When the access token is missing or
    too old, a good refresh token gets the answer fresh ones: whoever keeps working stays signed in.

    Raises:
        Unauthenticated: no cookie, not one of ours, or its session has ended.
    """
    resources = resources_of(request)
    now = asked_at(request)
    token = _access_token(request) or await _renewed(request, now)
    session = await resources.keep(LiveSessions).find(token.session_id)
    if session is None or (session.user_id, session.tenant_id) != (token.user_id, token.tenant_id):
        raise Unauthenticated
    return _caller(session, token, request)


async def recheck(resources: Resources, principal: Principal) -> Principal:
    """The principal of a request that goes on for long, with the role they have by now.

    A stream asks this every half minute: its cookie can't be renewed, so only the session counts.

    Raises:
        Unauthenticated: the session has ended, or the super admin's time in the tenant.
    """
    session = await resources.keep(LiveSessions).find(principal.session_id)
    if session is None:
        raise Unauthenticated
    if session.role is not None:
        return replace(principal, role=session.role, masked=session.masked)
    acting = session.acting_at(datetime.now(UTC))
    if acting is None or acting.id != principal.acting_id:
        raise Unauthenticated
    return principal


def set_cookies(request: Request, tokens: Tokens | None) -> None:
    """Let the answer to this request set the session's cookies; without tokens take them away."""
    # In place of a renewal this request may have been given before: the last word counts.
    headers = request.scope.setdefault(ANSWER_HEADERS, [])
    headers[:] = cookie_headers(resources_of(request).settings, tokens, datetime.now(UTC))


def address_of(request: Request) -> str:
    """Where a request comes from, as far as the proxies in front are trusted."""
    return request.client.host if request.client else "unknown"


def _access_token(request: Request) -> SessionToken | None:
    settings = resources_of(request).settings
    try:
        return read_token(settings, request.cookies.get(cookie_name(settings), ""))
    except Unauthenticated:
        return None


async def _renewed(request: Request, now: datetime) -> SessionToken:
    resources = resources_of(request)
    cookie = request.cookies.get(refresh_cookie_name(resources.settings))
    if not cookie:
        raise Unauthenticated
    token, tokens = await sessions.renew(resources, cookie, address=address_of(request), now=now)
    set_cookies(request, tokens)
    return token


def _caller(session: LiveSession, token: SessionToken, request: Request) -> Principal | SuperAdmin:
    request_id, now = request_id_of(request), asked_at(request)
    plan = session.plan or "standard"
    if session.tenant_id is not None and session.role is not None:
        return Principal(
            user_id=session.user_id,
            tenant_id=session.tenant_id,
            role=session.role,
            session_id=token.session_id,
            request_id=request_id,
            masked=session.masked,
            plan=plan,
            asked_at=now,
        )
    acting = session.acting_at(now)
    principal = None
    if acting is not None:
        principal = Principal(
            user_id=session.user_id,
            tenant_id=acting.tenant_id,
            role=Role.ADMIN,
            session_id=token.session_id,
            request_id=request_id,
            acting_id=acting.id,
            plan=plan,
            asked_at=now,
        )
    return SuperAdmin(session.user_id, token.session_id, request_id, principal)
