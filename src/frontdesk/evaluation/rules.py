"""The checks of a case, what results come to, and what the gate asks: pure, the same every time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import regex

# A pattern that takes longer over an answer is told as a failure of the case, not of the worker.
_PATTERN_SECONDS = 1.0
# A judge that agrees with people less often than this, or was shown fewer examples, is not heeded.
LEAST_AGREEMENT = 0.8
LEAST_EXAMPLES = 4


class Action(StrEnum):
    """What should become of what the contact writes."""

    REPLY = "reply"
    CLOSE = "close"  # A reply that ends the conversation.
    HAND_OFF = "hand_off"
    IGNORE = "ignore"
    REFUSE = "refuse"
    ANY = "any"


_WORDS = {
    Action.REPLY: "answered",
    Action.CLOSE: "answered as the end",
    Action.HAND_OFF: "handed over",
    Action.IGNORE: "ignored",
    Action.REFUSE: "refused",
}


@dataclass(frozen=True)
class Expected:
    """What a good answer holds."""

    must_contain: Sequence[str] = ()
    must_not_contain: Sequence[str] = ()
    matches: Sequence[str] = ()
    language: str | None = None
    action: Action = Action.REPLY
    sources: Sequence[str] = ()


@dataclass(frozen=True)
class Seen:
    """What came of a case."""

    action: Action
    text: str = ""
    sources: Sequence[str] = ()


def failures(
    expected: Expected, seen: Seen, *, language_of: Callable[[str], str | None]
) -> list[str]:
    """Each check that an outcome fails, in words; none when it passes.

    Args:
        language_of: what language a text seems to be in; None: it can't be told.
    """
    found = []
    if not _is_as(expected.action, seen.action):
        found.append(f"it was {_WORDS[seen.action]} and not {_WORDS[expected.action]}")
    folded = seen.text.casefold()
    found += [f"“{w}” is missing" for w in expected.must_contain if w.casefold() not in folded]
    found += [f"“{w}” is in it" for w in expected.must_not_contain if w.casefold() in folded]
    found += [f"it does not match {p}" for p in expected.matches if not _matches(p, seen.text)]
    if expected.language is not None and seen.text:
        language = language_of(seen.text)
        if language not in (None, expected.language):
            found.append(f"it is in {language} and not in {expected.language}")
    known = {title.casefold() for title in seen.sources}
    found += [f"it does not rest on “{s}”" for s in expected.sources if s.casefold() not in known]
    return found


def _is_as(expected: Action, seen: Action) -> bool:
    if expected is Action.REPLY:
        return seen in (Action.REPLY, Action.CLOSE)
    return expected in (Action.ANY, seen)


def _matches(pattern: str, text: str) -> bool:
    try:
        return regex.search(pattern, text, timeout=_PATTERN_SECONDS) is not None
    except TimeoutError:
        return False


def pass_rate(passed: Sequence[bool]) -> float:
    """The share that passed; 0 without any case, since nothing was shown."""
    return sum(passed) / len(passed) if passed else 0.0


@dataclass(frozen=True)
class Agreement:
    """How often a judge says what people say of the same answers."""

    agreed: int
    examples: int

    @property
    def rate(self) -> float | None:
        """The share; None without examples."""
        return self.agreed / self.examples if self.examples else None

    @property
    def is_enough(self) -> bool:
        """Whether the judge is heeded."""
        return self.examples >= LEAST_EXAMPLES and (self.rate or 0) >= LEAST_AGREEMENT

    def in_words(self) -> str:
        """Whether the judge counts, and why."""
        if not self.examples:
            return "The judge's verdicts do not count: no case has labelled examples."
        told = f"it agrees with people on {self.agreed} of {self.examples} labelled examples"
        if self.is_enough:
            return f"The judge's verdicts count: {told}."
        return (
            f"The judge's verdicts do not count: {told}; it takes {LEAST_AGREEMENT:.0%} of at least "
            f"{LEAST_EXAMPLES}."
        )


@dataclass(frozen=True)
class Scored:
    """A case of a run, played once."""

    item_id: UUID
    passed: bool
    tags: Sequence[str]
    repeat: int = 1


def by_tag(results: Sequence[Scored]) -> dict[str, tuple[int, int]]:
    """Passed and played, by tag."""
    found: dict[str, tuple[int, int]] = {}
    for result in results:
        for tag in result.tags:
            passed, played = found.get(tag, (0, 0))
            found[tag] = passed + result.passed, played + 1
    return found


def majority(results: Sequence[Scored]) -> dict[UUID, bool]:
    """Whether each case passed in more than half of its repeats."""
    played: dict[UUID, list[bool]] = {}
    for result in results:
        played.setdefault(result.item_id, []).append(result.passed)
    return {item_id: sum(passed) * 2 > len(passed) for item_id, passed in played.items()}


def objections(
    results: Sequence[Scored],
    *,
    threshold: float,
    production: Sequence[Scored] | None,
) -> list[str]:
    """Why a run does not clear its candidate for production; nothing when it does.

    What is asked for: a pass rate of `threshold`, and no tag worse than with what is in production, by the
    cases that both runs played in the same words.

    Args:
        production: the latest run of what is in production; None when there is none.
    """
    if not results:
        return ["no case was played"]
    found = []
    rate = pass_rate([result.passed for result in results])
    if rate < threshold:
        found.append(f"{rate:.1%} passed, and {threshold:.1%} must")
    shared = {r.item_id for r in results} & {r.item_id for r in production or ()}
    mine = by_tag([r for r in results if r.item_id in shared])
    theirs = by_tag([r for r in production or () if r.item_id in shared])
    found += [
        f"“{tag}” is worse than in production: {_share(mine[tag])} after {_share(theirs[tag])}"
        for tag in sorted(mine.keys() & theirs.keys())
        if _rate(mine[tag]) < _rate(theirs[tag])
    ]
    return found


def _rate(counted: tuple[int, int]) -> float:
    return counted[0] / counted[1]


def _share(counted: tuple[int, int]) -> str:
    return f"{counted[0]} of {counted[1]}"
