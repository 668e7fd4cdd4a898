"""Whether a webhook really comes from Stripe, and now."""

import hashlib
import hmac
import re
from collections.abc import Sequence

# Stripe's libraries allow as much (Stripe: verify webhook signatures manually).
TOLERANCE_SECONDS = 300
_MOST_CHARACTERS = 1_000
_TIME = re.compile(r"t=(\d{1,12})")
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")


def is_signed(body: bytes, header: str | None, secrets: Sequence[bytes], *, now: float) -> bool:
    """Whether `Stripe-Signature` holds a signature of these exact bytes, made about now.

    Stripe signs `TIME.BODY` with HMAC-SHA256. While a secret is rolled it sends a signature for each,
    and we may know several: any of ours over any of its is enough. Schemes other than v1 are no
    proof. Never raises.

    Args:
        now: Unix seconds; a time more than five minutes away, before or after, is refused, so that a
            request somebody recorded is worth nothing later.
    """
    if header is None or len(header) > _MOST_CHARACTERS:
        return False
    parts = [part.strip() for part in header.split(",")]
    times = [found[1] for part in parts if (found := _TIME.fullmatch(part))]
    given = [found[1] for part in parts if (found := _SIGNATURE.fullmatch(part))]
    if len(times) != 1 or not given or abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return False
    signed = False
    for secret in secrets:
        # An empty key would let anybody sign. All are tried, so that the time tells nothing.
        expected = hmac.new(secret, times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
        for signature in given:
            signed |= bool(secret) and hmac.compare_digest(expected, signature)
    return signed
