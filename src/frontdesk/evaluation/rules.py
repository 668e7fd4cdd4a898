"""The checks of a golden case: pure, and the same every time."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """What a good answer holds."""

    must_contain: Sequence[str]
    must_not_contain: Sequence[str]
    expect_handoff: bool


def failures(expected: Expected, *, text: str | None, handed_off: bool) -> list[str]:
    """Each check that an outcome fails, in words; none when it passes."""
    found = []
    if handed_off != expected.expect_handoff:
        found.append("it was handed over" if handed_off else "it was not handed over")
    folded = (text or "").casefold()
    found += [f"“{w}” is missing" for w in expected.must_contain if w.casefold() not in folded]
    found += [f"“{w}” is in it" for w in expected.must_not_contain if w.casefold() in folded]
    return found


def pass_rate(passed: Sequence[bool]) -> float:
    """The share that passed; 0 without any case, since nothing was shown."""
    return sum(passed) / len(passed) if passed else 0.0
