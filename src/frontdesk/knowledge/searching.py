"""The statements that search: by words, by letters and by meaning, each a list of places.

By words: the language of a question is not known, so its words are looked for as they are, by their
beginning, and by what each of the usual stemmers makes of them; a chunk's words are kept both plain
and stemmed by its own language. Small words of the usual languages ask for nothing, and rare ones
count more than those in every chunk. A word that is found nowhere may be mistyped, or bent as no
stemmer knows: then the words most like it are meant.

All chunks of an agent are looked at, unless they are very many: then indexes bring those that may
fit. Under row-level security Postgres uses no index of words, so that question goes past it, names
tenant and agent, and brings ids alone (docs/decisions/0012-search-asks-twice.md).
"""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from frontdesk.core.db import Transaction
from frontdesk.knowledge.embedding import Meaning
from frontdesk.knowledge.models import CHUNK_WORDS

# From here on indexes choose. Fewer are all compared, which misses nothing.
MANY_CHUNKS = 2_000
# Of so many that hold a word; one that more hold tells nothing by itself.
_OF_A_WORD = 300
_NEAREST = 60
# Others of the same agent, so that rare words and near neighbours stand out from something.
_BACKGROUND = 300

_ASKED = """
WITH stemmer (dictionary) AS (
    SELECT unnest(ARRAY[
        'english_stem', 'spanish_stem', 'portuguese_stem', 'italian_stem', 'german_stem',
        'french_stem', 'arabic_stem', 'hindi_stem'
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
            WHERE length(stem) >= 3
        ) AS forms
    ) AS query
    FROM unnest(tsvector_to_array(to_tsvector('simple', frontdesk_unaccent($2)))) AS word
    WHERE NOT EXISTS (SELECT FROM stemmer WHERE ts_lexize(dictionary, word) = '{}')
    LIMIT 32
)
"""
_SEARCH = f"""{_ASKED}, pool AS MATERIALIZED (
    SELECT c.id,
        -- Changes nothing but takes the words out of their compressed store once, not once a word.
        setweight(c.words, 'D') AS words,
        CASE WHEN c.embedder = $3 AND vector_dims(c.embedding) = $5
            THEN c.embedding <=> $4::text::halfvec END AS distance
    FROM knowledge_chunk c
    JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
    WHERE c.agent_id = $1 AND s.enabled AND ($6::uuid[] IS NULL OR c.id = ANY($6))
), size AS MATERIALIZED (
    SELECT count(*) AS chunks FROM pool
), hit AS MATERIALIZED (
    SELECT pool.id, asked.word, ts_rank_cd(pool.words, asked.query, 1) AS rank
    FROM asked JOIN pool ON pool.words @@ asked.query
), known AS MATERIALIZED (
    SELECT word, count(*) AS chunks FROM hit GROUP BY word
), weighed AS (
    SELECT hit.id, sum(hit.rank * ln(1 + size.chunks::float8 / known.chunks)) AS weight,
        bool_or(size.chunks >= 2 * known.chunks) AS telling,
        bool_or(hit.word ~ '[0-9]' AND size.chunks >= 10 * known.chunks) AS has_code
    FROM hit JOIN known USING (word) CROSS JOIN size
    GROUP BY hit.id
), lexical AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY weight DESC, id) AS place, has_code,
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
    WHERE EXISTS (SELECT FROM missed) AND (SELECT chunks FROM size) <= 1500
        -- Most words are left out here, before they are compared: they are far longer or shorter.
        AND length(lexeme) BETWEEN (SELECT min(length(word)) - 3 FROM missed)
            AND (SELECT max(length(word)) + 3 FROM missed)
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
), near AS MATERIALIZED (
    SELECT * FROM (
        SELECT id, row_number() OVER (ORDER BY distance, id) AS place,
            -- How far a chunk stands out from all others: cosines alone say little.
            (avg(distance) OVER () - distance) / nullif(stddev_pop(distance) OVER (), 0) AS stands
        FROM pool WHERE distance IS NOT NULL
    ) AS ranked
    WHERE place <= 50
), placed AS MATERIALIZED (
    -- Not one join a list: without statistics of these lists Postgres takes each pair in turn.
    SELECT id, max(by_words) AS by_words, max(by_letters) AS by_letters,
        max(by_meaning) AS by_meaning, max(stands) AS stands,
        bool_or(is_telling) AS is_telling, bool_or(has_code) AS has_code
    FROM (
        SELECT id, place AS by_words, NULL::bigint AS by_letters, NULL::bigint AS by_meaning,
            NULL::float8 AS stands, relevant AS is_telling, has_code
        FROM lexical
        UNION ALL SELECT id, NULL, place, NULL, NULL, false, false FROM fuzzy
        UNION ALL SELECT id, NULL, NULL, place, stands, false, false FROM near
    ) AS each
    GROUP BY id
)
SELECT c.id, c.source_id, s.title, c.heading, c.text, coalesce(s.read_at, s.created_at) AS read_at,
    s.url, by_words, is_telling, has_code, by_letters, by_meaning, stands,
    CASE WHEN by_meaning <= 3 THEN c.embedding::text END AS vector
FROM placed
JOIN knowledge_chunk c ON c.id = placed.id
JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
ORDER BY c.source_id, c.position
"""  # noqa: S608  # Our own statements.
# The query's agent is a word of each entry, so only entries of that agent are walked over.
_BY_WORDS = f"""{_ASKED}, marked AS (
    SELECT query && quote_literal($1::uuid::text)::tsquery AS query FROM asked
    UNION ALL
    SELECT (SELECT string_agg('(' || query::text || ')', ' & ')::tsquery FROM asked)
        && quote_literal($1::uuid::text)::tsquery
)
SELECT DISTINCT hit.id FROM marked CROSS JOIN LATERAL (
    SELECT c.id FROM knowledge_chunk c
    WHERE {CHUNK_WORDS} @@ marked.query AND c.agent_id = $1 AND c.tenant_id = $3
    LIMIT {_OF_A_WORD}
) AS hit
"""  # noqa: S608  # Our own statements.
_BY_MEANING = """
SELECT id FROM knowledge_chunk
WHERE tenant_id = $1 AND agent_id = $2 AND embedder = $3 AND vector_dims(embedding) = {dimensions}
ORDER BY embedding::halfvec({dimensions}) <=> $4::text::halfvec({dimensions}) LIMIT {nearest}
"""


