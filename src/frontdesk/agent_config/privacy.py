"""What outlives an erased tenant here: agents, as turns and conversations hang on them."""

from frontdesk.core.holdings import Holding

HOLDINGS = (Holding("agent", erase_with_tenant="name = 'erased ' || id, enabled = false"),)
