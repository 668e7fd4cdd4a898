"""The statements that search: by words, by letters and by meaning, each a list of places.

By words: the language of a question is not known, so its words are looked for as they are, by their
beginning, and by what each of the usual stemmers makes of them; a chunk's words are kept both plain
and stemmed by its own language. Small words of the usual languages ask for nothing, and rare ones
count more than those in every chunk. A word that is found nowhere may be mistyped, or bent as no
stemmer knows: then the words most like it are meant.

All chunks of an agent are looked at, unless they are many: then indexes bring those that may fit.
Under row-level security Postgres uses no index of words, so that question goes past it, names tenant
and agent, and brings ids alone (docs/decisions/0012-search-asks-twice.md). What a search costs grows
with what the agent knows, and never with what others do: each word of the index is an agent's own,
and where neighbours of others crowd an agent's out, its own are all compared.
"""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from frontdesk.core.db import Transaction
from frontdesk.knowledge.embedding import Meaning
from frontdesk.knowledge.models import CHUNK_WORDS, INDEXED_DIMENSIONS

# What each of an agent's words begins with in the index.
OWN = "right($1::uuid::text, 12)"
# From here on indexes choose. Fewer are all compared, which misses nothing.
MANY_CHUNKS = 2_000
# Up to here vectors are all compared nevertheless: a microsecond each.
MANY_VECTORS = 10_000
# Of so many that hold a word; one that more hold tells little by itself.
_OF_A_WORD = 100
_NEAREST = 60
# Vectors of everybody's that are looked at for an agent's nearest.
_MOST_NEIGHBOURS = 4_000
# Others of the same agent, so that rare words and near neighbours stand out from something.
_BACKGROUND = 300
# A word that so many of those hold is not looked for by itself: it is in thousands.
_COMMON = 15
_MISSED = 6
# In bytes, without its agent: Postgres allows 2,046. Longer ones are not in the index.
_LONGEST_WORD = 2_034

