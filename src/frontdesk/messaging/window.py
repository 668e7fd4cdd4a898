"""The 24-hour customer service window of WhatsApp."""

from datetime import datetime, timedelta

# WhatsApp Cloud API: free-form messages for 24 hours after the contact last wrote, counted from the
# webhook's own timestamp. Five minutes of margin for clocks and for the way there.
WINDOW = timedelta(hours=24) - timedelta(minutes=5)


def window_closes_at(last_inbound_at: datetime | None) -> datetime | None:
    """Until when free-form messages may be sent; None when the contact has never written."""
    return last_inbound_at + WINDOW if last_inbound_at else None


def seconds_left(last_inbound_at: datetime | None, now: datetime) -> int:
    """How many seconds free-form messages may be sent still; 0 when they may not."""
    closes_at = window_closes_at(last_inbound_at)
    return max(0, int((closes_at - now).total_seconds())) if closes_at else 0


def is_open(last_inbound_at: datetime | None, now: datetime) -> bool:
    """Whether a free-form message may be sent now."""
    closes_at = window_closes_at(last_inbound_at)
    return closes_at is not None and now < closes_at
