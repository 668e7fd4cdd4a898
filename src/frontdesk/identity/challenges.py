"""Challenges: what a sign-in is given whose password is right and which needs a second step.

A signed note, good for five minutes, of who proved their password and where they want in. It is no
session and opens nothing without a code.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import jwt

from frontdesk.core.settings import Settings
from frontdesk.identity.onboarding_errors import ChallengeExpired

CHALLENGE_MINUTES = 5
_ALGORITHM = "HS256"
_ISSUER, _AUDIENCE = "frontdesk", "frontdesk:sign-in"
_REQUIRED = ["exp", "sub", "tenant", "typ", "pwd", "aud", "iss"]


class Purpose(StrEnum):
    """What a challenge still asks for."""

    CODE = "mfa"
    ENROLMENT = "mfa_enrolment"


@dataclass(frozen=True)
class Proven:
    """Whose password was proved, and which tenant they want into; None is a super admin's none."""

    user_id: UUID
    tenant_id: UUID | None


def issue_challenge(
    settings: Settings, purpose: Purpose, proven: Proven, password_hash: str, now: datetime
) -> str:
    """A challenge for whoever proved the password with this hash."""
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "typ": purpose,
        "sub": str(proven.user_id),
        "tenant": str(proven.tenant_id) if proven.tenant_id else "",
        "pwd": fingerprint_of(password_hash),
        "exp": int((now + timedelta(minutes=CHALLENGE_MINUTES)).timestamp()),
    }
    return jwt.encode(claims, _key(settings), _ALGORITHM)


def read_challenge(settings: Settings, purpose: Purpose, challenge: str) -> tuple[Proven, str]:
    """Who a challenge was given to, and the fingerprint of the password hash they proved.

    Raises:
        ChallengeExpired: too old, for another purpose, or not one of ours.
    """
    try:
        claims = jwt.decode(
            challenge,
            _key(settings),
            # Fixed: what the challenge's own header says about it is never believed.
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={"require": _REQUIRED},
        )
        if claims["typ"] != purpose:
            raise ChallengeExpired
        tenant_id = UUID(claims["tenant"]) if claims["tenant"] else None
        return Proven(UUID(claims["sub"]), tenant_id), str(claims["pwd"])
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise ChallengeExpired from None


def fingerprint_of(password_hash: str) -> str:
    """Tells one password hash from another without telling it."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:16]


def _key(settings: Settings) -> bytes:
    # A key of its own: no mistake about claims can make a session of a challenge.
    secret = settings.security.session_secret.get_secret_value()
    return hmac.digest(secret.encode(), b"frontdesk sign-in challenge", "sha256")
