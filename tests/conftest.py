"""Shared ground of the tests: real Postgres and Valkey, the app, a worker and the simulator.

Tests commit for real. Each gets a tenant of its own, and row-level security keeps them apart as it
keeps customers apart; nothing is rolled back or truncated.
"""

import asyncio
import atexit
import base64
import gc
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import hypothesis
import pytest
import pytest_asyncio
import structlog
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from tests.desk import Desk
from tests.forked import one_by_one

from frontdesk import gateway
from frontdesk.core import migrate
from frontdesk.core.connections import allow_many_connections
from frontdesk.core.db import Bell
from frontdesk.core.embedded import EmbeddedPostgres, EmbeddedRedis
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings, load_settings, with_database, with_user
from frontdesk.core.work import Dispatcher
from frontdesk.gateway.breaker import Breaker
from frontdesk.gateway.door import Door
from frontdesk.identity import passwords
from frontdesk.main import create_app
from frontdesk.observability.overdue import OVERDUE
from frontdesk.simulator import APP_ID, Simulator, SimulatorSettings, running
from frontdesk.subscriptions import SUBSCRIPTIONS
from frontdesk.worker import warm, working

# A shell may have the settings of something that runs, or ran. They are not for these tests, nor for the
# processes these start; but an administrator's Postgres and a Redis are servers to test on.
OWN_SERVERS = {"DATABASE__ADMIN_URL": "TEST_POSTGRES_URL", "REDIS__URL": "TEST_REDIS_URL"}
for _name in list(os.environ):
    if _name.lower().partition("__")[0] in {*Settings.model_fields, "frontdesk_init"}:
        _value = os.environ.pop(_name)
        if _name in OWN_SERVERS:
            # Under a name of our own it reaches the processes of pytest-xdist, which begin after this.
            os.environ[OWN_SERVERS[_name]] = _value

APP_SECRET = "test_app_secret"
SOURCE = Path(__file__).parents[1] / "src"
PRIVACY_FOLDER = tempfile.mkdtemp(prefix="frontdesk-privacy-")
atexit.register(shutil.rmtree, PRIVACY_FOLDER, ignore_errors=True)
# As every process of ours does when it opens its resources; the simulator alone opens none.
allow_many_connections()

# As `frontdesk` does before it imports what a command needs.
gc.set_threshold(50_000)

# An exception in the log is told plainly: with every local variable it takes seconds, in which
# nothing else in this process goes on.
_told = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _told])

# The same examples each time, and none fails because the machine is busy.
hypothesis.settings.register_profile("frontdesk", deadline=None, derandomize=True)
hypothesis.settings.load_profile("frontdesk")


class LateApp(httpx.AsyncBaseTransport):
    """The way from the simulator's webhooks into an application that is made after it."""

    def __init__(self) -> None:
        self.inner: httpx.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.inner is not None, "the application is not there yet"
        return await self.inner.handle_async_request(request)


# The longest, each begun in a process of its own as far as there are enough: one after another, or
# begun last, they would leave the other processes nothing to do.
_LONGEST = (
    "faults/test_",
    "test_the_demo_heals",
    "isolation/",
    "test_every_step_of_the_scripted_day",
    "test_store_faults.py",
    "test_feed_faults.py",
    "test_hostile_bodies.py",
    "test_replays.py",
)


def pytest_collection_finish() -> None:
    """Keep the collector from walking over all modules and tests again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the longest to the processes in turn; all else keeps its order.

    pytest-xdist gives each process a part of the list, and what it can from the ends of the others
    to one that has nothing left to do.
    """
    processes = int(getattr(config, "workerinput", {}).get("workercount", 1))
    longest = sorted((item for item in items if _place(item) is not None), key=_place)
    rest = [item for item in items if _place(item) is None]
    dealt: list[pytest.Item] = []
    for number in range(processes):
        share = (len(items) - len(dealt)) // (processes - number)
        hand = [item for item in longest if _place(item) % processes == number]
        others = max(share - len(hand), 0)
        dealt += hand + rest[:others]
        del rest[:others]
    items[:] = dealt + rest


