"""Finding what an agent knows: by words, letters and meaning, fused by rank.

An agent that knows little is given all of it; that is the usual case and costs one small read. From
more, what fits is found in three ways (searching.py); here it is decided what fits.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from frontdesk.core.db import Transaction
from frontdesk.core.json import loads
from frontdesk.core.text import clean
from frontdesk.knowledge.chunks import PATH_SEPARATOR
from frontdesk.knowledge.embedding import Meaning
from frontdesk.knowledge.foreign import SENTENCES
from frontdesk.knowledge.relevance import (
    AGREE_WITHIN,
    Evidence,
    Fit,
    Relevance,
    decide,
    nearest_rival,
)
from frontdesk.knowledge.searching import find

# All a small shop knows fits into any prompt: then nothing can be missed.
SMALL_CHUNKS = 12
SMALL_CHARACTERS = 6_000
MOST_QUERY_CHARACTERS = 2_000
# Measured with benchmarks/retrieval.py: meaning comes first, and words that are not rare only lead
# astray in another language; a code is found by its letters alone.
CODE_WEIGHT = 1.0
WORDS_WEIGHT = 0.2
LETTERS_WEIGHT = 0.05
_RANK_OFFSET = 20
# Low: what all pieces together are worth is decided apart (relevance.py).
STANDS_ALONE = 1.0
STANDS_WITH_WORDS = 0.5
_SHORTEST_WORD = 3
_ACCENT = re.compile("[\u0300-\u036f]")
_NO_WORD = re.compile(r"\W+")

# A look at little is enough to know whether there is little; then ranking needs no statement.
_ALL_OF_LITTLE = """
SELECT id, source_id, title, heading, text, url, read_at FROM (
    SELECT *, count(*) OVER () AS chunks, sum(length(text)) OVER () AS characters FROM (
        SELECT c.id, c.source_id, c.position, c.heading, c.text, s.title, s.url,
            coalesce(s.read_at, s.created_at) AS read_at
        FROM knowledge_chunk c
        JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
        WHERE c.agent_id = $1 AND s.enabled
        LIMIT 61
    ) AS first
) AS counted
WHERE chunks <= $2 OR (chunks <= 60 AND characters < $3)
ORDER BY source_id, position
"""


@dataclass(frozen=True)
class Places:
    """Where a chunk stands in each list, 1 being the best; None: not in it.

    Args:
        is_telling: the words it holds are not in most chunks, and weigh as much as the best's.
        has_code: it holds a word with digits, as codes of products are, that few others hold.
        stands: how far its meaning is nearer than the others', in standard deviations.
    """

    by_words: int | None = None
    by_letters: int | None = None
    by_meaning: int | None = None
    is_telling: bool = False
    has_code: bool = False
    stands: float | None = None

    @property
    def score(self) -> float:
        """The places fused by reciprocal rank."""
        weighed: tuple[tuple[float, int | None], ...]
        if self.stands is None and not self.has_code:
            weighed = ((1.0, self.by_words), (1.0, self.by_letters))
        else:
            words = WORDS_WEIGHT if self.is_telling else 0.0
            weighed = (
                (1.0, self.by_meaning),
                (CODE_WEIGHT if self.has_code else words, self.by_words),
                (LETTERS_WEIGHT, self.by_letters),
            )
        return sum(weight / (_RANK_OFFSET + place) for weight, place in weighed if place)

    @property
    def fits(self) -> bool:
        """Whether the chunk may answer the question if any does: it stands out from the others."""
        by_words = self.is_telling or self.by_letters is not None
        if self.stands is None or self.has_code:
            return by_words or self.has_code
        return self.stands >= (STANDS_WITH_WORDS if by_words else STANDS_ALONE)


@dataclass(frozen=True)
class Chunk:
    """A piece of knowledge that fits a question.

    Args:
        title: what to call it: the source's title and the headings above the piece.
        heading: those headings alone.
        score: by reciprocal rank, the higher the better; comparable within one search only.
    """

    id: UUID
    source_id: UUID
    title: str
    heading: str
    text: str
    score: float
    url: str | None = None
    read_at: datetime | None = None
    places: Places = field(default_factory=Places)

    @property
    def as_fact(self) -> str:
        """As a prompt holds it."""
        return f"## {self.title}\n{self.text}"


@dataclass(frozen=True)
class Found:
    """What a search gives: the pieces, best first, and how far they are to be believed."""

    chunks: tuple[Chunk, ...] = ()
    relevance: Relevance = Relevance(Fit.NONE)  # noqa: RUF009  # Frozen.


@dataclass(frozen=True)
class Candidates:
    """What may fit a question: all of the little that an agent knows, or what was found of much."""

    little: Sequence[Chunk] = ()
    rows: Sequence[Record] = ()


async def find_candidates(
    tx: Transaction, agent_id: UUID, query: str, meaning: Meaning | None
) -> Candidates:
    """What of an agent's enabled sources may fit a question; `choose` decides."""
    little = await all_of_little(tx, agent_id)
    if little:
        return Candidates(little=little)
    # A backslash would be an escape inside the quoted words of a tsquery.
    asked = clean(query).replace("\\", " ")[:MOST_QUERY_CHARACTERS]
    return Candidates(rows=await find(tx, agent_id, asked, meaning))


