"""Codes of an authenticator app: RFC 6238 (TOTP) on RFC 4226 (HOTP), as every app speaks them."""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

# What apps take for granted: SHA-1, six digits, thirty seconds.
DIGITS = 6
STEP_SECONDS = 30
# RFC 4226, 4: the shared secret should have 160 bits.
SECRET_BYTES = 20


def new_secret() -> str:
    """A fresh secret, in base32 as apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int, *, digits: int = DIGITS) -> str:
    """The code of the given step (RFC 4226, 5.3)."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(moment: datetime) -> int:
    """How many times thirty seconds have passed since 1970."""
    return int(moment.timestamp()) // STEP_SECONDS


def find_step(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is: the present one or a neighbour; None: it is no code of now.

    One step to each side forgives clocks and slow fingers (RFC 6238, 5.2).
    """
    present = step_of(now)
    found = None
    for step in (present - 1, present, present + 1):
        # All three each time, so that the time taken says nothing.
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def enrolment_uri(secret: str, *, account: str, issuer: str) -> str:
    """What a QR code for an authenticator app holds."""
    label = quote(f"{issuer}:{account}", safe="")
    query = urlencode(
        {"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}
    )
    return f"otpauth://totp/{label}?{query}"
