"""Who a request is from."""

from dataclasses import replace
from datetime import UTC, datetime

from fastapi import Request

from frontdesk.core.api import Principal, request_id_of, resources_of
from frontdesk.core.asgi import ANSWER_HEADERS
from frontdesk.core.errors import Unauthenticated
from frontdesk.core.resources import Resources
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.tokens import cookie_header, cookie_name, issue_token, read_token


async def authenticate(request: Request) -> Principal:
    """Who sent this request, by its session cookie.

    The role is the one the database holds now. When less than half of the cookie's life is left,
    the answer carries a fresh one, so whoever keeps working stays signed in.

    Raises:
        Unauthenticated: no cookie, not one of ours, or its session has ended.
    """
    resources = resources_of(request)
    settings = resources.settings
    cookie = request.cookies.get(cookie_name(settings))
    if not cookie:
        raise Unauthenticated
    token = read_token(settings, cookie)
    session = await resources.keep(LiveSessions).find(token.session_id)
    if session is None or (session.user_id, session.tenant_id) != (token.user_id, token.tenant_id):
        raise Unauthenticated
    now = datetime.now(UTC)
    if token.should_renew(now):
        fresh = issue_token(
            settings,
            session_id=token.session_id,
            user_id=token.user_id,
            tenant_id=token.tenant_id,
            now=now,
        )
        set_cookie(request, fresh)
    return Principal(
        user_id=session.user_id,
        tenant_id=session.tenant_id,
        role=session.role,
        session_id=token.session_id,
        request_id=request_id_of(request),
    )


async def recheck(resources: Resources, principal: Principal) -> Principal:
    """The principal of a request that goes on for long, with the role they have by now.

    A stream asks this every half minute: its cookie can't be renewed, so only the session counts.

    Raises:
        Unauthenticated: the session has ended.
    """
    session = await resources.keep(LiveSessions).find(principal.session_id)
    if session is None:
        raise Unauthenticated
    return replace(principal, role=session.role)


def set_cookie(request: Request, token: str) -> None:
    """Let the answer to this request set the session cookie; an empty token takes it away."""
    # In place of a renewal this request may have been given before: the last word counts.
    headers = request.scope.setdefault(ANSWER_HEADERS, [])
    headers[:] = [cookie_header(resources_of(request).settings, token)]
