"""How long a search takes in libraries of 1,000, 100,000 and 1,000,000 chunks: simulated ones.

Texts are words drawn about as often as words are in a language, each piece with a code of its own;
vectors are 200 middles with noise around them, as long as the local model's. Nothing about quality
can be told from them. Each library is a database of its own, with the product's indexes, and they
are asked in turn.
"""

import itertools
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from benchmarks.ground import Ground
from frontdesk.core import ids
from frontdesk.core.db import Database
from frontdesk.core.settings import with_database, with_user
from frontdesk.knowledge.embedding import Meaning
from frontdesk.knowledge.ingesting import LIST_WORDS
from frontdesk.knowledge.retrieval import choose, find_candidates

_DIMENSIONS = 384
_MIDDLES = 200
_POOL = 5_000  # Of paragraphs and of vectors; a chunk is put together from two and three.
_WORDS = 20_000
_QUESTIONS = 200
_WARMING = 10
_STARTS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr")
_ENDS = ("a", "e", "i", "o", "u", "an", "en", "or", "is")
_SYLLABLES = [start + end for start in _STARTS for end in _ENDS]
_TABLES = f"""
CREATE UNLOGGED TABLE made_text (n int PRIMARY KEY, text text);
CREATE UNLOGGED TABLE made_vector (n int PRIMARY KEY, vector halfvec);
INSERT INTO made_vector SELECT n, (
    SELECT array_agg((random() - 0.5) * CASE WHEN n < {_MIDDLES} THEN 1 ELSE 0.5 END + 0 * k)
    FROM generate_series(1, {_DIMENSIONS}) AS k
)::real[]::halfvec FROM generate_series(0, {_POOL - 1}) AS n;
ANALYZE made_vector
"""  # Our own numbers.
_SOURCE = """
INSERT INTO knowledge_source (tenant_id, id, agent_id, title, body, enabled, state, attempts)
VALUES ($1, $2, $3, 'Manual', '', true, 'ready', 0)
"""
_FILL = f"""
INSERT INTO knowledge_chunk (tenant_id, id, source_id, agent_id, position, heading, text, stemmer,
    embedding, embedder)
SELECT $1, gen_random_uuid(), $2, $3, place, 'Manual › Chapter ' || place / 20,
    one.text || ' ' || left(other.text, 300) || ' QX-' || place, 'english',
    l2_normalize(middle.vector + noise.vector + more.vector), 'made'
FROM generate_series(0, $4::int - 1) AS place
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT floor(random() * {_POOL})::int FROM generate_series(1, 5 + place * 0)) AS n
) AS drawn
JOIN made_text one ON one.n = drawn.n[1] JOIN made_text other ON other.n = drawn.n[2]
JOIN made_vector middle ON middle.n = drawn.n[3] % {_MIDDLES}
JOIN made_vector noise ON noise.n = greatest({_MIDDLES}, drawn.n[4])
JOIN made_vector more ON more.n = greatest({_MIDDLES}, drawn.n[5])
"""  # Our own numbers.
_DRAW = """
SELECT embedding::text AS vector, text FROM knowledge_chunk
WHERE tenant_id = $1 AND source_id = $2 AND position = $3
"""


@dataclass(frozen=True)
class Shelf:
    """One tenant's only agent, and its only source."""

    tenant_id: UUID
    agent_id: UUID
    source_id: UUID


