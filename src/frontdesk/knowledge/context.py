"""What of the knowledge that was found goes into a prompt: within its room, nothing twice."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from frontdesk.gateway import count_tokens
from frontdesk.knowledge.retrieval import Chunk, Found

# Enough for the six best pieces; more only hides the one that answers.
CONTEXT_TOKENS = 3_000
# Share of common words from which two pieces say the same, or speak of the same thing.
SAME = 0.9
ALIKE = 0.6
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Context:
    """The pieces that a prompt holds, best first, and the titles of those it has no room for."""

    chunks: tuple[Chunk, ...]
    omitted: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a prompt holds it."""
        facts = [chunk.as_fact for chunk in self.chunks]
        if self.omitted:
            facts.append(f"(Left out for want of room: {'; '.join(self.omitted)}.)")
        return "\n\n".join(facts)


def assemble(
    found: Found,
    *,
    most_tokens: int = CONTEXT_TOKENS,
    count: Callable[[str], int] = count_tokens,
) -> Context:
    """The best pieces that fit, each said once. Of two sources that give different numbers for the
    same thing, the one read earlier says that the other is newer."""
    shown: list[Chunk] = []
    omitted: dict[str, None] = {}
    left = most_tokens
    for chunk in found.chunks:
        if any(_likeness(chunk, other) >= SAME and _agree(chunk, other) for other in shown):
            continue
        size = count(chunk.as_fact)
        if size > left:
            omitted[chunk.title] = None
            continue
        left -= size
        shown.append(chunk)
    return Context(tuple(_with_note(chunk, shown) for chunk in shown), tuple(omitted))


def _with_note(chunk: Chunk, shown: Sequence[Chunk]) -> Chunk:
    for other in shown:
        is_newer = other.read_at and chunk.read_at and other.read_at > chunk.read_at
        is_elsewhere = other.source_id != chunk.source_id
        if (
            is_newer
            and is_elsewhere
            and not _agree(chunk, other)
            and _likeness(chunk, other) >= ALIKE
        ):
            assert other.read_at is not None
            note = f"(“{other.title}”, of {other.read_at:%Y-%m-%d}, is newer and says otherwise.)"
            return replace(chunk, text=f"{chunk.text}\n{note}")
    return chunk


def _likeness(one: Chunk, other: Chunk) -> float:
    """The share of their words, apart from numbers, that two pieces have in common."""
    words, others = (
        {w for w in _WORD.findall(c.text.casefold()) if not w.isdecimal()} for c in (one, other)
    )
    return len(words & others) / max(1, len(words | others))


def _agree(one: Chunk, other: Chunk) -> bool:
    return set(_NUMBER.findall(one.text)) == set(_NUMBER.findall(other.text))
