"""A tenant whose agents are served."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.feed.shop import Shop, make_shop

from frontdesk.agent_config.routes import router
from frontdesk.core.cache import Changes
from frontdesk.core.resources import Resources


@pytest_asyncio.fixture(loop_scope="session")
async def shop(resources: Resources) -> AsyncIterator[Shop]:
    made = await make_shop(resources, router)
    yield made
    await made.aclose()
    await resources.keep(Changes).stop()
