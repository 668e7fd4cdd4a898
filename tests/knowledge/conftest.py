"""A tenant whose knowledge is served."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.feed.shop import Shop, make_shop

from frontdesk.core.resources import Resources
from frontdesk.knowledge.routes import router


@pytest_asyncio.fixture(loop_scope="session")
async def shop(resources: Resources) -> AsyncIterator[Shop]:
    made = await make_shop(resources, router)
    yield made
    await made.aclose()