class Library:
    """So many tenants with so many chunks each, in a database of its own."""

    def __init__(self, ground: Ground, tenants: int, chunks: int) -> None:
        self.chunks = chunks
        name = f"library_{tenants}_{chunks}"
        self.url = with_database(ground.postgres.url, name)
        app = with_database(with_user(ground.postgres.url, "frontdesk_app"), name)
        self.db = Database(ground.settings(DATABASE__URL=app).database, {})
        self.shelves = [Shelf(ids.new(), ids.new(), ids.new()) for _ in range(tenants)]
        over = f"over {tenants:,} tenants" if tenants > 1 else "in one tenant"
        self.name = f"{tenants * chunks:,} {over}"
        self.seconds: list[float] = []

    @property
    def p95(self) -> float:
        """Milliseconds that nineteen of twenty searches stay below."""
        return statistics.quantiles(self.seconds[_WARMING:], n=20)[-1] * 1000

    async def fill(self, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Make it, as a copy of the product's database: rows first and the large indexes after."""
        name = self.url.rpartition("/")[2]
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE frontdesk")
        sql = await asyncpg.connect(self.url)
        # Foreign keys are looked at for each row otherwise, and here they can only be right.
        await sql.execute("SET session_replication_role = replica")
        await sql.execute(_TABLES)
        await sql.copy_records_to_table("made_text", records=list(enumerate(_paragraphs())))
        indexes = await sql.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'knowledge_chunk' "
            "AND indexdef ~ 'USING (gin|hnsw)'"
        )
        for index in indexes:
            await sql.execute(f"DROP INDEX {index['indexname']}")
        for place, shelf in enumerate(self.shelves, start=1):
            at = (shelf.tenant_id, shelf.source_id, shelf.agent_id)
            await sql.execute(_SOURCE, *at)
            await sql.execute(_FILL, *at, self.chunks)
            await sql.execute(LIST_WORDS, shelf.source_id)
            if place % 50 == 0:
                _tell(f"{self.name}: {place * self.chunks:,} written")
        # In memory the neighbours are found many times faster than on the disk.
        await sql.execute("SET maintenance_work_mem = '2GB'")
        for index in indexes:
            _tell(f"{self.name}: {index['indexname']}")
            await sql.execute(index["indexdef"])
        await sql.execute("VACUUM ANALYZE knowledge_chunk")
        await sql.execute("CHECKPOINT")
        await sql.close()

    async def ask(self, sql: "asyncpg.Connection[asyncpg.Record]", draw: random.Random) -> None:
        """Ask somebody's agent one question, with some of a chunk's words and with its vector."""
        shelf = draw.choice(self.shelves)
        row = await sql.fetchrow(
            _DRAW, shelf.tenant_id, shelf.source_id, draw.randrange(self.chunks)
        )
        assert row is not None
        words = row["text"].split()
        place = draw.randrange(len(words) - 8)
        asked = words[place : place + 8]
        number = len(self.seconds)
        if number % 4 == 1:  # One of the words is mistyped,
            asked[2] = f"{asked[2][:1]}{asked[2][2:]}{asked[2][1:2]}zation"
        if number % 3 == 0:  # or a code is asked for.
            asked.append(words[-1])
        meaning = Meaning("made", row["vector"], _DIMENSIONS)
        question = f"How do I {' '.join(asked)}?"
        began = time.perf_counter()
        async with self.db.hot(shelf.tenant_id) as tx:
            found = await find_candidates(tx, shelf.agent_id, question, meaning)
        choose(found, question, 6, meaning)
        self.seconds.append(time.perf_counter() - began)


async def measure(ground: Ground) -> None:
    """Make the libraries, ask them in turn, and print how long a search takes in each."""
    libraries = [Library(ground, *size) for size in ((1, 1_000), (1, 100_000), (1_000, 1_000))]
    admin = await asyncpg.connect(with_database(ground.postgres.url, "postgres"))
    for library in libraries:
        await library.fill(admin)
    await admin.close()
    draw = random.Random(3)  # The same questions in each run.
    sqls = [await asyncpg.connect(library.url) for library in libraries]
    for library in libraries:
        await library.db.open()
    for _ in range(_WARMING + _QUESTIONS):
        for library, sql in zip(libraries, sqls, strict=True):
            await library.ask(sql, draw)
    for library, sql in zip(libraries, sqls, strict=True):
        await sql.close()
        await library.db.close()
    print(f"\n{'chunks':<30} p50 ms  p95 ms  of the first")
    for library in libraries:
        p50 = statistics.median(library.seconds[_WARMING:]) * 1000
        share = library.p95 / libraries[0].p95
        print(f"{library.name:<30} {p50:>6.1f} {library.p95:>7.1f} {share:>13.2f}", flush=True)


def _paragraphs() -> Iterator[str]:
    draw = random.Random(7)  # The same in each run.
    words = ["".join(draw.choices(_SYLLABLES, k=draw.choice((2, 3, 3, 4)))) for _ in range(_WORDS)]
    often = list(itertools.accumulate(1 / (place + 3) for place in range(_WORDS)))
    for _ in range(_POOL):
        sentences = (
            " ".join(draw.choices(words, cum_weights=often, k=draw.randint(8, 16)))
            for _ in range(5)
        )
        yield " ".join(f"{sentence.capitalize()}." for sentence in sentences)


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)
