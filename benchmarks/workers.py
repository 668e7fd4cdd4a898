"""How many messages a second one, two and four workers answer: `python -m benchmarks.workers`.

Each number of workers has a web process of its own and the same Postgres, Valkey and outside world; 64
contacts write again as soon as they are answered, and the model answers at once. So it is CPU that ends,
and what one worker more brings is what it gets of the machine's cores.
"""

import argparse
import os
import sys
from dataclasses import asdict, dataclass

import orjson

from benchmarks import meter
from benchmarks.ground import Ground
from benchmarks.pipeline import DEBOUNCE_SECONDS, saturate
from benchmarks.processes import Failed
from benchmarks.stage import Stage

COUNTS = (1, 2, 4)


@dataclass(frozen=True)
class Slope:
    """What so many workers did: medians over the rounds, CPU in milliseconds a message."""

    workers: int
    messages_per_second: float
    desk_cpu_ms: float
    web_cpu_ms: float
    postgres_cpu_ms: float

    @property
    def cores_used(self) -> float:
        """How many cores the desk and Postgres kept busy; the outside world has the rest."""
        return self.messages_per_second * (self.desk_cpu_ms + self.postgres_cpu_ms) / 1000


def measure(stage: Stage, workers: int, *, rounds: int, each: int) -> Slope:
    """Start so many workers, let them answer, and end them: a stopped one would keep its leases."""
    product = stage.start_product(debounce_seconds=DEBOUNCE_SECONDS, workers=workers)
    saturate(stage, product, 2)  # Not counted: caches and plans.
    found = [saturate(stage, product, each) for _ in range(rounds)]
    for process in product.processes:
        stage.ground.end(process)
    rate, cpu, web, postgres = (
        meter.median([one[name] for one in found]) for name in ("rate", "cpu", "first", "postgres")
    )
    return Slope(workers, rate, cpu, web, postgres)


def main() -> int:
    """Measure each count; 2 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--each", type=int, default=3, help="messages of each of 64 contacts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    slopes: list[Slope] = []
    try:
        with Ground() as ground:
            stage = Stage(ground)
            print("the stage is set", file=sys.stderr, flush=True)
            for workers in COUNTS:
                slopes.append(measure(stage, workers, rounds=asked.rounds, each=asked.each))
                print(slopes[-1], file=sys.stderr, flush=True)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 2
    if asked.json:
        print(orjson.dumps([asdict(slope) for slope in slopes]).decode())
        return 0
    first = slopes[0].messages_per_second
    print("| workers | messages a second | to one | desk, ms | web, ms | Postgres, ms | cores |")
    print("|---|---|---|---|---|---|---|")
    for slope in slopes:
        print(
            f"| {slope.workers} | {slope.messages_per_second:.0f} "
            f"| {slope.messages_per_second / first:.2f} | {slope.desk_cpu_ms:.1f} "
            f"| {slope.web_cpu_ms:.1f} | {slope.postgres_cpu_ms:.1f} | {slope.cores_used:.1f} |"
        )
    print(
        f"\n{os.cpu_count()} cores; CPU is per message. The load and the outside world share them."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
