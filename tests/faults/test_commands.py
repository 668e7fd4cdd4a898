"""The commands operators start workers with, stopped as orchestrators stop them."""

import asyncio
import os
import signal
import sys

import pytest
from faults.site import Site


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "frontdesk", "worker"], id="frontdesk worker"),
        pytest.param(["-m", "arq", "frontdesk.worker.WorkerSettings"], id="arq"),
    ],
)
async def test_either_command_works_and_drains_on_sigterm(site: Site, command: list[str]) -> None:
    await site.begin("commands", {"WORKER__DRAIN_SECONDS": "20"}, tenants=1, workers=0)
    phone = site.phone()
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **site.environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        site.say(phone)
        await site.until(lambda: phone.replies, 90, "it does not answer")
        site.simulator.configure(model_latency_seconds=(0.5, 0.5))
        await site.say(phone, "Can I return a lamp?")
        await site.until(lambda: site.simulator.model.open_requests, 60, "no model was asked")
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await worker.wait()
        assert len(phone.replies) == 2, "what was in hand has ended"
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
        await site.end()
