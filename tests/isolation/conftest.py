"""Two tenants on one deployment, each with some of everything, and all who may call."""

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import asyncpg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from structlog.testing import capture_logs
from tests.conftest import LateApp
from tests.desk import Desk
from tests.isolation.callers import Caller, callers_of
from tests.isolation.things import furnish

from frontdesk.core.db import Bell
from frontdesk.core.resources import Resources
from frontdesk.core.settings import MailSettings, Settings, with_database
from frontdesk.core.work import Dispatcher
from frontdesk.main import create_app
from frontdesk.simulator import Simulator


@dataclass(frozen=True)
class Neighbours:
    """Ours, whose people try, and theirs, which must stay as it is. The marks are in all words."""

    app: FastAPI
    ours: Desk
    theirs: Desk
    our_mark: str
    their_mark: str


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Drawing the traceback of each of a hundred crashes would take seconds each."""
    with capture_logs():
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_app(resources: Resources, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application with mail and without a rate for its callers: they ask for all there is."""
    no_rate = {"requests_per_minute": 1_000_000, "tenant_requests_per_minute": 1_000_000}
    limits = resources.settings.limits.model_copy(update=no_rate)
    folder = str(tmp_path_factory.mktemp("mail"))
    mail = MailSettings(outbox_folder=folder, sender="Frontdesk <desk@frontdesk.example>")
    settings = resources.settings.model_copy(update={"limits": limits, "mail": mail})
    return create_app(settings, replace(resources, settings=settings))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def neighbours(
    app: FastAPI,
    open_app: FastAPI,
    resources: Resources,
    settings: Settings,
    worker: tuple[Dispatcher, Bell],
    world: tuple[Simulator, LateApp],
) -> AsyncIterator[Neighbours]:
    """Two furnished tenants."""
    assert settings.database.admin_url is not None
    admin_url = settings.database.admin_url.get_secret_value()
    name = settings.database.app_dsn.rpartition("/")[2]
    admin_sql = await asyncpg.connect(with_database(admin_url, name))
    desks, marks = [], [f"mark{secrets.token_hex(8)}" for _ in range(2)]
    dispatcher, bell = worker
    # Without it nobody would wait for what comes due in a moment, as a burst does that may go on.
    quiet, resources.db.bell = resources.db.bell, bell
    for times, mark in enumerate(marks, start=2):
        desk = await Desk.make(open_app, resources, dispatcher, world[0])
        await furnish(desk, admin_sql, mark, times)
        desks.append(desk)
    resources.db.bell = quiet
    await admin_sql.close()
    yield Neighbours(open_app, *desks, *marks)
    for desk in desks:
        await desk.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def callers(neighbours: Neighbours) -> list[Caller]:
    """All who may ask something of our tenant, freshly signed in."""
    return await callers_of(neighbours.app, neighbours.ours)
