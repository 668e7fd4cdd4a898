"""A worker process that a test may kill. Forked from a server that has imported everything once."""

import asyncio
import multiprocessing
import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from frontdesk import main, worker
from frontdesk.core import crash
from frontdesk.core.settings import load_settings

# This module is what the fork server imports first, so that each worker starts in an instant.
if os.environ.pop("FRONTDESK_PRELOAD", None):
    asyncio.run(worker.warm())


def start(
    environment: dict[str, str], crash_at: str | None, marker: Path, *, web: bool = False
) -> ForkServerProcess:
    """A worker (or a web process); with `crash_at` it kills itself there, once a marker."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_work, args=(environment, crash_at, marker, web), daemon=True)
    os.environ["FRONTDESK_PRELOAD"] = "1"  # For the fork server, which the first start brings up.
    process.start()
    os.environ.pop("FRONTDESK_PRELOAD", None)
    return process


def _work(environment: dict[str, str], crash_at: str | None, marker: Path, web: bool) -> None:
    os.environ.update(environment)
    if crash_at:
        crash._POINT, crash._MARKER = crash_at, str(marker)
    if web:
        main.serve(load_settings(None))
    else:
        asyncio.run(worker.run(load_settings(None)))
