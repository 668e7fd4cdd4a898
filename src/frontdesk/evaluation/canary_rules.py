"""What a canary guard concludes from what it sees: pure.

Each guard compares the conversations that got the canary with those that got production at the same
time. Every look is allowed to decide, as the intervals hold at all looks at once
(`statistics.always_valid_interval`). It goes forward only if all are equal or better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from frontdesk.evaluation.statistics import Sample, always_valid_interval
from frontdesk.prompts import GuardMetric

# The chance that a canary which is no worse is ever rolled back, over all guards and looks together.
ALPHA = 0.05
# Fewer conversations in an arm decide nothing: the intervals rest on the central limit theorem.
LEAST_CONVERSATIONS = 20
# A canary about which nothing is certain after so long is for people to decide.
MOST_DAYS = 7


@dataclass(frozen=True)
class Guard:
    """How a metric is judged; more of it is worse.

    Args:
        margin: so much worse is still as good as equal, for going forward.
        tolerance: it is rolled back when it is certainly worse by more than this.
        is_relative: both are shares of what production shows; else they are differences of rates.
        both_ways: less of it is worse too.
    """

    margin: float
    tolerance: float = 0.0
    is_relative: bool = False
    both_ways: bool = False


_RATE = Guard(margin=0.05)
_AMOUNT = Guard(margin=0.2, tolerance=0.1, is_relative=True)
GUARDS = {
    GuardMetric.HANDOFF_RATE: _RATE,
    GuardMetric.EDIT_RATE: _RATE,
    GuardMetric.THUMBS_DOWN_RATE: _RATE,
    GuardMetric.REFUSAL_RATE: _RATE,
    GuardMetric.GUARD_FAILURE_RATE: _RATE,
    GuardMetric.HALLUCINATION_SCORE: _RATE,
    GuardMetric.LATENCY_SECONDS: _AMOUNT,
    GuardMetric.COST_USD: _AMOUNT,
    GuardMetric.ANSWER_LENGTH: Guard(margin=0.5, tolerance=0.5, is_relative=True, both_ways=True),
}


class Finding(StrEnum):
    """What one guard says."""

    WORSE = "worse"
    AS_GOOD = "as good"
    OPEN = "not certain yet"


@dataclass(frozen=True)
class Reading:
    """What one guard shows: both means, and where the difference lies."""

    metric: GuardMetric
    control: float
    canary: float
    low: float
    high: float
    finding: Finding


class Decision(StrEnum):
    """What becomes of a canary."""

    GO_ON = "go_on"
    FORWARD = "forward"
    HOLD = "hold"
    BACK = "back"


@dataclass(frozen=True)
class Judged:
    """A decision and why, in words."""

    decision: Decision
    reason: str


def read_guard(
    metric: GuardMetric, control: Sequence[float], canary: Sequence[float], *, guards: int
) -> Reading:
    """What a guard shows, of one value for each conversation.

    Args:
        guards: how many are looked at; each has its part of `ALPHA`.
    """
    guard = GUARDS[metric]
    before = Sample.of(control, is_rate=not guard.is_relative)
    after = Sample.of(canary, is_rate=not guard.is_relative)
    unit = before.mean if guard.is_relative else 1.0
    margin, tolerance = guard.margin * unit, guard.tolerance * unit
    low, high = always_valid_interval(
        before, after, scale=(2 * margin) or 1.0, alpha=ALPHA / guards
    )
    finding = Finding.OPEN
    if low > tolerance or (guard.both_ways and high < -tolerance):
        finding = Finding.WORSE
    elif high < margin and not (guard.both_ways and low < -margin):
        finding = Finding.AS_GOOD
    return Reading(metric, before.mean, after.mean, low, high, finding)


def judge_canary(
    readings: Sequence[Reading], conversations: Mapping[str, int], *, days: float
) -> Judged:
    """What becomes of a canary.

    Args:
        conversations: how many each of `control` and `canary` had.
        days: for how long it has run.
    """
    fewest = min(conversations.values())
    enough = fewest >= LEAST_CONVERSATIONS
    worse = [reading for reading in readings if reading.finding is Finding.WORSE]
    if enough and worse:
        return Judged(Decision.BACK, "; ".join(_in_words(reading) for reading in worse))
    if enough and all(reading.finding is Finding.AS_GOOD for reading in readings):
        return Judged(Decision.FORWARD, "Every guard is as good as production, or better.")
    if days >= MOST_DAYS:
        open_ones = [str(r.metric) for r in readings if r.finding is Finding.OPEN]
        why = f"not certain: {', '.join(open_ones)}" if enough else f"{fewest} conversations"
        return Judged(Decision.HOLD, f"Nothing is certain after {MOST_DAYS} days ({why}).")
    return Judged(Decision.GO_ON, f"{fewest} conversations in the smaller arm so far.")


def _in_words(reading: Reading) -> str:
    return (
        f"{reading.metric} is {reading.canary:.3g} and {reading.control:.3g} in production "
        f"(the difference is {reading.low:.3g} to {reading.high:.3g})"
    )
