"""Whether what was found answers a question at all, rather than being the best of nothing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from operator import mul

# Measured with benchmarks/retrieval.py. A question between this and half a deviation more is no
# likelier to be unanswerable than any other, so there is no third verdict between the two.
REFUTED_BELOW = 0.0
# A piece that both words and meaning put so high has the two ways of searching agree.
AGREE_WITHIN = 3

Vector = Sequence[float]


class Fit(StrEnum):
    """How far a search is to be believed."""

    ALL = "all"  # The agent knows so little that it is given all of it.
    FITS = "fits"
    NONE = "none"  # Nothing is given.


@dataclass(frozen=True)
class Relevance:
    """What was decided of a search, and why, in words for the turn's trace."""

    fit: Fit
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rival:
    """How the best piece stands against the nearest foreign subject.

    Args:
        subject: the sentence it is told by.
        best: the question's likeness to the best piece, a cosine.
        foreign: its likeness to that subject.
        spread: the standard deviation of its likeness to all foreign subjects.
    """

    subject: str
    best: float
    foreign: float
    spread: float

    @property
    def margin(self) -> float:
        """How much nearer the piece is, in standard deviations."""
        return (self.best - self.foreign) / self.spread if self.spread else 0.0


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on.

    Args:
        pieces: how many stand out enough to be given.
        has_code: one of them holds a code that was asked for, as it was written.
        agrees: words and meaning put the same piece among their best.
        rival: None where nothing is known of foreign subjects, or none is near.
    """

    pieces: int
    has_code: bool = False
    agrees: bool = False
    rival: Rival | None = None


def decide(evidence: Evidence) -> Relevance:
    """Whether to give what was found."""
    if not evidence.pieces:
        return Relevance(Fit.NONE, ("no piece stands out by its meaning or its words",))
    if evidence.has_code:
        return Relevance(Fit.FITS, ("it holds the very code that was asked for",))
    rival = evidence.rival
    told = ("words and meaning agree on a piece",) if evidence.agrees else ()
    if rival is None:
        return Relevance(Fit.FITS, told)
    compared = (
        f"likeness {rival.best:.3f} to the best piece, {rival.foreign:.3f} to the foreign subject "
        f"“{rival.subject}” ({rival.margin:+.1f} deviations)"
    )
    fit = Fit.NONE if rival.margin < REFUTED_BELOW else Fit.FITS
    return Relevance(fit, (*told, compared))


def nearest_rival(
    question: Vector,
    best_pieces: Sequence[Vector],
    subjects: Sequence[str],
    foreign: Sequence[Vector],
) -> Rival | None:
    """The foreign subject nearest to a question, and how near the best piece is.

    A subject that the best pieces are about themselves is none: to them it is as near as the question.

    Args:
        best_pieces: those nearest to the question; none: there is nothing to compare.
        foreign: a vector for each of `subjects`, of length 1.
    """
    asked = unit(question)
    pieces = [unit(piece) for piece in best_pieces]
    if not pieces or not foreign:
        return None
    best = max(likeness(asked, piece) for piece in pieces)
    alike = [likeness(asked, other) for other in foreign]
    middle = sum(alike) / len(alike)
    spread = sqrt(sum((each - middle) ** 2 for each in alike) / len(alike))
    for place in sorted(range(len(foreign)), key=lambda each: -alike[each]):
        if all(likeness(foreign[place], piece) < best for piece in pieces):
            return Rival(subjects[place], best, alike[place], spread)
    return None


def unit(vector: Vector) -> Vector:
    """The vector at length 1."""
    length = sqrt(likeness(vector, vector)) or 1.0
    return [number / length for number in vector]


def likeness(one: Vector, other: Vector) -> float:
    """The cosine between two vectors of length 1."""
    return float(sum(map(mul, one, other)))
