"""A source's way to what is searched: read, split, embedded; a stage at a time, each kept when done."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from asyncpg import PostgresError, Record

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.languages import detect_language
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.gateway import embedding_model
from frontdesk.knowledge.chunks import Piece, split
from frontdesk.knowledge.embedding import (
    chunks_without_vector,
    keep_vectors,
    vectors_of,
)
from frontdesk.knowledge.errors import NOT_EMBEDDED, Unreadable
from frontdesk.knowledge.files import drop_file, fetch_file
from frontdesk.knowledge.happenings import SourceFailed, SourceProgress, SourceReady
from frontdesk.knowledge.models import SourceKind, SourceState
from frontdesk.knowledge.reading import Document, document_file, read_document
from frontdesk.knowledge.robots import Rules
from frontdesk.knowledge.sites import Gone, NotNow, TooSoon, fetch_page, follow, rules_of
from frontdesk.knowledge.snapshots import SOURCE, LittleKnowledge

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5
LEASE_SECONDS = 240
# Statistics tell these apart in a paragraph; scripts tell more. Triage has them in memory anyway.
_LANGUAGES = ("en", "es", "pt", "it", "de", "fr")
_SURE = 0.5
_STEMMERS = {"en": "english", "es": "spanish", "pt": "portuguese", "it": "italian",
             "de": "german", "fr": "french", "ar": "arabic", "hi": "hindi", "el": "greek",
             "ta": "tamil"}  # fmt: skip

# The lease is the fence: a change of the text sets another due time. A page that is ready and due
# is to be looked at again.
_CLAIM = """
UPDATE knowledge_source
SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => $2),
    state = CASE WHEN state NOT IN ('queued', 'ready', 'failed') THEN state
        WHEN kind = 'text' THEN 'splitting' ELSE 'reading' END
WHERE id = $1 AND due_at <= now()
RETURNING id, agent_id, kind, title, state, attempts, due_at, url, site_id, depth, most_pages, etag,
    sha256, EXISTS (SELECT FROM knowledge_chunk c WHERE c.source_id = $1) AS is_known
"""
_STEP = """
UPDATE knowledge_source
SET state = $3, attempts = 1, due_at = clock_timestamp() + make_interval(secs => $4)
WHERE id = $1 AND due_at = $2 RETURNING due_at
"""
_SAVE_TEXT = """
UPDATE knowledge_source
SET title = $2, body = $3, pages = $4, etag = $5, sha256 = $6, read_at = now() WHERE id = $1
"""
_FINISH = """
UPDATE knowledge_source
SET state = 'ready', attempts = 0, last_error = NULL, embedder = $3,
    due_at = now() + make_interval(hours => refetch_hours)
WHERE id = $1 AND due_at = $2 RETURNING id
"""
# What was read from a page holds until something else is read.
_FAIL = """
UPDATE knowledge_source
SET last_error = $3, due_at = now() + make_interval(hours => refetch_hours), attempts = 0,
    state = CASE WHEN $4 THEN 'ready' ELSE 'failed' END,
    vocabulary = CASE WHEN $4 THEN vocabulary END, codes = CASE WHEN $4 THEN codes END
WHERE id = $1 AND due_at = $2 RETURNING id
"""
_PUT_OFF = """
UPDATE knowledge_source SET last_error = $3, due_at = now() + make_interval(secs => $4)
WHERE id = $1 AND due_at = $2
"""
# A pause that the site asks for is no failed attempt.
_WAIT = """
UPDATE knowledge_source
SET attempts = attempts - 1, due_at = clock_timestamp() + make_interval(secs => $3)
WHERE id = $1 AND due_at = $2
"""
# Attempts are kept from giving up; the pause grows to about an hour.
_EMBED_LATER = """
UPDATE knowledge_source
SET state = 'embedding', last_error = $3, attempts = 1, due_at = now() + make_interval(secs => least(
    3600, greatest(5, 2 * extract(epoch FROM now() - coalesce(read_at, created_at)))
))
WHERE id = $1 AND due_at = $2
"""
_ADD_CHUNKS = """
INSERT INTO knowledge_chunk (id, source_id, agent_id, position, heading, text, language, stemmer)
SELECT piece.id, $1, $2, piece.position, piece.heading, piece.text, piece.language,
    piece.stemmer::regconfig
FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS piece (id, position, heading, text, language, stemmer)
"""
LIST_WORDS = """
UPDATE knowledge_source SET (vocabulary, codes) = (
    SELECT array_agg(word) FILTER (WHERE word !~ '[0-9]'),
        array_agg(word) FILTER (WHERE word ~ '[0-9]')
    FROM (
        SELECT DISTINCT word FROM knowledge_chunk c, unnest(tsvector_to_array(words)) AS word
        WHERE c.source_id = $1 AND length(word) > 1
    ) AS each
) WHERE id = $1
"""
_MOVE_CHUNKS = """
UPDATE knowledge_chunk c SET position = kept.position
FROM unnest($1::uuid[], $2::int[]) AS kept (id, position)
WHERE c.id = kept.id AND c.position <> kept.position
"""


@dataclass
class Job:
    """A source in hand: its row as it was claimed, and the lease that it is held by."""

    tenant_id: UUID
    row: Record
    lease: datetime

    @property
    def id(self) -> UUID:
        """The source's."""
        found: UUID = self.row["id"]
        return found


class Lost(Exception):
    """The source has been changed or claimed by somebody else meanwhile."""


async def list_due_sources(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Sources that wait to be taken in, each tenant's first one before anyone's second."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM knowledge_source WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def ingest_source(resources: Resources, tenant_id: UUID, source_id: UUID) -> None:
    """Take a source in, from the stage that it has reached. Safe to run twice: a claim is a lease,
    and only the lease that still holds may change anything."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, source_id, LEASE_SECONDS)
    if row is None:
        return
    job = Job(tenant_id, row, row["due_at"])
    state = SourceState(row["state"])
    try:
        if state is SourceState.DELETING:
            await _delete(resources, job)
            return
        if row["attempts"] > MAX_ATTEMPTS:
            await _fail(resources, job, "Reading it ended the worker each time.")
            return
        if state is SourceState.READING:
            state = await _read(resources, job)
        if state is SourceState.SPLITTING:
            await _split(resources, job)
        await _finish(resources, job, await _embed(resources, job))
    except Lost:
        return
    except Gone:
        await _gone(resources, job)
    except TooSoon as pause:
        await _wait(resources, job, pause.seconds)
    except Unreadable as error:
        await _fail(resources, job, str(error))
    except (NotNow, PostgresError) as error:
        log.warning("source_put_off", error=type(error).__name__)
        words = str(error) if isinstance(error, NotNow) else f"It can't be stored: {error}"
        await _put_off(resources, job, excerpt(words, 200))


# Reading


async def _read(resources: Resources, job: Job) -> SourceState:
    """Get a source's text; the next stage, which is none when a page is what it was."""
    row = job.row
    async with document_file() as file:
        if row["kind"] == SourceKind.FILE:
            await fetch_file(resources, job.tenant_id, job.id, file)
            document = await read_document(file)
            await _keep_text(resources, job, document)
            await drop_file(resources, job.tenant_id, job.id)
            return SourceState.SPLITTING
        etag = row["etag"] if row["is_known"] else None
        page = await fetch_page(resources, job.id, row["url"], etag)
        if page is None or (row["is_known"] and page.sha256 == row["sha256"]):
            return SourceState.EMBEDDING
        await asyncio.to_thread(file.write_bytes, page.content)
        document = await read_document(file)
    if await _is_twin(resources, job, page.sha256):
        raise Gone
    rules = await rules_of(resources, page.url)
    await _keep_text(
        resources,
        job,
        document,
        base=page.url,
        etag=page.etag,
        sha256=page.sha256,
        rules=rules,
    )
    return SourceState.SPLITTING


async def _keep_text(
    resources: Resources,
    job: Job,
    document: Document,
    *,
    base: str | None = None,
    etag: str | None = None,
    sha256: str | None = None,
    rules: Rules | None = None,
) -> None:
    row = job.row
    title = row["title"]
    if document.title and title == row["url"]:
        title = document.title
    async with resources.db.hot(job.tenant_id) as tx:
        await _step(tx, job, SourceState.SPLITTING)
        await tx.sql.execute(
            _SAVE_TEXT, job.id, title, document.markdown, document.pages, etag, sha256
        )
        if base is not None and rules is not None:
            for page_id in await follow(tx, row, base, document.links, rules):
                tx.ring(SOURCE, page_id)


async def _is_twin(resources: Resources, job: Job, sha256: str) -> bool:
    """Whether another page of the same site says just the same, under another address."""
    if job.row["site_id"] is None:
        return False
    async with resources.db.hot(job.tenant_id) as tx:
        found = await tx.sql.fetchval(
            "SELECT 1 FROM knowledge_source "
            "WHERE (site_id = $1 OR id = $1) AND id <> $2 AND sha256 = $3",
            job.row["site_id"],
            job.id,
            sha256,
        )
    return found is not None


# Splitting


async def _split(resources: Resources, job: Job) -> None:
    """Cut the text into chunks; those that say what they said before stay as they are."""
    async with resources.db.hot(job.tenant_id) as tx:
        source = await tx.sql.fetchrow(
            "SELECT title, body FROM knowledge_source WHERE id = $1 AND due_at = $2",
            job.id,
            job.lease,
        )
        known = await tx.sql.fetch(
            "SELECT id, heading, text FROM knowledge_chunk WHERE source_id = $1 ORDER BY position",
            job.id,
        )
    if source is None:
        raise Lost
    try:
        # In a thread: a long text takes long enough to hold up everything else.
        pieces = await asyncio.to_thread(split, source["title"], source["body"])
    except ValueError as error:
        raise Unreadable(f"It can't be read: {excerpt(str(error), 200)}") from None
    if not pieces:
        raise Unreadable("There is no text in it.")
    kept = {Piece(row["heading"], row["text"]): row["id"] for row in known}
    places = dict(zip(pieces, range(len(pieces)), strict=True))
    new = [piece for piece in pieces if piece not in kept]
    languages = await asyncio.to_thread(lambda: [_language(piece.text) for piece in new])
    async with resources.db.hot(job.tenant_id) as tx:
        await _step(tx, job, SourceState.EMBEDDING)
        resources.keep(LittleKnowledge).forget_after_commit(tx, job.row["agent_id"])
        stay = [(kept[piece], place) for piece, place in places.items() if piece in kept]
        await tx.sql.execute(
            "DELETE FROM knowledge_chunk WHERE source_id = $1 AND id <> ALL($2::uuid[])",
            job.id,
            [chunk_id for chunk_id, _ in stay],
        )
        await tx.sql.execute(_MOVE_CHUNKS, *_columns(stay, 2))
        await tx.sql.execute(
            _ADD_CHUNKS,
            job.id,
            job.row["agent_id"],
            *_columns(
                [
                    (ids.new(), places[piece], piece.heading, piece.text, language, stemmer)
                    for piece, (language, stemmer) in zip(new, languages, strict=True)
                ],
                6,
            ),
        )
        await tx.sql.execute(LIST_WORDS, job.id)


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """Rows as columns, of which there are `count` even when there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


def _language(text: str) -> tuple[str | None, str]:
    """What language a chunk is in, and what stems its words."""
    language, sure = detect_language(text, _LANGUAGES)
    if language is None or sure < _SURE:
        return None, "simple"
    return language, _STEMMERS.get(language, "simple")


# Embedding


async def _embed(resources: Resources, job: Job) -> str | None:
    """Give the chunks that have none of it a vector of the model in use; that model, if there is one."""
    model = await embedding_model(resources, job.tenant_id)
    if model is None:
        return None
    while True:
        async with resources.db.hot(job.tenant_id) as tx:
            chunks = await chunks_without_vector(tx, job.id, model)
            counts = await tx.sql.fetchrow(
                "SELECT count(*) AS all, count(*) FILTER (WHERE embedder = $2) AS done "
                "FROM knowledge_chunk WHERE source_id = $1",
                job.id,
                model,
            )
            assert counts is not None
        if not chunks:
            return model
        try:
            vectors = await vectors_of(resources, job.tenant_id, job.row["agent_id"], chunks, model)
        except NOT_EMBEDDED as error:
            await _embed_later(resources, job, f"It is found by its words only as yet: {error}")
            raise Lost from None
        done, of = counts["done"] + len(chunks), counts["all"]
        async with resources.db.hot(job.tenant_id) as tx:
            await keep_vectors(tx, chunks, vectors, model)
            await _step(tx, job, SourceState.EMBEDDING, done, of)


async def _embed_later(resources: Resources, job: Job, error: str) -> None:
    """Try again in a while, for as long as it takes: its words are searched meanwhile."""
    async with resources.db.hot(job.tenant_id) as tx:
        await tx.sql.execute(_EMBED_LATER, job.id, job.lease, excerpt(error, 200))


# Ends


async def _step(tx: Transaction, job: Job, state: SourceState, done: int = 0, of: int = 0) -> None:
    """Note that a stage is reached, take the lease anew, and tell; raises `Lost`."""
    lease = await tx.sql.fetchval(_STEP, job.id, job.lease, state, LEASE_SECONDS)
    if lease is None:
        raise Lost
    job.lease = lease
    told = SourceProgress(
        source_id=job.id, agent_id=job.row["agent_id"], state=state, done=done, of=of
    )
    feed.tell(tx, told)


async def _finish(resources: Resources, job: Job, model: str | None) -> None:
    async with resources.db.hot(job.tenant_id) as tx:
        if await tx.sql.fetchval(_FINISH, job.id, job.lease, model) is None:
            return
        row = await tx.sql.fetchrow(
            "SELECT s.title, count(c.id) AS chunks FROM knowledge_source s "
            "LEFT JOIN knowledge_chunk c ON c.tenant_id = s.tenant_id AND c.source_id = s.id "
            "WHERE s.id = $1 GROUP BY s.title",
            job.id,
        )
        assert row is not None
        told = SourceReady(
            source_id=job.id,
            agent_id=job.row["agent_id"],
            title=row["title"],
            chunks=row["chunks"],
        )
        feed.tell(tx, told)


async def _fail(resources: Resources, job: Job, error: str) -> None:
    """Say in words what is wrong with a source; nobody tries again before it changes."""
    row = job.row
    keeps = row["kind"] == SourceKind.URL and row["is_known"]
    async with resources.db.hot(job.tenant_id) as tx:
        if await tx.sql.fetchval(_FAIL, job.id, job.lease, error, keeps) is None:
            return
        if not keeps:
            resources.keep(LittleKnowledge).forget_after_commit(tx, row["agent_id"])
            await tx.sql.execute("DELETE FROM knowledge_chunk WHERE source_id = $1", job.id)
        told = SourceFailed(
            source_id=job.id, agent_id=row["agent_id"], title=row["title"], error=error
        )
        feed.tell(tx, told)
    if row["kind"] == SourceKind.FILE:
        await drop_file(resources, job.tenant_id, job.id)


async def _put_off(resources: Resources, job: Job, error: str) -> None:
    """Try again in a while, or give up after the last attempt."""
    attempts = job.row["attempts"]
    if attempts >= MAX_ATTEMPTS:
        await _fail(resources, job, error)
        return
    async with resources.db.hot(job.tenant_id) as tx:
        await tx.sql.execute(_PUT_OFF, job.id, job.lease, error, 2.0**attempts)
        tx.ring(SOURCE, job.id, 2.0**attempts + 0.01)


async def _wait(resources: Resources, job: Job, seconds: float) -> None:
    """Read it when the site may be asked again."""
    async with resources.db.hot(job.tenant_id) as tx:
        await tx.sql.execute(_WAIT, job.id, job.lease, seconds)
        tx.ring(SOURCE, job.id, seconds + 0.01)


async def _gone(resources: Resources, job: Job) -> None:
    """A page of a site goes with its chunks when the site has it no more; its first page stays, to
    say so."""
    if job.row["site_id"] is None:
        await _fail(resources, job, "There is no page at this address.")
        return
    async with resources.db.hot(job.tenant_id) as tx:
        resources.keep(LittleKnowledge).forget_after_commit(tx, job.row["agent_id"])
        await tx.sql.execute(
            "DELETE FROM knowledge_source WHERE id = $1 AND due_at = $2", job.id, job.lease
        )


async def _delete(resources: Resources, job: Job) -> None:
    await drop_file(resources, job.tenant_id, job.id)
    async with resources.db.hot(job.tenant_id) as tx:
        await tx.sql.execute("DELETE FROM knowledge_source WHERE id = $1", job.id)
