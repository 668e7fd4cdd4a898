"""A desk whose worker is a process of its own, which a test may kill, stop or replace."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
from tests.conftest import KEYS, LateApp, as_environment, setting_values
from tests.desk import Desk, eventually
from tests.faults import worker_process

from frontdesk.core.resources import open_resources
from frontdesk.core.settings import load_settings
from frontdesk.main import create_app
from frontdesk.simulator import Simulator
from frontdesk.subscriptions import SUBSCRIPTIONS


class Site:
    """A desk whose worker is a process of its own that can be killed."""

    def __init__(self, desk: Desk, environment: dict[str, str], folder: Path) -> None:
        self.desk = desk
        self.environment = environment
        self._folder = folder
        self.workers: list[BaseProcess] = []

    def start_worker(self, crash_at: str | None = None) -> BaseProcess:
        worker = worker_process.start(self.environment, crash_at, self.marker(crash_at or ""))
        self.workers.append(worker)
        return worker

    def start_web(self, port: int, crash_at: str | None = None) -> BaseProcess:
        environment = {**self.environment, "WEB__PORT": str(port)}
        marker = self.marker(crash_at or "")
        web = worker_process.start(environment, crash_at, marker, web=True)
        self.workers.append(web)
        return web

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


@asynccontextmanager
async def open_site(
    urls: dict[str, str], world: tuple[Simulator, LateApp], folder: Path
) -> AsyncIterator[Site]:
    """A web application without a worker in its process, and a tenant."""
    simulator, way_in = world
    before = way_in.inner
    await simulator.reset()
    values = setting_values(urls, simulator)
    async with open_resources(load_settings(None, **values, **KEYS), SUBSCRIPTIONS) as resources:
        await resources.redis.flushdb()
        app = create_app(resources.settings, resources)
        way_in.inner = httpx.ASGITransport(app=app)
        desk = await Desk.make(app, resources, None, simulator)
        site = Site(desk, as_environment(values), folder)
        try:
            yield site
        finally:
            await site.stop()
            await desk.aclose()
            await simulator.settle()
            way_in.inner = before