_AMONG_EVERYBODYS = f"""
SET LOCAL hnsw.iterative_scan = 'relaxed_order';
SET LOCAL hnsw.max_scan_tuples = {_MOST_NEIGHBOURS}
"""
# Chunks of enabled sources, up to a limit, and the sources that are not searched.
_HOW_MANY = """
SELECT (
    SELECT count(*) FROM (
        SELECT FROM knowledge_source s CROSS JOIN LATERAL (
            SELECT FROM knowledge_chunk c WHERE c.source_id = s.id LIMIT $2
        ) AS each
        WHERE s.agent_id = $1 AND s.enabled LIMIT $2
    ) AS first
), ARRAY(SELECT id FROM knowledge_source WHERE agent_id = $1 AND NOT enabled)
"""
_ASKED = f"""
WITH stemmer (dictionary) AS (
    SELECT unnest(ARRAY[
        'english_stem', 'spanish_stem', 'portuguese_stem', 'italian_stem', 'german_stem',
        'french_stem', 'arabic_stem', 'hindi_stem'
    ]::regdictionary[])
), asked AS MATERIALIZED (
    SELECT word, query, own
    FROM unnest(tsvector_to_array(to_tsvector('simple', frontdesk_unaccent($2)))) AS word
    CROSS JOIN LATERAL (
        SELECT string_agg(quote_literal(form) || ending, ' | ')::tsquery AS query,
            string_agg(quote_literal({OWN} || form) || ending, ' | ')::tsquery AS own
        FROM (
            SELECT form, CASE WHEN length(form) >= 4 THEN ':*' ELSE '' END AS ending
            FROM (
                SELECT word AS form
                UNION
                SELECT stem FROM stemmer, unnest(ts_lexize(dictionary, word)) AS stem
                WHERE length(stem) >= 3
                UNION
                -- ZX1017 and ZX 1017 for ZX-1017, of which Postgres keeps the words zx and -1017.
                SELECT sign || substring(word FROM '[0-9]{{3,}}$')
                FROM unnest(ARRAY['', '-']) AS sign WHERE word ~ '[0-9]{{3,}}$'
            ) AS made
        ) AS forms
    ) AS queries
    WHERE octet_length(word) <= {_LONGEST_WORD}
        AND NOT EXISTS (SELECT FROM stemmer WHERE ts_lexize(dictionary, word) = '{{}}')
    LIMIT 32
)
"""  # noqa: S608  # Our own statements.
# Of words that are found nowhere, those of the agent's sources that are most like them.
_MEANT = f"""
vocabulary AS MATERIALIZED (
    SELECT DISTINCT lexeme FROM knowledge_source s, unnest(
        -- Codes are like codes and words like words, and a catalogue has very many codes.
        CASE WHEN (SELECT bool_or(word !~ '[0-9]') FROM missed) THEN s.vocabulary END
            || CASE WHEN (SELECT bool_or(word ~ '[0-9]') FROM missed) THEN s.codes END
    ) AS lexeme
    WHERE s.agent_id = $1 AND s.enabled AND EXISTS (SELECT FROM missed)
        AND octet_length(lexeme) <= {_LONGEST_WORD}
        -- Most words are left out here, before they are compared: they are far longer or shorter.
        AND length(lexeme) BETWEEN (SELECT min(length(word)) - 3 FROM missed)
            AND (SELECT max(length(word)) + 3 FROM missed)
), meant AS MATERIALIZED (
    SELECT lexeme, max(similarity(word, lexeme)) AS likeness
    FROM missed JOIN vocabulary ON similarity(word, lexeme) >= 0.45
    GROUP BY lexeme
    ORDER BY likeness DESC, lexeme LIMIT 12
)
"""  # noqa: S608  # Our own statements.
_SEARCH = """{asked}, pool AS MATERIALIZED (
    SELECT c.id,
        -- Changes nothing but takes the words out of their compressed store once, not once a word.
        setweight(c.words, 'D') AS words,
        -- A question by itself, as Postgres would read the vector's text anew for each chunk.
        CASE WHEN c.embedder = $3 AND vector_dims(c.embedding) = $5
            THEN c.embedding <=> (SELECT $4::text::halfvec) END AS distance
    FROM {chunks} knowledge_chunk c {among}
    JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id
    WHERE c.agent_id = $1 AND s.enabled
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
), {meant}, alike AS (
    SELECT pool.id, max(meant.likeness) AS likeness
    FROM meant JOIN pool ON pool.words @@ quote_literal(lexeme)::tsquery
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
"""
_SEARCH_ALL = _SEARCH.format(asked=_ASKED, chunks="", among="", meant=_MEANT)
_SEARCH_AMONG = _SEARCH.format(
    asked=_ASKED,
    chunks="unnest($6::uuid[]) AS candidate (id) JOIN",
    among="ON c.id = candidate.id",
    meant="meant AS (SELECT * FROM unnest($7::text[], $8::real[]) AS meant (lexeme, likeness))",
)
# Before a limit counts: what is disabled would crowd out what is not. What it leaves out is named, not
# what it lets in, as Postgres would rather look through all of that than ask the index of words.
_SEARCHED = "c.agent_id = $1 AND c.tenant_id = $3 AND c.source_id <> ALL ($4)"
# From all over the sources, each as often as it is long.
_OTHERS = """
WITH source AS MATERIALIZED (
    SELECT id, (SELECT max(position) FROM knowledge_chunk c WHERE c.source_id = s.id) AS last
    FROM knowledge_source s WHERE agent_id = $1 AND enabled LIMIT $2
)
SELECT c.id FROM source
CROSS JOIN LATERAL generate_series(
    0, last, greatest(1, (SELECT sum(last + 1) FROM source) / $2)::int
) AS place
JOIN knowledge_chunk c ON c.source_id = source.id AND c.position = place
"""
_BY_WORDS = f"""{_ASKED}, other AS MATERIALIZED (
    SELECT setweight(words, 'D') AS words FROM knowledge_chunk
    WHERE tenant_id = $3 AND id = ANY ($5)
), common AS MATERIALIZED (
    SELECT word FROM asked JOIN other ON other.words @@ asked.query
    GROUP BY word HAVING count(*) > {_COMMON}
), hit AS MATERIALIZED (
    SELECT word, own, found.id, word IN (SELECT word FROM common) AS is_common
    FROM asked LEFT JOIN LATERAL (
        SELECT c.id FROM knowledge_chunk c
        WHERE {CHUNK_WORDS} @@ asked.own AND {_SEARCHED}
            AND word NOT IN (SELECT word FROM common)
        LIMIT {_OF_A_WORD}
    ) AS found ON true
), together AS MATERIALIZED (
    -- The telling ones, the common ones, and all: a word that is nowhere has no say in it.
    SELECT DISTINCT string_agg('(' || own::text || ')', ' & ' ORDER BY own)::tsquery AS own
    FROM (SELECT DISTINCT own, is_common FROM hit WHERE is_common OR id IS NOT NULL) AS held
    GROUP BY GROUPING SETS ((is_common), ())
)
SELECT word, id, is_common FROM hit
UNION ALL
SELECT NULL, found.id, false FROM together CROSS JOIN LATERAL (
    SELECT c.id FROM knowledge_chunk c
    WHERE {CHUNK_WORDS} @@ together.own AND {_SEARCHED}
    LIMIT {_OF_A_WORD}
) AS found
"""  # noqa: S608  # Our own statements.
_MEANT_BY = f"""
WITH missed AS MATERIALIZED (SELECT unnest($2::text[]) AS word LIMIT {_MISSED}), {_MEANT}
SELECT lexeme, likeness FROM meant
"""  # noqa: S608  # Our own statements.
_HOLDING = f"""
SELECT hit.id FROM unnest($2::text[]) AS lexeme CROSS JOIN LATERAL (
    SELECT c.id FROM knowledge_chunk c
    WHERE {CHUNK_WORDS} @@ quote_literal({OWN} || lexeme)::tsquery
        AND {_SEARCHED}
    LIMIT {_OF_A_WORD}
) AS hit
"""  # noqa: S608  # Our own statements.
_NEIGHBOURS = f"""
SELECT c.id FROM knowledge_chunk c
WHERE {_SEARCHED} AND embedder = $2 AND vector_dims(embedding) = {{dimensions}}
ORDER BY embedding::halfvec({{dimensions}}) <=> (SELECT $5::text::halfvec({{dimensions}}))
LIMIT {_NEAREST}
"""  # noqa: S608  # Our own statements.
_NEAREST_OF_ALL = f"""
SELECT c.id FROM knowledge_chunk c
WHERE {_SEARCHED} AND embedder = $2 AND vector_dims(embedding) = $6
ORDER BY embedding <=> (SELECT $5::text::halfvec) LIMIT {_NEAREST}
"""  # noqa: S608  # Our own statements.


