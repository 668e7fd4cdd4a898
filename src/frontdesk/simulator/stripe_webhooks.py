"""Stripe's webhooks: signed anew at each attempt, with the time in the signature."""

import hashlib
import hmac
import json

from frontdesk.simulator.webhooks import VALID, Posting, Webhooks
from frontdesk.simulator.world import Json


def sign_stripe(body: bytes, secret: str, at: int) -> str:
    """The value of `Stripe-Signature` for exactly these bytes, signed at a Unix time."""
    signed = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


class StripeWebhooks(Webhooks):
    """Posts events to the desk and keeps a record of them."""

    def tell(self, event: Json, *, copies: int = 1, retry: bool = True) -> Posting:
        """Start posting an event and return at once."""
        body = json.dumps(event, indent=2).encode()
        return self.post(body, copies=copies, retry=retry, about=str(event["type"]))

    def _sign(self, body: bytes) -> str:
        return VALID  # At each attempt, as the time is in it.

    @property
    def _url(self) -> str | None:
        return self._world.settings.stripe_webhook_url

    def _headers(self, posting: Posting) -> dict[str, str]:
        signature = posting.signature
        if signature == VALID:
            secret, at = self._world.settings.stripe_webhook_secret, int(self._world.now())
            signature = sign_stripe(posting.body, secret, at)
        return {
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            **({} if signature is None else {"Stripe-Signature": signature}),
        }