def _place(item: pytest.Item) -> Any:
    """Where in `_LONGEST` a test stands; None for all others."""
    return next((n for n, part in enumerate(_LONGEST) if part in item.nodeid), None)


@pytest.fixture(scope="session", autouse=True)
def honest_hasher() -> Iterator[PasswordHash]:
    """Lets a password cost nothing here, as each desk has three; the hasher of production."""
    with pytest.MonkeyPatch.context() as patch:
        hasher = passwords._HASHER
        cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "_HASHER", PasswordHash((cheap,)))
        yield hasher


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, str]]:
    """Addresses of Postgres (as administrator) and Redis: those given, if both are, or embedded ones."""
    given = {name: os.environ[name] for name in OWN_SERVERS.values() if name in os.environ}
    if len(given) == len(OWN_SERVERS):
        yield {"admin": given["TEST_POSTGRES_URL"], "redis": given["TEST_REDIS_URL"]}
        return
    folder = Path(tempfile.mkdtemp(prefix="frontdesk-tests-"))
    folder.chmod(0o755)
    with (
        EmbeddedPostgres(folder / "postgres", durable=False) as postgres,
        EmbeddedRedis(folder / "redis") as redis,
    ):
        yield {"admin": postgres.url, "redis": redis.url}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database_urls(servers: dict[str, str], worker_id: str) -> dict[str, str]:
    """The servers' addresses with a database of this test process's own."""
    app = with_database(with_user(servers["admin"], "frontdesk_app"), f"frontdesk_{worker_id}")
    return {**servers, "app": app}


@pytest.fixture(scope="session")
def settings(database_urls: dict[str, str], world: tuple[Simulator, LateApp]) -> Settings:
    """Settings of a freshly migrated database, with the simulator as the outside world."""
    made = load_settings(None, **setting_values(database_urls, world[0]), **KEYS)
    migrate.migrate(made.database)
    return made


def setting_values(urls: dict[str, str], simulator: Simulator) -> dict[str, dict[str, Any]]:
    """What tests set: short waits, known secrets, the simulator as the outside world."""
    return {
        "database": {"url": urls["app"], "admin_url": urls["admin"]},
        "redis": {"url": urls["redis"], "socket_timeout_seconds": 1},
        "security": {
            "session_secret": "a-secret-of-tests-and-nothing-else",
            "encryption_keys": f"k1:{base64.b64encode(bytes(range(32))).decode()}",
        },
        "whatsapp": {
            "app_secrets": APP_SECRET,
            "verify_token": "verify-me",
            "app_id": APP_ID,
            "api_base": simulator.url,
            # What a test holds on the wire may be held for so long.
            "send_timeout_seconds": 15,
        },
        "web": {"public_url": "http://testserver", "insecure_cookies": True, "docs": True},
        "worker": {"debounce_seconds": 0.05, "debounce_max_seconds": 0.3, "drain_seconds": 5},
        "llm": {"groq_api_base": simulator.groq_url, "openai_api_base": simulator.openai_url},
        "log": {"level": "WARNING"},
        "privacy": {"folder": PRIVACY_FOLDER},
        "stripe": {
            "secret_key": "sk_test_simulated",
            "webhook_secrets": "whsec_simulated",
            "api_url": simulator.stripe_url,
            "timeout_seconds": 2,
            "plans": {
                "small": {"monthly_usd": 29, "max_users": 3},
                "standard": {
                    "monthly_usd": 99,
                    "usd_per_million_tokens": 2,
                    "usd_per_message": "0.01",
                    "usd_per_resolution": "0.5",
                    "max_users": 10,
                },
            },
        },
        "storage": {"folder": f"{PRIVACY_FOLDER}/files"},
        "fetch": {"allow_loopback": True},
    }


KEYS = {"groq_api_key": "test-key", "openai_api_key": "test-key"}


