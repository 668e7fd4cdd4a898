"""`python -m benchmarks`: measure, print the table, and end with 1 when a "must" is missed."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import orjson

from benchmarks import accept, feed, gateway, inbox, inflight, memory, pipeline, reports
from benchmarks.ground import Ground
from benchmarks.pipeline import Effort
from benchmarks.processes import Failed
from benchmarks.report import Row, table
from benchmarks.stage import Stage

PARTS = ("accept", "feed", "inbox", "reports", "pipeline", "e2e", "inflight", "memory", "gateway")


def main() -> int:
    """Measure what was asked for; 0 when every "must" is met, 1 when not, 2 when it broke."""
    asked = _arguments()
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {what}", file=sys.stderr, flush=True)

    try:
        rows = _measure(asked, tell)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if asked.json:
        print(orjson.dumps([row.view() for row in rows], option=orjson.OPT_INDENT_2).decode())
    else:
        print(table(rows))
        print(
            f"\nMedians in turn, {os.cpu_count()} cores, Postgres with fsync; README.md says how."
        )
    return 0 if all(row.meets_must for row in rows) else 1


def _measure(asked: argparse.Namespace, tell: Callable[[str], None]) -> list[Row]:
    parts = PARTS if asked.only is None else (asked.only,)
    rows: list[Row] = []
    with Ground() as ground:
        if "accept" in parts:
            rounds, seconds = (3, 1.2) if asked.quick else (5, 2.5)
            rows += accept.measure(ground, rounds=rounds, seconds=seconds, tell=tell)
        if "feed" in parts:
            crowds = (1_000,) if asked.quick else (1_000, 5_000)
            rows += feed.measure(ground, rounds=3, crowds=crowds, tell=tell)
        if "inbox" in parts:
            big, rounds, asks = (200_000, 3, 100) if asked.quick else (1_000_000, 5, 200)
            rows += inbox.measure(ground, big=big, rounds=rounds, asks=asks, tell=tell)
        if "reports" in parts:
            rows += reports.measure(ground, rounds=5 if asked.quick else 15, tell=tell)
        if set(parts) <= {"accept", "feed", "inbox", "reports"}:
            return rows
        stage = Stage(ground)
        if "pipeline" in parts or "e2e" in parts:
            effort = Effort(3, 3, 2.0) if asked.quick else Effort(5, 5, 4.0)
            rows += pipeline.measure(stage, parts, effort, tell)
        if "inflight" in parts:
            rows += inflight.measure(stage, rounds=1 if asked.quick else 2, tell=tell)
        if "memory" in parts:
            rows += memory.measure(stage, tell=tell)
        if "gateway" in parts:  # Last: it leaves calls of no turn behind.
            rounds, calls = (3, 400) if asked.quick else (5, 800)
            rows += gateway.measure(stage, rounds=rounds, calls=calls, tell=tell)
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Frontdesk against floors of its own, in turn on this machine.",
        epilog="Ends with 1 when a must is missed and with 2 when something could not be measured.",
    )
    parser.add_argument("--only", choices=PARTS, help="measure only this part")
    parser.add_argument("--quick", action="store_true", help="shorter, with fewer rounds")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
