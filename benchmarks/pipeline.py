"""Rows 5 to 7: the whole way of a message, against the delivery design in one small process."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from benchmarks import meter
from benchmarks.ground import Contender
from benchmarks.report import Row
from benchmarks.stage import Stage, load_on

CONTACTS = 64
DEBOUNCE_SECONDS = 0.2
# Tried from the left: the first that both can hold.
RATES_PER_SECOND = (50, 25, 10, 5)

Samples = dict[str, dict[str, list[float]]]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    messages_each: int
    paced_seconds: float


def measure(stage: Stage, parts: Collection[str], effort: Effort, tell: Tell) -> list[Row]:
    """The rows of the parts `pipeline` (CPU) and `e2e` (latency), whichever are asked for."""
    product = stage.start_product(debounce_seconds=DEBOUNCE_SECONDS)
    saturate(stage, product, 2)  # Not counted; the floor takes its prompts from it.
    tell("pipeline: Frontdesk is warm")
    floor = stage.start_floor(debounce_seconds=DEBOUNCE_SECONDS)
    saturate(stage, floor, 2)
    tell("pipeline: the floor is warm")
    contenders = (product, floor)
    rows: list[Row] = []
    if "pipeline" in parts:
        rows += _measure_cpu(stage, contenders, effort, tell)
    if "e2e" in parts:
        rows += _measure_latency(stage, contenders, effort, tell)
    stage.check_turns()
    for process in (*product.processes, *floor.processes):
        stage.ground.end(process)
    return rows


def _measure_cpu(
    stage: Stage, contenders: Collection[Contender], effort: Effort, tell: Tell
) -> list[Row]:
    samples: Samples = {c.name: defaultdict(list) for c in contenders}
    for number in range(effort.rounds):
        for contender in contenders:
            for name, value in saturate(stage, contender, effort.messages_each).items():
                samples[contender.name][name].append(value)
        tell(f"pipeline: round {number + 1} of {effort.rounds}")
    ours, theirs = samples["product"], samples["floor"]
    rate, floor_rate, web, cpu = map(
        meter.median, (ours["rate"], theirs["rate"], ours["first"], ours["cpu"])
    )
    tell(
        f"pipeline: {rate:.0f} messages a second to the floor's {floor_rate:.0f}; "
        f"the web process has {web:.2f} ms of {cpu:.2f} ms a message"
    )
    cpus = ours["cpu"], theirs["cpu"]
    postgres = ours["postgres"], theirs["postgres"]
    return [
        Row("pipeline CPU per message (web + worker)", "ms", *cpus, must=1.6, aim=1.1),
        Row("Postgres CPU per message", "ms", *postgres, must=2, aim=1),
    ]


def _measure_latency(
    stage: Stage, contenders: Collection[Contender], effort: Effort, tell: Tell
) -> list[Row]:
    per_second = next(
        (
            rate
            for rate in RATES_PER_SECOND
            if all(_holds(_pace(stage, c, rate, effort.paced_seconds)) for c in contenders)
        ),
        RATES_PER_SECOND[-1],
    )
    tell(f"e2e: both hold {per_second} a second")
    samples: dict[str, list[float]] = defaultdict(list)
    for number in range(effort.rounds):
        for contender in contenders:
            waits = _pace(stage, contender, per_second, effort.paced_seconds)
            samples[contender.name].append((meter.median(waits) - DEBOUNCE_SECONDS) * 1000)
        tell(f"e2e: round {number + 1} of {effort.rounds}")
    return [
        Row(
            f"end to end minus debounce, p50 at {per_second} a second", "ms",
            samples["product"], samples["floor"], must=30, aim=8,
        )
    ]  # fmt: skip


def saturate(stage: Stage, contender: Contender, each: int) -> dict[str, float]:
    """CPU per message while contacts write again as soon as they are answered."""
    postgres = stage.ground.postgres.pid
    with contender.turn():
        first = contender.processes[0].pid
        before = (
            contender.cpu_seconds(), meter.tree_cpu_seconds(postgres), meter.cpu_seconds(first)
        )  # fmt: skip
        seen = load_on(
            stage.outside,
            contender,
            do="saturate",
            contacts=CONTACTS,
            each=each,
        )
        after = (
            contender.cpu_seconds(), meter.tree_cpu_seconds(postgres), meter.cpu_seconds(first)
        )  # fmt: skip
    per_message = [
        (end - begin) / seen["messages"] * 1000 for begin, end in zip(before, after, strict=True)
    ]
    cpu, postgres_cpu, first_cpu = per_message
    rate = seen["messages"] / seen["seconds"]
    return {"cpu": cpu, "postgres": postgres_cpu, "first": first_cpu, "rate": rate}


def _pace(stage: Stage, contender: Contender, per_second: float, seconds: float) -> list[float]:
    """Each contact's seconds from send to reply, oldest reply first."""
    with contender.turn():
        seen = load_on(
            stage.outside,
            contender,
            do="pace",
            per_second=per_second,
            seconds=seconds,
        )
    waits: list[float] = seen["waits"]
    return waits


def _holds(waits: list[float]) -> bool:
    """Whether a rate can be held: at the end contacts wait no longer than at the beginning."""
    third = len(waits) // 3
    first, last = meter.median(waits[:third]), meter.median(waits[-third:])
    return last - DEBOUNCE_SECONDS < 2 * (first - DEBOUNCE_SECONDS) + 0.1
