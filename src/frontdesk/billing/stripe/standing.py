"""What a subscription's status means here: whether the AI answers, and what people are told."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Standing(StrEnum):
    """How a tenant stands with its payments."""

    NONE = "none"
    GOOD = "good"
    WARNED = "warned"
    STOPPED = "stopped"


# Statuses of Stripe's (API: the subscription object). A first payment that is still open is no
# reason to stop anything; whoever never makes it ends as incomplete_expired.
_GOOD = frozenset({"active", "trialing"})
_WARNED = frozenset({"past_due", "incomplete"})
ENDED = frozenset({"canceled", "incomplete_expired"})

SENTENCES = {
    Standing.NONE: "There is no subscription. Nothing is limited by that.",
    Standing.GOOD: "The subscription is paid.",
    Standing.WARNED: "A payment failed. Everything works for now: renew the card or pay the invoice on "
    "the billing portal.",
    Standing.STOPPED: "The subscription is unpaid or has ended. The AI asks no model any more: what "
    "contacts write goes to people, who work on as before. Paying brings it back at once.",
}


@dataclass(frozen=True)
class Subscription:
    """A subscription as Stripe has it now."""

    id: str
    status: str
    created: datetime
    plan: str | None = None
    """By the metadata of the plan's monthly price; None when it is none of ours."""
    period_start: datetime | None = None
    period_end: datetime | None = None
    cancel_at_period_end: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether it is over for good; another has to be bought then."""
        return self.status in ENDED


def standing_of(subscription: Subscription | None) -> Standing:
    """How a tenant stands that has this subscription. A word we do not know stops nothing."""
    if subscription is None:
        return Standing.NONE
    if subscription.status in _GOOD:
        return Standing.GOOD
    if subscription.status in ENDED or subscription.status in ("unpaid", "paused"):
        return Standing.STOPPED
    return Standing.WARNED


def the_one_that_counts(found: Iterable[Subscription]) -> Subscription | None:
    """Of all subscriptions a customer ever had, the one that says how they stand.

    The newest that has not ended; a tenant that came back is not judged by what it had before.
    """
    ordered = sorted(found, key=lambda each: (not each.has_ended, each.created, each.id))
    return ordered[-1] if ordered else None


def is_to_be_suspended(
    standing: Standing, since: datetime | None, now: datetime, *, after_days: int | None
) -> bool:
    """Whether a tenant has been stopped for so long that it is no longer served at all."""
    return (
        standing is Standing.STOPPED
        and since is not None
        and after_days is not None
        and now - since >= timedelta(days=after_days)
    )
