"""`frontdesk demo --check`: a scripted day on a Frontdesk of its own, and a timeline of what was seen."""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from frontdesk.demo.errors import DemoError
from frontdesk.demo.places import Folder
from frontdesk.demo.run import ended_by_signals
from frontdesk.demo.seed import open_shop, signed_in
from frontdesk.demo.seeing import Day, Script, Sight, title
from frontdesk.demo.world import Plan, end_of, plan_for_check, ready, running, servers


@dataclass(frozen=True)
class Line:
    """One line of the timeline."""

    step: str
    title: str
    seen: str
    at_seconds: float
    took_seconds: float
    cost_usd: Decimal | None
    ok: bool


@dataclass(frozen=True)
class Timeline:
    """What was seen, and when."""

    ok: bool
    failed_step: str | None
    started_in_seconds: float
    took_seconds: float
    cost_usd: Decimal
    steps: list[Line]


def run_check(script: Script[Any], *, as_json: bool) -> int:
    """Start everything in a temporary folder, play a day, print its timeline; the exit code.

    0 when every step was seen from outside; 1 otherwise, with the step named and the folder kept.

    Raises:
        DemoError, EmbeddedServiceError: it did not come up.
    """
    path = Path(tempfile.mkdtemp(prefix="frontdesk-check-"))
    path.chmod(0o755)  # As root, the embedded servers run as another user.
    note = _silent if as_json else _tell
    began_at = time.monotonic()
    with ended_by_signals():
        folder = Folder(path)
        kept = True
        try:
            with folder.held(), servers(folder, {}, note) as named:
                plan = plan_for_check()
                timeline = asyncio.run(_check(script, folder, plan, named, note, began_at))
            kept = not timeline.ok
        except KeyboardInterrupt:
            kept = False
            raise
        finally:
            if not kept:
                _remove(path, folder)
    if as_json:
        _tell(json.dumps(asdict(timeline), ensure_ascii=False, indent=2, default=str))
    else:
        _tell(_summary(timeline, len(script.steps), folder))
    return 0 if timeline.ok else 1


def _remove(path: Path, folder: Folder) -> None:
    # Where the servers' user could not reach the folder, their data is in another one.
    with suppress(OSError):
        words = (folder.services / "data-is-elsewhere.txt").read_text().rstrip(".\n").split()
        shutil.rmtree(words[-1], ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


async def _check(
    script: Script[Any],
    folder: Folder,
    plan: Plan,
    named: dict[str, str],
    note: Callable[[str], None],
    began_at: float,
) -> Timeline:
    secrets = folder.secrets()
    async with running(folder, plan, named, note) as supervisor:
        note("Opening the shop …")
        await open_shop(supervisor, plan, secrets)
        await ready(supervisor, plan, "workers")
        ready_at = time.monotonic()
        note(f"Ready after {ready_at - began_at:.1f} s. The day begins.\n")
        lines: list[Line] = []

        async def play() -> None:
            async with (
                signed_in(plan, secrets) as team,
                httpx.AsyncClient(
                    base_url=plan.simulator_url, timeout=30, trust_env=False
                ) as simulator,
                script.begin(team, simulator) as day,
            ):
                for step in script.steps:
                    lines.append(await _see(step, day, began_at))
                    note(_row(lines[-1]))
                    if not lines[-1].ok:
                        return

        note(_head())
        await end_of(supervisor, asyncio.create_task(play()))
        note("\nStopping …")
    failed = next((line.step for line in lines if not line.ok), None)
    if failed is None and len(lines) < len(script.steps):
        failed = script.steps[len(lines)].__name__
    return Timeline(
        ok=failed is None,
        failed_step=failed,
        started_in_seconds=round(ready_at - began_at, 2),
        took_seconds=round(time.monotonic() - began_at, 2),
        cost_usd=sum(
            (line.cost_usd for line in lines if line.cost_usd and line.step not in _SUMS),
            Decimal(0),
        ),
        steps=lines,
    )


# These steps look back: what they show has been counted already.
_SUMS = ("trace", "usage")


async def _see(step: Callable[[Any], Awaitable[Sight]], day: Day, began_at: float) -> Line:
    started_at = time.monotonic()
    try:
        sight = await step(day)
        seen, cost, ok = sight.what, sight.cost_usd, True
    except (DemoError, httpx.HTTPError, KeyError, TypeError) as error:
        # A body that lacks what it must hold is something not seen, too.
        seen, cost, ok = f"{type(error).__name__}: {error}", None, False
    return Line(
        step=step.__name__,
        title=title(step),
        seen=seen,
        at_seconds=round(started_at - began_at, 2),
        took_seconds=round(time.monotonic() - started_at, 2),
        cost_usd=cost,
        ok=ok,
    )


def _head() -> str:
    return f"{'at':>8}{'took':>8}{'cost':>11}  step"


def _row(line: Line) -> str:
    cost = "" if line.cost_usd is None else f"${line.cost_usd:.6f}"
    mark = "✓" if line.ok else "✗"
    times = f"{line.at_seconds:>6.1f} s{line.took_seconds:>6.1f} s{cost:>11}"
    return f"{times}  {mark} {line.title}\n{'':>31}{line.seen}"


def _summary(timeline: Timeline, steps: int, folder: Folder) -> str:
    seen = sum(line.ok for line in timeline.steps)
    told = (
        f"{seen} of {steps} steps seen in {timeline.took_seconds:.0f} s, of which "
        f"{timeline.started_in_seconds:.0f} s to start; model calls would have cost "
        f"${timeline.cost_usd:.6f}."
    )
    if timeline.ok:
        return f"\n{told}"
    return f"\n{told}\nNot seen: {timeline.failed_step}. Logs and data are kept in {folder.path}"


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _silent(_sentence: str) -> None:
    """Say nothing: standard output is for the JSON."""
