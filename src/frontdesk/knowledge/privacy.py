"""What knowledge holds of contacts: what they asked in vain, masked, in their own words."""

from frontdesk.core.holdings import OF_THREADS, Holding

HOLDINGS = (Holding("knowledge_gap", of_contact=OF_THREADS),)
