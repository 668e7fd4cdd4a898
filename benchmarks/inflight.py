"""Row 8: hundreds of slow model calls in flight in one worker, against LiteLLM alone."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import meter
from benchmarks.report import Row
from benchmarks.stage import Stage, load_on

TURNS = 500
CALL_SECONDS = 5.0
# Contacts can't press "send" in the same instant: a few calls may have ended when the last begins.
_ALL = 0.99


@dataclass(frozen=True)
class Flood:
    """What one process had to bear, and how it did."""

    peak_mib: float
    most_open: int
    failures: int


def measure(stage: Stage, *, rounds: int, tell: Callable[[str], None]) -> list[Row]:
    """Both in turn, each in a fresh process, and the row that comes of it."""
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
    least = min(flood.most_open for flood in ours)
    broken = None
    if failures:
        broken = f"{failures} calls failed"
    elif least < TURNS * _ALL:
        broken = f"only {least} calls were open at once"
    return [
        Row(
            f"peak memory, {TURNS} calls of {CALL_SECONDS:g} s in flight, {failures} failed", "MiB",
            meter.median(flood.peak_mib for flood in ours),
            meter.median(flood.peak_mib for flood in theirs),
            must=1.25, aim=1.05, broken=broken,
            beyond="the ORM's and the language statistics' memory beside LiteLLM's",
        )
    ]  # fmt: skip


def _flood_product(stage: Stage) -> Flood:
    before = _failed_calls(stage)
    product = stage.start_product(
        debounce_seconds=0.05,
        WORKER__CONVERSATIONS_AT_ONCE=str(TURNS),
        WORKER__TENANT_CONVERSATIONS_AT_ONCE=str(TURNS),
        LLM__MAX_IN_FLIGHT=str(TURNS),
    )
    seen = load_on(stage.outside, product, do="flood", contacts=TURNS)
    worker = product.processes[1]
    flood = Flood(meter.peak_mib(worker.pid), seen["most_open"], _failed_calls(stage) - before)
    for process in product.processes:
        stage.ground.end(process)
    return flood


def _flood_floor(stage: Stage) -> Flood:
    alone = stage.ground.start("litellm-alone", "benchmarks.litellm_alone")
    alone.answer()
    stage.outside.ask(do="most_open")
    calls = list(stage.calls_seen().values())
    # As a turn makes them: triage, then reply.
    answer = alone.ask(
        timeout_seconds=120,
        calls=sorted(calls, key=lambda call: len(call["messages"][0]["content"])),
        turns=TURNS,
        api_base=stage.addresses["groq"],
    )
    peak = meter.peak_mib(alone.pid)
    stage.ground.end(alone)
    return Flood(peak, stage.outside.ask(do="most_open")["most_open"], answer["failures"])


def _failed_calls(stage: Stage) -> int:
    failed: int = stage.sql.fetch("SELECT count(*) FROM llm_call WHERE outcome <> 'ok'")[0][0]
    return failed
