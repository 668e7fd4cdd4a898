"""What a turn needs that is slow to load, loaded before the first message."""

import asyncio

from frontdesk.core.resources import Resources
from frontdesk.messaging import ContactKey, country_of
from frontdesk.pipeline.feelings import warm_classifiers
from frontdesk.pipeline.language import warm_statistics


async def warm(resources: Resources) -> None:
    """Load the statistics of languages, the plans of phone numbers (what a delivered message costs
    depends on the country), and the classifiers where they are on."""
    await asyncio.gather(
        warm_statistics(),
        warm_classifiers(resources),
        asyncio.to_thread(country_of, ContactKey(wa_id="14155550100")),
    )
