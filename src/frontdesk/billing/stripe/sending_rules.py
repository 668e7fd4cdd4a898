"""What may still be sent to a meter, and how much of it."""

from datetime import datetime, timedelta

from frontdesk.billing.stripe.models import BatchState

# Stripe takes events of the past 35 days (API: meter events); a day less leaves time to try.
OLDEST = timedelta(days=34)
# Stripe knows an identifier for at least a day, and by then refuses it as known.
KNOWN_FOR = timedelta(hours=23)
_LONGEST_PAUSE_SECONDS = 3_600.0


def carry(quantity: int, owed: int) -> tuple[int, int]:
    """What to send of a batch, and what is owed to the tenant after it.

    Corrections are negative rows of the ledger. A batch is never sent with less than nothing: what is
    left is owed, and taken off the next batches. Stripe would take a negative number, but forget what
    is below nothing at the end of a period.
    """
    net = quantity - owed
    return (net, 0) if net > 0 else (0, -net)


def fate_of(hour_at: datetime, doubtful_since: datetime | None, now: datetime) -> BatchState:
    """Whether a batch may be sent now, or why it never may be again by itself."""
    if doubtful_since is not None and now - doubtful_since > KNOWN_FOR:
        # Stripe may have it, and would no longer notice that it has.
        return BatchState.UNCERTAIN
    if now - hour_at > OLDEST:
        return BatchState.TOO_OLD
    return BatchState.PENDING


def pause_seconds(attempts: int) -> float:
    """How long to wait after so many tries: doubling from two seconds to an hour."""
    return min(2.0**attempts, _LONGEST_PAUSE_SECONDS)
