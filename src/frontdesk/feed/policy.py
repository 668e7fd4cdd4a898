"""What the feed tells when it changes who may see what."""

from typing import ClassVar

from frontdesk.core.db import Transaction
from frontdesk.feed.events import tell
from frontdesk.feed.schemas import FeedPayload
from frontdesk.identity import ContactPolicyChanged

# Streams ask anew who they are for when they meet it, before anything that comes after it.
POLICY_CHANGED = "contact_policy.changed"


class PolicyChanged(FeedPayload):
    """Human agents see contact details otherwise from here on: load what is shown of them anew."""

    kind: ClassVar[str] = POLICY_CHANGED

    masked_for_human_agents: bool


async def tell_contact_policy(tx: Transaction, event: ContactPolicyChanged) -> None:
    """Tell dashboards that human agents see contact details otherwise from here on."""
    tell(tx, PolicyChanged(masked_for_human_agents=event.masked))
