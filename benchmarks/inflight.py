"""Rows 8 and 9: hundreds of slow model calls in flight in one worker, against LiteLLM alone."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import meter
from benchmarks.report import Row
from benchmarks.stage import Stage, load_on

# Frontdesk's default for calls in flight in one worker. More contacts than that write, so that as
# many are open although not all of them begin in the same instant.
AT_ONCE = 500
CONTACTS = 750
CALL_SECONDS = 5.0


@dataclass(frozen=True)
class Flood:
    """What one process had to bear, and how it did."""

    peak_mib: float
    most_open: int
    failures: int


def measure(stage: Stage, *, rounds: int, tell: Callable[[str], None]) -> list[Row]:
    """Both in turn, each in a fresh process, and the rows that come of it."""
    stage.outside.ask(do="behave", model_latency_seconds=CALL_SECONDS)
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(_flood_product(stage))
        theirs.append(_flood_floor(stage))
        tell(
            f"inflight: round {number + 1} of {rounds}, at most {ours[-1].most_open} calls open "
            f"and {ours[-1].failures} failures; LiteLLM alone {theirs[-1].most_open} and "
            f"{theirs[-1].failures}"
        )
    stage.outside.ask(do="behave", model_latency_seconds=0.0)
    failures = sum(flood.failures for flood in ours)
    return [
        Row(
            f"most calls of {CALL_SECONDS:g} s in flight in one worker", "calls",
            [flood.most_open for flood in ours], [AT_ONCE] * rounds, must=1, aim=1,
            more_is_better=True, broken=f"{failures} calls failed" if failures else None,
        ),
        Row(
            "its peak memory, against LiteLLM alone with as many", "MiB",
            [flood.peak_mib for flood in ours], [flood.peak_mib for flood in theirs],
            must=None, aim=1.25,
        ),
    ]  # fmt: skip


def _flood_product(stage: Stage) -> Flood:
    before = _failed_calls(stage)
    product = stage.start_product(
        debounce_seconds=0.05,
        WORKER__CONVERSATIONS_AT_ONCE=str(CONTACTS),
        WORKER__TENANT_CONVERSATIONS_AT_ONCE=str(CONTACTS),
        LLM__MAX_IN_FLIGHT=str(AT_ONCE),
    )
    seen = load_on(stage.outside, product, do="flood", contacts=CONTACTS)
    worker = product.processes[1]
    flood = Flood(meter.peak_mib(worker.pid), seen["most_open"], _failed_calls(stage) - before)
    for process in product.processes:
        stage.ground.end(process)
    return flood


def _flood_floor(stage: Stage) -> Flood:
    alone = stage.ground.start("litellm-alone", "benchmarks.litellm_alone")
    alone.answer()
    stage.outside.ask(do="most_open")
    calls = stage.calls_seen()
    answer = alone.ask(
        timeout_seconds=120,
        calls=[calls["triage"], calls["reply"]],
        turns=CONTACTS,
        at_once=AT_ONCE,
        api_base=stage.addresses["groq"],
    )
    peak = meter.peak_mib(alone.pid)
    stage.ground.end(alone)
    return Flood(peak, stage.outside.ask(do="most_open")["most_open"], answer["failures"])


def _failed_calls(stage: Stage) -> int:
    failed: int = stage.sql.fetch("SELECT count(*) FROM llm_call WHERE outcome <> 'ok'")[0][0]
    return failed
