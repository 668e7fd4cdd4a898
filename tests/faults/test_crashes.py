"""kill -9 at the points of the failure matrix: one reply each, none lost, none twice."""

import asyncio
import signal
from collections.abc import AsyncIterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.conftest import LateApp, as_environment, setting_values
from tests.desk import Desk, eventually
from tests.faults import worker_process

from frontdesk.core.resources import open_resources
from frontdesk.core.settings import Settings
from frontdesk.main import create_app
from frontdesk.simulator import Simulator
from frontdesk.subscriptions import SUBSCRIPTIONS

pytestmark = pytest.mark.timeout(120)


class Site:
    """A desk whose worker is a process of its own that can be killed."""

    def __init__(self, desk: Desk, environment: dict[str, str], folder: Path) -> None:
        self.desk = desk
        self._environment = environment
        self._folder = folder
        self.workers: list[BaseProcess] = []

    def start_worker(self, crash_at: str | None = None) -> BaseProcess:
        worker = worker_process.start(self._environment, crash_at, self.marker(crash_at or ""))
        self.workers.append(worker)
        return worker

    def marker(self, point: str) -> Path:
        return self._folder / f"crashed-{point}"

    async def died(self, worker: BaseProcess) -> None:
        await eventually(lambda: not worker.is_alive(), seconds=40)
        assert worker.exitcode == -signal.SIGKILL

    async def let_time_pass(self, *, sends_moved_back_seconds: float = 0) -> None:
        """Leases and deadlines run out, without the wait; sends may come to lie further back."""
        async with self.desk.resources.db.system() as connection:
            await connection.execute(
                "UPDATE conversation SET lease_until = now() - interval '1 second' "
                "WHERE lease_until IS NOT NULL"
            )
            await connection.execute(
                "UPDATE webhook_event SET due_at = now() WHERE state='pending'"
            )
            await connection.execute(
                "UPDATE outbound SET due_at = now(), sending_since = sending_since - "
                "make_interval(secs => $1) WHERE state IN ('sending', 'unknown')",
                sends_moved_back_seconds,
            )

    async def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()


@pytest_asyncio.fixture(loop_scope="session")
async def site(
    settings: Settings,
    database_urls: dict[str, str],
    world: tuple[Simulator, LateApp],
    tmp_path: Path,
) -> AsyncIterator[Site]:
    """A web application without a worker in its process, and a tenant."""
    simulator, way_in = world
    before = way_in.inner
    await simulator.reset()
    async with open_resources(settings, SUBSCRIPTIONS) as resources:
        app = create_app(settings, resources)
        way_in.inner = httpx.ASGITransport(app=app)
        desk = await Desk.make(app, resources, None, simulator)
        made = Site(desk, as_environment(setting_values(database_urls, simulator)), tmp_path)
        yield made
        await made.stop()
        await desk.aclose()
        await simulator.settle()
    way_in.inner = before


WORKER_POINTS = (
    "during_receive",
    "after_claim",
    "after_model",
    "before_decide_commit",
    "after_decide",
    "after_post",
    "after_finish",
)


@pytest.mark.parametrize("point", WORKER_POINTS)
async def test_a_worker_killed_at_any_point_answers_once(site: Site, point: str) -> None:
    phone = site.desk.phone()
    doomed = site.start_worker(crash_at=point)
    phone.say("How long does delivery take?")
    await site.died(doomed)
    await site.let_time_pass()
    site.start_worker()
    await eventually(lambda: phone.replies, seconds=40)
    await _settled(site)
    assert len(phone.replies) == 1, phone.replies
    assert "3 to 5 working days" in phone.replies[0]
    await _no_gaps(site)


async def test_a_send_that_never_left_is_repeated_once_the_channel_is_proven_alive(
    site: Site,
) -> None:
    phone = site.desk.phone()
    doomed = site.start_worker(crash_at="after_mark")
    phone.say("How long does delivery take?")
    await site.died(doomed)
    await site.let_time_pass()
    site.start_worker()
    await eventually(lambda: _states(site, "unknown"), seconds=40)
    await site.let_time_pass()
    await asyncio.sleep(1.5)
    assert phone.replies == [], "without evidence nothing is sent again"
    other = site.desk.phone("4915550002")
    other.say("When are you open?")
    await eventually(lambda: other.replies, seconds=20)
    await site.let_time_pass(sends_moved_back_seconds=20)
    await eventually(lambda: phone.replies, seconds=20)
    await _settled(site)
    assert len(phone.replies) == 1


async def test_two_workers_killed_at_the_same_point_still_answer_once(site: Site) -> None:
    phone = site.desk.phone()
    for number in (1, 2):
        doomed = site.start_worker(crash_at="after_claim")
        if number == 1:
            phone.say("How long does delivery take?")
        await site.died(doomed)
        site.marker("after_claim").unlink()
        await site.let_time_pass()
    site.start_worker()
    await eventually(lambda: phone.replies, seconds=40)
    await _settled(site)
    assert len(phone.replies) == 1


async def _states(site: Site, state: str) -> list[Any]:
    return await site.desk.sql("SELECT id FROM outbound WHERE state = $1", state)


async def _settled(site: Site) -> None:
    """Whatever could still be sent has had its time."""
    await eventually(
        lambda: site.desk.sql(
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbound WHERE state <> 'sent')"
        ),
        seconds=20,
    )
    await asyncio.sleep(0.5)


async def _no_gaps(site: Site) -> None:
    rows = await site.desk.sql("SELECT from_seq, to_seq, outcome FROM turn ORDER BY from_seq")
    assert [(row["from_seq"], row["to_seq"], row["outcome"]) for row in rows] == [(1, 1, "replied")]
