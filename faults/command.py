"""`python -m faults`: play every scenario, print the table, and end with 1 if a promise broke."""

import argparse
import asyncio
import signal
import sys
import time
from collections import deque
from contextlib import AsyncExitStack, ExitStack

import orjson
from benchmarks.ground import Ground

from faults import judge, processes, report
from faults.scenario import Result, Scenario
from faults.scenarios import SCENARIOS
from faults.site import Site, open_site


def main() -> int:
    """Do what was asked for; 0 when every promise held, 1 when one broke."""
    asked = _arguments()
    if asked.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:32} {scenario.point}")
        return 0
    chosen = [s for s in SCENARIOS if not asked.only or s.name in asked.only]
    processes.preload()
    with ExitStack() as stack:
        sites = min(asked.jobs, len(chosen))
        grounds = [stack.enter_context(Ground()) for _ in range(sites)]
        try:
            results = asyncio.run(_play(grounds, chosen, asked.seed))
        except (asyncio.CancelledError, KeyboardInterrupt):
            return 130
    if asked.json:
        print(orjson.dumps([r.view() for r in results], option=orjson.OPT_INDENT_2).decode())
    else:
        print(report.table(results))
    if not all(result.holds for result in results):
        return 1
    if asked.write_docs:
        report.write_docs(results)
    return 0


async def _play(grounds: list[Ground], chosen: list[Scenario], seed: int) -> list[Result]:
    """The scenarios side by side, a site each, and then those that need the machine alone."""
    began = time.monotonic()
    playing = asyncio.current_task()
    assert playing is not None
    # So that every server and process ends with us, and a small disk is unmounted.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    results: dict[str, Result] = {}
    side_by_side = deque(scenario for scenario in chosen if not scenario.alone)
    one_by_one = deque(scenario for scenario in chosen if scenario.alone)

    async def play(site: Site, waiting: deque[Scenario]) -> None:
        while waiting:
            scenario = waiting.popleft()
            result = results[scenario.name] = await judge.run(site, scenario, seed)
            told = [f"{time.monotonic() - began:4.0f} s  {scenario.name}", *result.broken]
            if not result.holds:
                told += site.last_words()
            print("\n".join(told), file=sys.stderr, flush=True)

    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(open_site(ground)) for ground in grounds]
        await asyncio.gather(*(play(site, side_by_side) for site in sites))
        await play(sites[0], one_by_one)
    return [results[scenario.name] for scenario in chosen]


def _arguments() -> argparse.Namespace:
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="python -m faults",
        description="Break Frontdesk at every point of its failure matrix and count the answers.",
        epilog="Ends with 1 when a promise broke.",
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help="this scenario; repeatable"
    )
    parser.add_argument("--seed", type=int, default=1, help="of every draw; 1 by default")
    parser.add_argument(
        "--jobs", type=int, default=2, choices=range(1, 9), help="sites side by side; 2 by default"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="write the table of docs/reliability.md, if every scenario holds",
    )
    asked = parser.parse_args()
    if asked.write_docs and asked.only:
        parser.error("the table is of a run of all scenarios: --write-docs goes without --only")
    return asked