async def find(
    tx: Transaction, agent_id: UUID, words: str, meaning: Meaning | None
) -> Sequence[Record]:
    """The chunks of an agent's enabled sources that may fit, each with its places.

    Args:
        words: the question, without what would be syntax in a query of words.
        meaning: its vector; without one it is searched by words and letters only.
    """
    count = await tx.sql.fetchval(
        "SELECT count(*) FROM (SELECT FROM knowledge_chunk WHERE agent_id = $1 LIMIT $2) AS first",
        agent_id,
        MANY_CHUNKS + 1,
    )
    ids = await _candidates(tx, agent_id, words, meaning) if count > MANY_CHUNKS else None
    model, vector, dimensions = (
        (meaning.model, meaning.vector, meaning.dimensions) if meaning else (None, None, None)
    )
    return list(await tx.sql.fetch(_SEARCH, agent_id, words, model, vector, dimensions, ids))


async def _candidates(
    tx: Transaction, agent_id: UUID, words: str, meaning: Meaning | None
) -> list[UUID]:
    """Ids of chunks that may fit, and of some others."""
    background = await tx.sql.fetch(
        "SELECT id FROM knowledge_chunk WHERE agent_id = $1 LIMIT $2", agent_id, _BACKGROUND
    )
    found = {row["id"] for row in background}
    async with tx.db.system() as connection, connection.transaction():
        rows = await connection.fetch(_BY_WORDS, agent_id, words, tx.tenant_id)
        found |= {row["id"] for row in rows}
        if meaning is not None:
            # One tenant's neighbours are looked for among everybody's.
            await connection.execute("SET LOCAL hnsw.iterative_scan = 'relaxed_order'")
            statement = _BY_MEANING.format(dimensions=meaning.dimensions, nearest=_NEAREST)
            rows = await connection.fetch(
                statement, tx.tenant_id, agent_id, meaning.model, meaning.vector
            )
            found |= {row["id"] for row in rows}
    return list(found)
