"""The session cookie: a short-lived signed token that names a row of `user_session`."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from frontdesk.core.errors import Unauthenticated
from frontdesk.core.settings import Settings

_ALGORITHM = "HS256"
_TYPE = "session"
_ISSUER = "frontdesk"
_AUDIENCE = "frontdesk:api"
_REQUIRED = ["exp", "iat", "sub", "tenant", "sid", "typ", "aud", "iss"]


@dataclass(frozen=True)
class SessionToken:
    """Which session a request claims to belong to, and until when the claim is good."""

    session_id: UUID
    user_id: UUID
    tenant_id: UUID
    issued_at: datetime
    expires_at: datetime

    def should_renew(self, now: datetime) -> bool:
        """Whether less than half of its life is left."""
        return now - self.issued_at > (self.expires_at - self.issued_at) / 2


def issue_token(
    settings: Settings, *, session_id: UUID, user_id: UUID, tenant_id: UUID, now: datetime
) -> str:
    """A signed token for a session, good for `SECURITY__ACCESS_MINUTES`."""
    key = settings.security.session_secret.get_secret_value()
    return jwt.encode(
        {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "typ": _TYPE,
            "sub": str(user_id),
            "tenant": str(tenant_id),
            "sid": str(session_id),
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=settings.security.access_minutes)).timestamp()),
        },
        key,
        _ALGORITHM,
        headers={"kid": _key_id(key)},
    )


def read_token(settings: Settings, token: str) -> SessionToken:
    """What a token says, once its signature, key, purpose and time are found good.

    Raises:
        Unauthenticated: anything about it is not as we would have made it.
    """
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
        if claims["typ"] != _TYPE:
            raise Unauthenticated
        return SessionToken(
            session_id=UUID(claims["sid"]),
            user_id=UUID(claims["sub"]),
            tenant_id=UUID(claims["tenant"]),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        # One answer for all of it: what exactly was wrong helps only whoever forged it.
        raise Unauthenticated from None


def cookie_name(settings: Settings) -> str:
    """What the cookie is called: `__Host-` makes browsers insist on Secure, Path=/ and no Domain."""
    return "frontdesk" if settings.web.insecure_cookies else "__Host-frontdesk"


def cookie_header(settings: Settings, token: str) -> tuple[bytes, bytes]:
    """The `Set-Cookie` header that hands out a token; an empty one takes the cookie away."""
    seconds = settings.security.access_minutes * 60 if token else 0
    secure = "" if settings.web.insecure_cookies else "; Secure"
    value = f"{cookie_name(settings)}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    return (b"set-cookie", value.encode())


def _key_id(key: str) -> str:
    # Names the key without telling it, so that a token of an older secret is told at once.
    return hmac.new(key.encode(), b"frontdesk session key id", "sha256").hexdigest()[:12]
