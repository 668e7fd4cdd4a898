"""Finding what an agent knows: full text and likeness of letters, fused by rank, in one statement.

An agent that knows little is given all of it; that is the usual case and costs one small read. From
more, by words: the language of a question is not known, so nothing is stemmed when it is stored. A
question's word finds words that begin with it or with one of its stems, and small words of the
usual languages ask for nothing. Rare words count more than those in every chunk. A word that is
found nowhere may be mistyped, or bent as no stemmer knows: then the words most like it are meant.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from asyncpg import Record

from frontdesk.core.db import Transaction
from frontdesk.core.text import clean
from frontdesk.knowledge.chunks import PATH_SEPARATOR

# All a small shop knows fits into any prompt: then nothing can be missed.
SMALL_CHUNKS = 12
SMALL_CHARACTERS = 6_000
MOST_QUERY_CHARACTERS = 2_000
_SHORTEST_WORD = 3
_ACCENT = re.compile("[\u0300-\u036f]")
_NO_WORD = re.compile(r"\W+")

# A look at little is enough to know whether there is little; then ranking needs no statement.
_ALL_OF_LITTLE = """
SELECT id, source_id, title, heading, text FROM (
    SELECT *, count(*) OVER () AS chunks, sum(length(text)) OVER () AS characters FROM (
        SELECT c.id, c.source_id, c.position, c.heading, c.text, s.title
        FROM knowledge_chunk c
        JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
        WHERE c.agent_id = $1 AND s.enabled
        LIMIT 61
    ) AS first
) AS counted
WHERE chunks <= $2 OR (chunks <= 60 AND characters < $3)
ORDER BY source_id, position
"""
_SEARCH = """
WITH stemmer (dictionary) AS (
    SELECT unnest(ARRAY[
        'english_stem', 'spanish_stem', 'portuguese_stem', 'italian_stem', 'german_stem',
        'french_stem'
    ]::regdictionary[])
), asked AS MATERIALIZED (
    SELECT word, (
        SELECT string_agg(
            quote_literal(form) || CASE WHEN length(form) >= 4 THEN ':*' ELSE '' END, ' | '
        )::tsquery
        FROM (
            SELECT word AS form
            UNION
            SELECT stem FROM stemmer, unnest(ts_lexize(dictionary, word)) AS stem
            WHERE length(stem) >= 4
        ) AS forms
    ) AS query
    FROM unnest(tsvector_to_array(to_tsvector('simple', frontdesk_unaccent($2)))) AS word
    WHERE NOT EXISTS (SELECT FROM stemmer WHERE ts_lexize(dictionary, word) = '{}')
    LIMIT 32
), pool AS MATERIALIZED (
    SELECT c.id, c.source_id, c.position, c.heading, c.text, s.title,
        -- Changes nothing but takes the words out of their compressed store once, not once a word.
        setweight(c.words, 'D') AS words
    FROM knowledge_chunk c
    JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
    WHERE c.agent_id = $1 AND s.enabled
), size AS MATERIALIZED (
    SELECT count(*) AS chunks,
        count(*) <= $4 OR coalesce(sum(length(text)), 0) < $5 AS small
    FROM pool
), hit AS MATERIALIZED (
    SELECT pool.id, asked.word, ts_rank_cd(pool.words, asked.query, 1) AS rank
    FROM asked JOIN pool ON pool.words @@ asked.query
), known AS MATERIALIZED (
    SELECT word, count(*) AS chunks FROM hit GROUP BY word
), weighed AS (
    SELECT hit.id, sum(hit.rank * ln(1 + size.chunks::float8 / known.chunks)) AS weight,
        bool_or(size.chunks >= 2 * known.chunks) AS telling
    FROM hit JOIN known USING (word) CROSS JOIN size
    GROUP BY hit.id
), lexical AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY weight DESC, id) AS place,
        telling AND weight >= 0.2 * max(weight) OVER () AS relevant
    FROM weighed
    ORDER BY place LIMIT 50
), missed AS MATERIALIZED (
    SELECT word FROM asked
    WHERE length(word) >= 5 AND NOT EXISTS (SELECT FROM known WHERE known.word = asked.word)
    LIMIT 6
), vocabulary AS MATERIALIZED (
    SELECT DISTINCT lexeme FROM pool, unnest(tsvector_to_array(pool.words)) AS lexeme
    -- In a large library this takes too long.
    WHERE EXISTS (SELECT FROM missed) AND (SELECT chunks FROM size) <= 1000
), meant AS MATERIALIZED (
    SELECT quote_literal(lexeme)::tsquery AS query, max(similarity(word, lexeme)) AS likeness
    FROM missed JOIN vocabulary ON similarity(word, lexeme) >= 0.45
    GROUP BY lexeme
    ORDER BY likeness DESC LIMIT 12
), alike AS (
    SELECT pool.id, max(meant.likeness) AS likeness
    FROM meant JOIN pool ON pool.words @@ meant.query
    GROUP BY pool.id
), fuzzy AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY likeness DESC, id) AS place FROM alike
    ORDER BY place LIMIT 50
)
SELECT pool.id, pool.source_id, pool.title, pool.heading, pool.text,
    coalesce(1.0 / (60 + lexical.place), 0) + coalesce(1.0 / (60 + fuzzy.place), 0) AS score
FROM size CROSS JOIN pool
LEFT JOIN lexical ON lexical.id = pool.id
LEFT JOIN fuzzy ON fuzzy.id = pool.id
WHERE size.small OR lexical.relevant OR fuzzy.id IS NOT NULL
ORDER BY score DESC, pool.source_id, pool.position
LIMIT (SELECT CASE WHEN small THEN NULL ELSE $3::int END FROM size)
"""


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


async def search(tx: Transaction, agent_id: UUID, query: str, limit: int = 6) -> list[Chunk]:
    """The pieces of an agent's enabled sources that fit a question, best first.

    An agent that knows little (12 chunks, or under 6,000 characters) is given all of it. From more,
    only what fits is given, at most `limit` pieces and perhaps none.
    """
    little = await all_of_little(tx, agent_id)
    if little:
        return ranked(query, little)
    # A backslash would be an escape inside the quoted words of a tsquery.
    asked = clean(query).replace("\\", " ")[:MOST_QUERY_CHARACTERS]
    rows = await tx.sql.fetch(_SEARCH, agent_id, asked, limit, SMALL_CHUNKS, SMALL_CHARACTERS)
    return [_chunk(row, float(row["score"])) for row in rows]


async def all_of_little(tx: Transaction, agent_id: UUID) -> list[Chunk]:
    """All that an agent knows when that is little, else nothing; the scores are not set."""
    rows = await tx.sql.fetch(_ALL_OF_LITTLE, agent_id, SMALL_CHUNKS, SMALL_CHARACTERS)
    return [_chunk(row, 0) for row in rows]


def ranked(query: str, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Few pieces in the order in which they fit a question."""
    scores = rank_few(query, [f"{chunk.title} {chunk.text}" for chunk in chunks])
    scored = [replace(chunk, score=score) for chunk, score in zip(chunks, scores, strict=True)]
    return sorted(scored, key=lambda chunk: -chunk.score)


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


def _chunk(row: Record, score: float) -> Chunk:
    return Chunk(
        id=row["id"],
        source_id=row["source_id"],
        title=row["heading"],
        heading=row["heading"].removeprefix(row["title"]).removeprefix(PATH_SEPARATOR),
        text=row["text"],
        score=score,
    )
