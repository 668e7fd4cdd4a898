"""`frontdesk demo`: everything up, for as long as people look at it."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frontdesk.demo import phones
from frontdesk.demo.banner import banner
from frontdesk.demo.errors import DemoError
from frontdesk.demo.places import Folder
from frontdesk.demo.seed import open_shop, signed_in
from frontdesk.demo.stories import STORIES
from frontdesk.demo.traffic import play_all
from frontdesk.demo.world import (
    PHONE_NUMBER_ID,
    Plan,
    end_of,
    plan_from,
    ready,
    running,
    servers,
)


def run_demo(path: Path, *, port: int | None, reset: bool) -> None:
    """Run the demo in this folder until Ctrl-C or SIGTERM; nothing of it is left running.

    Args:
        port: of the web process; None takes 8000 if it is free, 0 any free one.
        reset: forget what an earlier demo left in the folder.

    Raises:
        DemoError, EmbeddedServiceError: it can't start, or something crashes again and again.
    """
    with ended_by_signals():
        try:
            _run(Folder(path), port=port, reset=reset)
        except KeyboardInterrupt:
            tell("Stopped.")


def tell(sentence: str) -> None:
    """Say something to whoever started the demo, at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, with everything in it stopped in order."""

    def interrupt(_number: int, _frame: object) -> None:
        # As SIGINT, which asyncio turns into a cancelled task and the rest into an exception.
        signal.raise_signal(signal.SIGINT)

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Shells let a command in the background ignore it; asyncio then leaves it alone, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(folder: Folder, *, port: int | None, reset: bool) -> None:
    with folder.held():
        if reset:
            if os.environ.get("DATABASE__URL"):
                raise DemoError(
                    "--reset clears embedded databases only, and DATABASE__URL names one of your "
                    "own. Drop that one yourself, or unset DATABASE__URL."
                )
            folder.clear()
        plan = plan_from(os.environ, port=port)
        with servers(folder, os.environ, tell) as named:
            asyncio.run(_serve(folder, plan, named))


async def _serve(folder: Folder, plan: Plan, named: dict[str, str]) -> None:
    secrets = folder.secrets()
    async with running(folder, plan, named, tell) as supervisor:
        is_new = len(folder.state.told) < len(STORIES)
        if is_new:
            tell("Opening the shop …")
            await open_shop(supervisor, plan, secrets)
        await ready(supervisor, plan, "workers")
        await phones.restore(folder, plan)
        folder.state.web, folder.state.simulator = plan.web_url, plan.simulator_url
        folder.state.phone_number_id = PHONE_NUMBER_ID
        folder.save_state()
        tell(banner(folder, plan, secrets, is_new=is_new))
        try:
            await end_of(supervisor, asyncio.create_task(_live(folder, plan)))
        finally:
            tell("\nStopping …")


async def _live(folder: Folder, plan: Plan) -> None:
    """Play what is left of the stories, and then stay."""
    keeping = asyncio.create_task(phones.keep_for_ever(folder, plan))
    try:
        if len(folder.state.told) < len(STORIES):
            async with signed_in(plan, folder.secrets()) as team:
                astray = await play_all(folder, plan, team, _show_progress)
            for line in astray:
                tell(f"  Not as written: {line}")
        await keeping
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def _show_progress(done: int, total: int) -> None:
    """One line that moves, or on no terminal a line now and then."""
    if sys.stdout.isatty():
        width = min(30, max(10, shutil.get_terminal_size().columns - 40))
        filled = width * done // total
        bar = "█" * filled + "░" * (width - filled)
        end = "\n" if done == total else ""
        sys.stdout.write(f"\r  {bar} {done} of {total} conversations{end}")
        sys.stdout.flush()
    elif done % 10 == 0:
        tell(f"  {done} of {total} conversations")
