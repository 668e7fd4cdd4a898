"""Redis killed in the middle of a conversation, and workers started and stopped as operators do."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from tests.conftest import LateApp
from tests.desk import eventually
from tests.faults.site import Site, open_site

from frontdesk.core.embedded import EmbeddedRedis
from frontdesk.core.settings import Settings
from frontdesk.simulator import Simulator

pytestmark = pytest.mark.timeout(120)


async def test_a_conversation_goes_on_while_redis_is_killed_and_after_it_is_back(
    settings: Settings,
    database_urls: dict[str, str],
    world: tuple[Simulator, LateApp],
    tmp_path: Path,
) -> None:
    redis = EmbeddedRedis(_folder())
    urls = {**database_urls, "redis": redis.start()}
    try:
        async with open_site(urls, world, tmp_path) as site:
            phone = site.desk.phone()
            site.start_worker()
            phone.say("How long does delivery take?")
            await eventually(lambda: len(phone.replies) == 1, seconds=30)
            redis.kill()
            await phone.say("Can I return a lamp?")
            await eventually(lambda: len(phone.replies) == 2, seconds=30)
            redis.start()
            phone.say("When are you open?")
            await eventually(lambda: len(phone.replies) == 3, seconds=30)
            await asyncio.sleep(1)
            assert len(phone.replies) == 3
            outcomes = await site.desk.sql("SELECT outcome FROM turn")
            assert [row["outcome"] for row in outcomes] == ["replied"] * 3
    finally:
        redis.stop()


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="frontdesk-redis-"))
    folder.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "frontdesk", "worker"], id="frontdesk worker"),
        pytest.param(["-m", "arq", "frontdesk.worker.WorkerSettings"], id="arq"),
    ],
)
async def test_either_command_works_and_drains_on_sigterm(site: Site, command: list[str]) -> None:
    phone = site.desk.phone()
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **site.environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        phone.say("How long does delivery take?")
        await eventually(lambda: phone.replies, seconds=40)
        site.desk.simulator.configure(model_latency_seconds=(0.5, 0.5))
        await phone.say("Can I return a lamp?")
        await eventually(lambda: site.desk.simulator.model.open_requests, seconds=10)
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await worker.wait()
        assert len(phone.replies) == 2, "what was in hand has ended"
    finally:
        site.desk.simulator.configure(model_latency_seconds=(0, 0))
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
