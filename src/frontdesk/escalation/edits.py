"""How far a text that was sent is from the draft it came from: pure rules."""

from dataclasses import dataclass

from frontdesk.escalation.models import Fate

# What shares less than this with its draft was written anew, whatever the client says it came from.
_WRITTEN_ANEW = 0.8


@dataclass(frozen=True)
class Comparison:
    """What people made of a draft, and how much of it they changed: 0 nothing, 1 all."""

    fate: Fate
    edit_ratio: float


def compare(draft: str, sent: str) -> Comparison:
    """What became of a draft that was sent as this. White space does not count as a change."""
    before, after = " ".join(draft.split()), " ".join(sent.split())
    ratio = edit_distance(before, after) / max(len(before), len(after), 1)
    if ratio == 0:
        return Comparison(Fate.KEPT, 0.0)
    return Comparison(Fate.EDITED if ratio < _WRITTEN_ANEW else Fate.DISCARDED, round(ratio, 4))


def edit_distance(one: str, other: str) -> int:
    """Characters to insert, delete or replace to make one text the other (Levenshtein).

    A column of the usual table is held in the bits of whole numbers (Myers 1999, as in Hyyrö 2003),
    so two messages of the longest kind take a few milliseconds and not seconds.
    """
    if not one or not other:
        return max(len(one), len(other))
    places: dict[str, int] = {}
    for place, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << place
    every, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    rises, falls, distance = every, 0, len(one)
    for character in other:
        same = places.get(character, 0)
        diagonal = (((same & rises) + rises) ^ rises) | same | falls
        right_rises = falls | (every & ~(diagonal | rises))
        right_falls = rises & diagonal
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = right_rises << 1 | 1
        right_falls <<= 1
        rises = right_falls & every | (every & ~(diagonal | right_rises))
        falls = right_rises & diagonal & every
    return distance
