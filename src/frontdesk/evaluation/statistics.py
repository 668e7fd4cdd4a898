"""What numbers say, and whether more than chance does: pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# A difference that chance makes less often than this is more than noise.
SIGNIFICANT = 0.05


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of them do not exceed (nearest rank); None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(rates: Sequence[float]) -> float:
    """The standard deviation of repeated measures (n - 1); 0 of fewer than two."""
    if len(rates) < 2:
        return 0.0
    mean = sum(rates) / len(rates)
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """The two-sided p of McNemar's exact test, which is a sign test over the pairs that differ.

    McNemar 1947; exact by the binomial distribution, as the numbers are small.

    Args:
        only_first, only_second: cases that only one of the two passed.
    """
    pairs = only_first + only_second
    tail = sum(math.comb(pairs, k) for k in range(min(only_first, only_second) + 1))
    return float(min(1.0, 2 * tail / 2**pairs))


@dataclass(frozen=True)
class Sample:
    """Measures of one arm: how many, their mean and their variance."""

    count: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: Sequence[float], *, is_rate: bool) -> "Sample":
        """The sample of these; the variance of a rate is drawn towards a half (Laplace), as in a few
        conversations nothing may have happened yet, which is no certainty."""
        count = len(values)
        mean = sum(values) / count if count else 0.0
        if is_rate:
            drawn = (sum(values) + 1) / (count + 2)
            return cls(count, mean, drawn * (1 - drawn))
        return cls(count, mean, spread(values) ** 2)


def always_valid_interval(
    control: Sample, canary: Sample, *, scale: float, alpha: float
) -> tuple[float, float]:
    """A confidence interval for canary minus control that holds at every look at once.

    The mixture sequential probability ratio test with a normal mixture, turned over into a confidence
    sequence: Robbins 1970; Johari, Koomen, Pekelis and Walsh, "Always Valid Inference: Continuous
    Monitoring of A/B Tests" (Operations Research, 2022), eq. for the normal mixture; by the central
    limit theorem for what is not normal. One may look as often as one likes and stop when one likes:
    the truth is outside at any time with probability `alpha` at most.

    Args:
        scale: the size of differences it finds soonest (the mixture's standard deviation).
    """
    difference = canary.mean - control.mean
    variance = control.variance / control.count + canary.variance / canary.count
    if variance == 0:
        return difference, difference
    mixed = variance + scale**2
    radius = math.sqrt(
        2 * variance * mixed / scale**2 * (math.log(1 / alpha) + math.log(mixed / variance) / 2)
    )
    return difference - radius, difference + radius
