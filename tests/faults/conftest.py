"""A site of the fault suite, with servers of its own: the tests kill them."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from benchmarks.ground import Ground
from faults.site import Site, open_site


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A Postgres and a Valkey that nothing else uses."""
    with Ground() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(ground: Ground) -> AsyncIterator[Site]:
    """One site for all fault tests: each begins it anew."""
    async with open_site(ground) as opened:
        yield opened