def choose(candidates: Candidates, query: str, limit: int, meaning: Meaning | None) -> Found:
    """The pieces that fit a question, decided by what was found of them.

    An agent that knows little (12 chunks, or under 6,000 characters) is given all of it. From more,
    only what fits is given, at most `limit` pieces and perhaps none. Takes milliseconds, where there
    are vectors to compare: not for the event loop.
    """
    if candidates.little:
        return ranked(query, candidates.little)
    found = [_found(row) for row in candidates.rows]
    fitting = sorted((c for c in found if c.places.fits), key=lambda c: -c.score)[:limit]
    relevance = decide(_evidence(fitting, candidates.rows, meaning))
    return Found(() if relevance.fit is Fit.NONE else tuple(fitting), relevance)


def _evidence(
    fitting: Sequence[Chunk], rows: Sequence[Record], meaning: Meaning | None
) -> Evidence:
    places = [chunk.places for chunk in fitting]
    rival = None
    if meaning is not None and meaning.foreign:
        nearest = [loads(row["vector"]) for row in rows if row["vector"]]
        rival = nearest_rival(meaning.numbers, nearest, SENTENCES, meaning.foreign)
    return Evidence(
        pieces=len(fitting),
        has_code=any(p.has_code for p in places),
        agrees=any(
            p.is_telling
            and (p.by_words or AGREE_WITHIN + 1) <= AGREE_WITHIN
            and (p.by_meaning or AGREE_WITHIN + 1) <= AGREE_WITHIN
            for p in places
        ),
        rival=rival,
    )


async def all_of_little(tx: Transaction, agent_id: UUID) -> list[Chunk]:
    """All that an agent knows when that is little, else nothing; the scores are not set."""
    rows = await tx.sql.fetch(_ALL_OF_LITTLE, agent_id, SMALL_CHUNKS, SMALL_CHARACTERS)
    return [_chunk(row, 0) for row in rows]


def ranked(query: str, chunks: Sequence[Chunk]) -> Found:
    """Few pieces, all of them, in the order in which they fit a question."""
    scores = rank_few(query, [f"{chunk.title} {chunk.text}" for chunk in chunks])
    scored = [replace(chunk, score=score) for chunk, score in zip(chunks, scores, strict=True)]
    return Found(tuple(sorted(scored, key=lambda chunk: -chunk.score)), Relevance(Fit.ALL))


def rank_few(query: str, texts: Sequence[str]) -> list[float]:
    """How well each of a few texts fits a question, as reciprocal ranks; 0 where no word does.

    A word fits where one begins as it does; rough, and enough to put into order what is given
    anyway.
    """
    folded = [_folded(text) for text in texts]
    weights = [0.0] * len(texts)
    for word in set(_folded(query[:MOST_QUERY_CHARACTERS]).split()):
        if len(word) < _SHORTEST_WORD:
            continue
        begins = " " + word[: max(4, len(word) - 3)]
        places = [place for place, text in enumerate(folded) if begins in text]
        for place in places:
            # Long words say more than short ones, whatever the language.
            weights[place] += min(len(word), 8) * math.log(1 + len(texts) / len(places))
    order = sorted(range(len(texts)), key=lambda place: -weights[place])
    ranks = {place: rank for rank, place in enumerate(order, start=1)}
    return [1 / (60 + ranks[place]) if weights[place] else 0.0 for place in range(len(texts))]


def coverage(question: str, chunk: Chunk) -> float:
    """The share of a question's words that a piece holds, 0 to 1, as roughly as in `rank_few`."""
    text = _folded(f"{chunk.title} {chunk.text}")
    begins = {
        " " + word[: max(4, len(word) - 3)]
        for word in _folded(question[:MOST_QUERY_CHARACTERS]).split()
        if len(word) > _SHORTEST_WORD
    }
    return sum(begin in text for begin in begins) / len(begins) if begins else 0.0


def _folded(text: str) -> str:
    """The text's words in small letters and without accents, each after a space."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " " + _NO_WORD.sub(" ", _ACCENT.sub("", plain))


def _found(row: Record) -> Chunk:
    places = Places(**{each.name: row[each.name] for each in fields(Places)})
    return replace(_chunk(row, places.score), places=places)


def _chunk(row: Record, score: float) -> Chunk:
    return Chunk(
        id=row["id"],
        source_id=row["source_id"],
        title=row["heading"],
        heading=row["heading"].removeprefix(row["title"]).removeprefix(PATH_SEPARATOR),
        text=row["text"],
        score=score,
        url=row["url"],
        read_at=row["read_at"],
    )
