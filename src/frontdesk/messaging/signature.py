"""Whether a webhook really comes from Meta: its signature, and the handshake that comes before."""

import hashlib
import hmac
import re
from collections.abc import Sequence

# Exactly what Meta sends. SHA-1, upper-case hex and two signatures in one header do not match.
_HEADER = re.compile(rb"sha256=([0-9a-f]{64})")
# Meta sends digits; a little more is echoed, and nothing that a browser could take for markup.
_CHALLENGE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def signature(body: bytes, secret: bytes) -> str:
    """The `X-Hub-Signature-256` header that the holder of `secret` puts on `body`."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, header: bytes | str | None, secrets: Sequence[bytes]) -> bool:
    """Whether the header is the signature of these exact bytes under one of the secrets.

    Never raises. Give the bytes as they were received: Meta signs its own escaped form, so a body
    that was parsed and written again fails. Several secrets let one be rotated without a loss. When
    a request carries the header more than once, give None.

    Rule: WhatsApp Cloud API, webhooks, create a webhook endpoint (validating payloads).
    """
    if isinstance(header, str):
        # `compare_digest` and the pattern want bytes, and whatever is not ASCII can't be hex.
        header = header.encode("ascii", "replace")
    found = _HEADER.fullmatch(header) if header else None
    if found is None:
        return False
    given = found[1]
    signed = False
    for secret in secrets:
        # An empty key would let anybody sign. All secrets are tried, so that the time taken does
        # not say which one fits.
        expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
        signed |= bool(secret) and hmac.compare_digest(expected, given)
    return signed


def challenge_answer(
    mode: str | None, token: str | None, challenge: str | None, expected_token: str
) -> str | None:
    """The text to answer the verification GET with, or None when it must be refused with 403.

    The challenge comes back only when it is short and plain, so that the address can't be used
    to make our host say something.

    Rule: WhatsApp Cloud API, webhooks, create a webhook endpoint (verification requests).
    """
    given = (token or "").encode("utf-8", "backslashreplace")
    expected = expected_token.encode("utf-8", "backslashreplace")
    knows_token = bool(expected) and hmac.compare_digest(given, expected)
    if mode != "subscribe" or not knows_token or not challenge:
        return None
    return challenge if _CHALLENGE.fullmatch(challenge) else None
