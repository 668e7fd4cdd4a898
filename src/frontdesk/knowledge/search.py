"""Finding what an agent knows: full text and likeness of letters, fused by rank, in one statement.

The language of a question is not known, so nothing is stemmed when it is stored: a question's word
finds words that begin with it or with one of its stems, and small words of the usual languages ask
for nothing. Rare words count more than those in every chunk. Letters find what is mistyped.
"""

from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.core.text import clean
from frontdesk.knowledge.chunks import PATH_SEPARATOR

# All a small shop knows fits into any prompt: then nothing can be missed.
SMALL_CHUNKS = 12
SMALL_CHARACTERS = 6_000
MOST_QUERY_CHARACTERS = 2_000

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
), needle AS MATERIALIZED (
    SELECT string_agg(word, ' ') AS letters FROM asked
), pool AS NOT MATERIALIZED (
    SELECT c.id, c.source_id, c.position, c.heading, c.text, c.words, s.title
    FROM knowledge_chunk c
    JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
    WHERE c.agent_id = $1 AND s.enabled AND s.state = 'ready'
), size AS MATERIALIZED (
    SELECT count(*) AS chunks,
        count(*) <= $4 OR coalesce(sum(length(text)), 0) < $5 AS small
    FROM pool
), hit AS MATERIALIZED (
    SELECT pool.id, asked.word, ts_rank_cd(pool.words, asked.query, 1) AS rank
    FROM asked JOIN pool ON pool.words @@ asked.query
), known AS (
    SELECT word, count(*) AS chunks FROM hit GROUP BY word
), weighed AS (
    SELECT hit.id, sum(hit.rank * ln(1 + size.chunks::float8 / known.chunks)) AS weight,
        bool_or(size.chunks >= 2 * known.chunks) AS telling
    FROM hit JOIN known USING (word) CROSS JOIN size
    GROUP BY hit.id
), lexical AS (
    SELECT id, row_number() OVER (ORDER BY weight DESC, id) AS place,
        telling AND weight >= 0.2 * max(weight) OVER () AS relevant
    FROM weighed
), missed AS MATERIALIZED (
    SELECT word FROM asked
    WHERE length(word) >= 5 AND NOT EXISTS (SELECT FROM known WHERE known.word = asked.word)
    LIMIT 6
), alike AS (
    SELECT pool.id, greatest(
        word_similarity(needle.letters, letters.all),
        -- A word found nowhere may be mistyped, or bent as no stemmer knows; it must be very like.
        0.65 * (SELECT max(word_similarity(word, letters.all)) FROM missed)
    ) AS likeness
    FROM pool CROSS JOIN needle CROSS JOIN size
    CROSS JOIN LATERAL (
        SELECT frontdesk_unaccent(lower(pool.heading || ' ' || pool.text)) AS all
    ) AS letters
    -- Letters are compared with every chunk; beyond this many that takes too long.
    WHERE needle.letters <> '' AND size.chunks <= 2000
), fuzzy AS (
    SELECT id, row_number() OVER (ORDER BY likeness DESC, id) AS place, likeness >= 0.4 AS relevant
    FROM alike WHERE likeness >= 0.2
)
SELECT pool.id, pool.source_id, pool.title, pool.heading, pool.text,
    coalesce(1.0 / (60 + lexical.place), 0) + coalesce(1.0 / (60 + fuzzy.place), 0) AS score
FROM size CROSS JOIN pool
LEFT JOIN lexical ON lexical.id = pool.id
LEFT JOIN fuzzy ON fuzzy.id = pool.id
WHERE size.small OR lexical.relevant OR fuzzy.relevant
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
    # A backslash would be an escape inside the quoted words of a tsquery.
    asked = clean(query).replace("\\", " ")[:MOST_QUERY_CHARACTERS]
    rows = await tx.sql.fetch(_SEARCH, agent_id, asked, limit, SMALL_CHUNKS, SMALL_CHARACTERS)
    return [
        Chunk(
            id=row["id"],
            source_id=row["source_id"],
            title=row["heading"],
            heading=row["heading"].removeprefix(row["title"]).removeprefix(PATH_SEPARATOR),
            text=row["text"],
            score=float(row["score"]),
        )
        for row in rows
    ]
