"""Fixtures of the fault tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.conftest import LateApp
from tests.faults.site import Site, open_site

from frontdesk.core.settings import Settings
from frontdesk.simulator import Simulator


@pytest_asyncio.fixture(loop_scope="session")
async def site(
    settings: Settings,
    database_urls: dict[str, str],
    world: tuple[Simulator, LateApp],
    tmp_path: Path,
) -> AsyncIterator[Site]:
    """A desk with a worker process of its own, on the migrated database of `settings`."""
    async with open_site(database_urls, world, tmp_path) as opened:
        yield opened
