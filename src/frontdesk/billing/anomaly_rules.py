"""Which hours are unlike a tenant's others: medians, which a few wild hours can't move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from frontdesk.billing.book_models import Measure

# With fewer hours of usage nobody knows yet what is usual: a new tenant is never alarming.
LEAST_HOURS = 24
# Of a normal distribution a standard deviation is so many median deviations.
_DEVIATIONS = Decimal("1.4826")
# So far above the median an hour is unusual; one in a billion is by chance, were usage normal.
_SPREADS = 6
# And at least this many times the median: usage that hardly varies may double.
_TIMES = 3
# Below this nobody minds.
FLOORS: Mapping[Measure, Decimal] = {
    Measure.COST: Decimal("0.05"),
    Measure.CALLS: Decimal(30),
    Measure.TOKENS: Decimal(50_000),
}
_WORDS = {
    Measure.COST: "{} USD were spent",
    Measure.CALLS: "{} model calls were made",
    Measure.TOKENS: "{} tokens were used",
}


@dataclass(frozen=True)
class Unusual:
    """An hour's value, what is usual, from where on it is unusual, and that in words."""

    measure: Measure
    value: Decimal
    usual: Decimal
    bound: Decimal
    reason: str


def judge(measure: Measure, value: Decimal, before: Sequence[Decimal]) -> Unusual | None:
    """Whether an hour's value is unusual, by the hours before it; None when it is not.

    Args:
        before: the values of earlier hours. Those without usage say nothing: at night nobody
            writes, and by day that would make everything unusual.
    """
    used = [earlier for earlier in before if earlier > 0]
    if len(used) < LEAST_HOURS:
        return None
    usual = median(used)
    spread = median(abs(earlier - usual) for earlier in used) * _DEVIATIONS
    bound = max(usual + _SPREADS * spread, _TIMES * usual, FLOORS[measure])
    if value <= bound:
        return None
    times = round(value / usual, 1)
    reason = (
        f"{_WORDS[measure].format(_plain(value))} in this hour, {_plain(times)} times the usual "
        f"{_plain(usual)} (median of {len(used)} hours with usage; unusual from {_plain(bound)} on)."
    )
    return Unusual(measure, value, usual, bound, reason)


def _plain(number: Decimal) -> str:
    """A number as people write it, with four digits behind the point at most."""
    return f"{number.quantize(Decimal('0.0001')).normalize():f}"