def as_environment(values: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The same settings for a process of its own."""
    nested = {
        f"{section}__{name}".upper(): json.dumps(value) if isinstance(value, dict) else str(value)
        for section, fields in values.items()
        for name, value in fields.items()
    }
    return nested | {name.upper(): value for name, value in KEYS.items()}


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """The name of this test process, `main` without xdist."""
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else "main"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """The open resources of a process."""
    async with open_resources(settings, SUBSCRIPTIONS) as opened:
        yield opened
        await gateway.close(opened)


@pytest_asyncio.fixture(loop_scope="session")
async def admin_sql(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the test database, for looking behind the curtain."""
    assert settings.database.admin_url is not None
    name = settings.database.app_dsn.rpartition("/")[2]
    connection = await asyncpg.connect(
        with_database(settings.database.admin_url.get_secret_value(), name)
    )
    yield connection
    await connection.close()


SIMULATION = SimulatorSettings(
    app_secret=APP_SECRET,
    webhook_url="http://testserver/webhooks/whatsapp",
    stripe_webhook_url="http://testserver/webhooks/stripe",
    status_delay_seconds=(0.001, 0.005),
    retry_pauses_seconds=(0.05,),
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world() -> AsyncIterator[tuple[Simulator, LateApp]]:
    """The outside world, on a port of its own in this event loop."""
    way_in = LateApp()
    async with (
        httpx.AsyncClient(transport=way_in) as client,
        running(SIMULATION, client) as simulator,
    ):
        yield simulator, way_in


# What earlier tests have left to do is none of the next one's work: models would be asked for it,
# messages sent, and all of that counted.
_PUT_OFF = ";".join(
    [
        # Unread, they may hold any message's status: no send would be repeated on evidence.
        "UPDATE webhook_event SET state = 'discarded' WHERE state = 'pending'",
        *(
            f"UPDATE {due.table} SET due_at = due_at + interval '1 year' "
            f"WHERE ({due.unfinished}) AND due_at < now() + interval '1 day'"
            for due in OVERDUE
        ),
    ]
)


def app_on(resources: Resources) -> FastAPI:
    """The web application on these resources."""
    return create_app(resources.settings, resources)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(world: tuple[Simulator, LateApp], resources: Resources) -> FastAPI:
    """The web application on the shared resources."""
    made = app_on(resources)
    world[1].inner = httpx.ASGITransport(app=made)
    return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker(resources: Resources) -> AsyncIterator[tuple[Dispatcher, Bell]]:
    """A worker in this process, whose sweeps `work_until_idle` calls, and its bell."""
    await warm(resources)
    quiet = resources.db.bell
    async with working(resources, sweeps=False) as dispatcher:
        bell, resources.db.bell = resources.db.bell, quiet
        yield dispatcher, bell


@pytest_asyncio.fixture(loop_scope="session")
async def desk(
    app: FastAPI,
    resources: Resources,
    worker: tuple[Dispatcher, Bell],
    world: tuple[Simulator, LateApp],
) -> AsyncIterator[Desk]:
    """A fresh tenant with an agent, a channel, an admin and two human agents, ready to work."""
    simulator = world[0]
    await simulator.reset(SIMULATION)
    # What one test's faults opened or used up must not reach the next.
    await resources.redis.flushdb()
    resources.keep(Door).breaker = Breaker(resources.redis)
    async with resources.db.system() as connection:
        await connection.execute(_PUT_OFF)
    # Only while a desk is there is what comes due done at once, by the worker in this process.
    dispatcher, bell = worker
    quiet, resources.db.bell = resources.db.bell, bell
    made = await Desk.make(app, resources, dispatcher, simulator)
    yield made
    await made.work_until_idle()
    await made.aclose()
    resources.db.bell = quiet


@pytest.fixture
def commands(database_urls: dict[str, str], world: Any, tmp_path: Path) -> Any:
    """Runs commands on the tests' database, in a folder of the test's own: code, stdout, stderr."""
    environment = as_environment(setting_values(database_urls, world[0]))

    async def run(*lines: str) -> list[dict[str, Any]]:
        split = [line.split() for line in lines]
        return await asyncio.to_thread(one_by_one, environment, *split, folder=tmp_path)

    return run
