"""What learning holds of contacts: articles made of one contact's conversation, masked."""

from frontdesk.core.holdings import OF_THREADS, Holding

HOLDINGS = (Holding("learnt_article", of_contact=OF_THREADS),)
