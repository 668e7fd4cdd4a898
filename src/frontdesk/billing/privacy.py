"""What billing holds of contacts: counts and costs per conversation, which name nobody and stay."""

from frontdesk.core.holdings import KEEP, OF_THREADS, Holding

HOLDINGS = (Holding("usage_entry", of_contact=OF_THREADS, erase=KEEP),)
