"""The session's two cookies: one proves for minutes who asks, the other gets the next such proof.

Both hold a signed token that names a row of `user_session`. Nothing secret lies in the database:
the row says which generation of refresh token is the good one.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from frontdesk.core.errors import Unauthenticated
from frontdesk.core.settings import Settings

_ALGORITHM = "HS256"
_ACCESS, _REFRESH = "session", "refresh"
_ISSUER = "frontdesk"
_AUDIENCE = "frontdesk:api"
_REQUIRED = ["exp", "iat", "sub", "tenant", "sid", "typ", "aud", "iss"]
# In place of the tenant's id, in a super admin's tokens.
_NO_TENANT = "platform"


@dataclass(frozen=True)
class SessionToken:
    """Which session a request claims to belong to, and until when the claim is good."""

    session_id: UUID
    user_id: UUID
    tenant_id: UUID | None
    expires_at: datetime
    generation: int = 0


@dataclass(frozen=True)
class Tokens:
    """What a browser holds of a session."""

    access: str
    refresh: str
    refresh_expires_at: datetime


def issue_token(
    settings: Settings, *, session_id: UUID, user_id: UUID, tenant_id: UUID | None, now: datetime
) -> str:
    """A signed token that is good for `SECURITY__ACCESS_MINUTES`.

    Args:
        tenant_id: where the session is; None for a super admin's.
    """
    expires_at = now + timedelta(minutes=settings.security.access_minutes)
    return _sign(settings, _ACCESS, session_id, user_id, tenant_id, now, expires_at)


def issue_tokens(
    settings: Settings,
    *,
    session_id: UUID,
    user_id: UUID,
    tenant_id: UUID | None,
    generation: int,
    expires_at: datetime,
    now: datetime,
) -> Tokens:
    """Both tokens of a session.

    Args:
        generation: of the refresh token; the session's row holds the present one.
        expires_at: of the session. Unused for `SECURITY__IDLE_HOURS` it ends before.
    """
    until = min(expires_at, now + timedelta(hours=settings.security.idle_hours))
    return Tokens(
        issue_token(settings, session_id=session_id, user_id=user_id, tenant_id=tenant_id, now=now),
        _sign(settings, _REFRESH, session_id, user_id, tenant_id, now, until, gen=generation),
        until,
    )


def read_token(settings: Settings, token: str) -> SessionToken:
    """What an access token says, once its signature, key, purpose and time are found good.

    Raises:
        Unauthenticated: anything about it is not as we would have made it.
    """
    return _read(settings, token, _ACCESS)


def read_refresh_token(settings: Settings, token: str) -> SessionToken:
    """What a refresh token says; whether its generation is the present one, the database knows.

    Raises:
        Unauthenticated: anything about it is not as we would have made it.
    """
    return _read(settings, token, _REFRESH)


def cookie_name(settings: Settings) -> str:
    """What the cookie is called: `__Host-` makes browsers insist on Secure, Path=/ and no Domain."""
    return "frontdesk" if settings.web.insecure_cookies else "__Host-frontdesk"


def refresh_cookie_name(settings: Settings) -> str:
    """What the cookie with the refresh token is called."""
    return f"{cookie_name(settings)}-refresh"


def cookie_headers(
    settings: Settings, tokens: Tokens | None, now: datetime
) -> list[tuple[bytes, bytes]]:
    """The `Set-Cookie` headers that hand out a session's tokens; without any they take them away."""
    secure = "" if settings.web.insecure_cookies else "; Secure"

    def header(name: str, value: str, seconds: float) -> tuple[bytes, bytes]:
        cookie = f"{name}={value}; Path=/; Max-Age={int(seconds)}; HttpOnly; SameSite=Lax{secure}"
        return (b"set-cookie", cookie.encode())

    name, refresh_name = cookie_name(settings), refresh_cookie_name(settings)
    if tokens is None:
        return [header(name, "", 0), header(refresh_name, "", 0)]
    left = (tokens.refresh_expires_at - now).total_seconds()
    return [
        header(name, tokens.access, settings.security.access_minutes * 60),
        header(refresh_name, tokens.refresh, left),
    ]


def _sign(
    settings: Settings,
    purpose: str,
    session_id: UUID,
    user_id: UUID,
    tenant_id: UUID | None,
    now: datetime,
    expires_at: datetime,
    **more: int,
) -> str:
    key = settings.security.session_secret.get_secret_value()
    claims: dict[str, Any] = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "typ": purpose,
        "sub": str(user_id),
        "tenant": _NO_TENANT if tenant_id is None else str(tenant_id),
        "sid": str(session_id),
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        **more,
    }
    return jwt.encode(claims, key, _ALGORITHM, headers={"kid": _key_id(key)})


def _read(settings: Settings, token: str, purpose: str) -> SessionToken:
    key = settings.security.session_secret.get_secret_value()
    try:
        header = jwt.get_unverified_header(token)
        if header.get("kid") != _key_id(key):
            raise Unauthenticated
        claims = jwt.decode(
            token,
            key,
            # Fixed: what the token's own header says about it is never believed.
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            # Not `iat`: the clock of the process that issued it may be a little ahead of ours.
            options={"require": _REQUIRED, "verify_iat": False},
        )
        # An access token must not get the next one, nor a refresh token serve as a proof.
        if claims["typ"] != purpose:
            raise Unauthenticated
        return SessionToken(
            session_id=UUID(claims["sid"]),
            user_id=UUID(claims["sub"]),
            tenant_id=None if claims["tenant"] == _NO_TENANT else UUID(claims["tenant"]),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            generation=int(claims.get("gen", 0)),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        # One answer for all of it: what exactly was wrong helps only whoever forged it.
        raise Unauthenticated from None


def _key_id(key: str) -> str:
    # Names the key without telling it, so that a token of an older secret is told at once.
    return hmac.new(key.encode(), b"frontdesk session key id", "sha256").hexdigest()[:12]
