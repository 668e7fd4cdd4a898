"""A tenant whose feed is served by a real server."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.feed.live import serving
from tests.feed.shop import Shop, make_shop

from frontdesk.core.resources import Resources
from frontdesk.feed import hub
from frontdesk.feed.routes import router


@pytest_asyncio.fixture(loop_scope="session")
async def shop(resources: Resources) -> AsyncIterator[Shop]:
    made = await make_shop(resources, router)
    yield made
    await made.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def url(shop: Shop) -> AsyncIterator[str]:
    """Where the feed is served."""
    async with serving(shop.app) as address:
        yield address
    assert hub(shop.resources).streams == 0, "a stream was not given back"
    await hub(shop.resources).stop()
