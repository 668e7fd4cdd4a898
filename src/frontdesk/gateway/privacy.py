"""What the gateway holds of contacts: for minutes, the texts of calls that programs make."""

from frontdesk.core.holdings import Holding

HOLDINGS = (Holding("chat_request", of_contact="request::text ~ $2 OR answer::text ~ $2"),)
