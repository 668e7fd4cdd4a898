"""Web and worker processes that may be killed. Forked from a server that has imported everything
once, so that each starts in an instant."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

from frontdesk import gateway, main, worker
from frontdesk.core.crash import CrashPlan, arm
from frontdesk.core.settings import load_settings
from frontdesk.pipeline.language import warm_statistics

Role = Literal["web", "worker"]
_PR_SET_PDEATHSIG = 1
_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass
class Member:
    """A process of the site. One that ends without being asked is started again."""

    role: Role
    process: ForkServerProcess
    plan: CrashPlan | None
    wanted: bool = True
    killed: bool = False
    """By the scenario."""

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_to_die(self) -> bool:
        """Whether its end is part of the scenario."""
        plan = self.plan
        return self.killed or (plan is not None and self.pid in {d.pid for d in plan.deaths()})


async def _warm() -> None:
    await asyncio.gather(gateway.warm(), warm_statistics())


# This module is what the fork server imports first, and the one place it may take its time.
if os.environ.pop("FRONTDESK_PRELOAD", None):
    asyncio.run(_warm())


def start(
    role: Role, environment: Mapping[str, str], log: Path, plan: CrashPlan | None = None
) -> Member:
    """A process of that role, writing to `log`; with a plan it dies where that says."""
    preload()
    process = _CONTEXT.Process(
        target=_run, args=(role, dict(environment), log, plan), daemon=True, name=log.stem
    )
    process.start()
    return Member(role, process, plan)


@cache
def preload() -> None:
    """Bring up the fork server: it takes seconds, and whoever starts it can do nothing meanwhile."""
    _CONTEXT.set_forkserver_preload([__name__])
    process = _CONTEXT.Process(target=int)
    os.environ["FRONTDESK_PRELOAD"] = "1"  # For the fork server, which this brings up.
    process.start()
    os.environ.pop("FRONTDESK_PRELOAD", None)
    process.join()


def _run(role: Role, environment: dict[str, str], log: Path, plan: CrashPlan | None) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    if plan is not None:
        arm(plan)
    settings = load_settings(None)
    if role == "web":
        main.serve(settings)
    else:
        asyncio.run(worker.run(settings))