async def find(
    tx: Transaction, agent_id: UUID, words: str, meaning: Meaning | None
) -> Sequence[Record]:
    """The chunks of an agent's enabled sources that may fit, each with its places.

    Args:
        words: the question, without what would be syntax in a query of words.
        meaning: its vector; without one it is searched by words and letters only.
    """
    ((count, disabled),) = await tx.sql.fetch(_HOW_MANY, agent_id, MANY_VECTORS + 1)
    model, vector, dimensions = (
        (meaning.model, meaning.vector, meaning.dimensions) if meaning else (None, None, None)
    )
    asked = (agent_id, words, model, vector, dimensions)
    if count <= MANY_CHUNKS:
        return list(await tx.sql.fetch(_SEARCH_ALL, *asked))
    others = [row["id"] for row in await tx.sql.fetch(_OTHERS, agent_id, _BACKGROUND)]
    holding, meant = await _by_words(tx, agent_id, words, disabled, others)
    near = await _by_meaning(tx, agent_id, meaning, disabled, compares_all=count <= MANY_VECTORS)
    ids = list({*others, *holding, *near})
    lexemes, likeness = [row["lexeme"] for row in meant], [row["likeness"] for row in meant]
    return list(await tx.sql.fetch(_SEARCH_AMONG, *asked, ids, lexemes, likeness))


async def _by_words(
    tx: Transaction,
    agent_id: UUID,
    words: str,
    disabled: Sequence[UUID],
    others: Sequence[UUID],
) -> tuple[set[UUID], Sequence[Record]]:
    """Chunks that hold a word of the question, or one that may be meant by it; and what may be meant."""
    async with tx.db.system() as connection:
        rows = await connection.fetch(_BY_WORDS, agent_id, words, tx.tenant_id, disabled, others)
        holding = {row["id"] for row in rows if row["id"]}
        missed = [
            row["word"]
            for row in rows
            if row["word"] and not row["id"] and not row["is_common"] and len(row["word"]) >= 5
        ]
        if not missed:
            return holding, ()
        meant = await tx.sql.fetch(_MEANT_BY, agent_id, missed)
        rows = await connection.fetch(
            _HOLDING, agent_id, [row["lexeme"] for row in meant], tx.tenant_id, disabled
        )
    return holding | {row["id"] for row in rows}, meant


async def _by_meaning(
    tx: Transaction,
    agent_id: UUID,
    meaning: Meaning | None,
    disabled: Sequence[UUID],
    *,
    compares_all: bool,
) -> set[UUID]:
    """The chunks nearest to a question."""
    if meaning is None:
        return set()
    rows: Sequence[Record] = ()
    asked = (agent_id, meaning.model, tx.tenant_id, disabled, meaning.vector)
    if not compares_all and meaning.dimensions in INDEXED_DIMENSIONS:
        async with tx.db.system() as connection, connection.transaction():
            # One tenant's neighbours are looked for among everybody's.
            await connection.execute(_AMONG_EVERYBODYS)
            statement = _NEIGHBOURS.format(dimensions=meaning.dimensions)
            rows = await connection.fetch(statement, *asked)
    if len(rows) < _NEAREST:
        rows = await tx.sql.fetch(_NEAREST_OF_ALL, *asked, meaning.dimensions)
    return {row["id"] for row in rows}
