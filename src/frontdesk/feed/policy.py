"""What the feed tells when it changes who may see what."""

from frontdesk.core.db import Transaction
from frontdesk.feed.events import append
from frontdesk.identity import ContactPolicyChanged

# Streams ask anew who they are for when they meet it, before anything that comes after it.
POLICY_CHANGED = "contact_policy.changed"


async def tell_contact_policy(tx: Transaction, event: ContactPolicyChanged) -> None:
    """Tell dashboards that human agents see contact details otherwise from here on."""
    append(tx, POLICY_CHANGED, {"masked_for_human_agents": event.masked})
