"""The only door to Stripe: its official library, loaded with the first call, its errors as ours."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from frontdesk.billing.stripe.errors import (
    StripeBusy,
    StripeNotSetUp,
    StripeRefused,
    StripeSilent,
)
from frontdesk.core.resources import Resources

if TYPE_CHECKING:
    from stripe import HTTPXClient, StripeClient

T = TypeVar("T")

_BUSY_SECONDS, _SILENT_SECONDS = 2, 30


class StripeDoor:
    """Stripe's client of this process. A library of 30 MiB: whoever never calls never loads it."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings.stripe
        self._client: StripeClient | None = None
        self._transport: HTTPXClient | None = None

    async def ask(self, act: Callable[["StripeClient"], Awaitable[T]]) -> T:
        """What Stripe answers. Nothing is tried again here: the row that wants it comes due again.

        Raises:
            StripeNotSetUp: this deployment has no key.
            StripeRefused: Stripe refuses; again would change nothing.
            StripeBusy: Stripe did nothing, and may do it later.
            StripeSilent: nobody knows whether Stripe did it.
        """
        client = self._open()
        import stripe

        try:
            return await act(client)
        except stripe.RateLimitError as error:
            raise StripeBusy(
                "Stripe asks us to slow down.", retry_after_seconds=_BUSY_SECONDS
            ) from error
        except stripe.APIConnectionError as error:
            raise StripeSilent(
                "Stripe gave no answer.", retry_after_seconds=_SILENT_SECONDS
            ) from error
        except stripe.StripeError as error:
            status = error.http_status or 0
            if status == 409:  # Two calls with one key, or about one thing: the other goes on.
                raise StripeBusy(
                    "Stripe is at it already.", retry_after_seconds=_BUSY_SECONDS
                ) from error
            if 400 <= status < 500:
                message = error.user_message or type(error).__name__
                raise StripeRefused(message, status_code=status, stripe_code=error.code) from error
            raise StripeSilent(
                f"Stripe answered {status or 'nothing'}.", retry_after_seconds=_SILENT_SECONDS
            ) from error

    def _open(self) -> "StripeClient":
        if self._client is None:
            if self._settings.secret_key is None:
                raise StripeNotSetUp
            import stripe

            self._transport = stripe.HTTPXClient(timeout=self._settings.timeout_seconds)
            self._client = stripe.StripeClient(
                self._settings.secret_key.get_secret_value(),
                base_addresses={"api": self._settings.api_url.rstrip("/")},
                http_client=self._transport,
                max_network_retries=0,
            )
        return self._client

    async def stop(self) -> None:
        """Close its connections."""
        if self._transport is not None:
            await self._transport.close_async()  # type: ignore[no-untyped-call]  # Theirs.


async def ask(resources: Resources, act: Callable[["StripeClient"], Awaitable[T]]) -> T:
    """`StripeDoor.ask` of this process."""
    return await resources.keep(StripeDoor).ask(act)
