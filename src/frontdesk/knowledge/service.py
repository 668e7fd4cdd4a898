"""Use cases of knowledge: sources, and their way into chunks."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog
from asyncpg import PostgresError, Record

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.api import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.knowledge.chunks import Piece, split
from frontdesk.knowledge.errors import NoSuchAgentForSource, NoSuchSource
from frontdesk.knowledge.happenings import (
    SourceAdded,
    SourceChanged,
    SourceDeleted,
    SourceDisabled,
    SourceEnabled,
    SourceFailed,
    SourceReady,
    SourceTold,
)
from frontdesk.knowledge.schemas import SourceCreate, SourcePublic, SourceSummary, SourceUpdate
from frontdesk.knowledge.snapshots import LittleKnowledge
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

SOURCE = "knowledge.source"
MAX_ATTEMPTS = 5
LEASE_SECONDS = 120

_COLUMNS = """
s.id, s.agent_id, s.title, s.enabled, s.state, s.last_error, s.created_at,
length(s.body) AS characters,
(SELECT count(*) FROM knowledge_chunk c WHERE c.tenant_id = s.tenant_id AND c.source_id = s.id)
    AS chunks
"""
# The agent is looked up in the statement: the foreign key would abort the whole transaction.
_INSERT = """
INSERT INTO knowledge_source (id, agent_id, title, body, enabled, state, attempts, due_at)
SELECT $1, agent.id, $3, $4, true, 'queued', 0, now() FROM agent WHERE agent.id = $2
RETURNING id
"""
_UPDATE = """
UPDATE knowledge_source
SET title = $2, body = $3, state = 'queued', attempts = 0, last_error = NULL, due_at = now()
WHERE id = $1 RETURNING agent_id
"""
# The lease is the fence: a change of the text sets another due time.
_CLAIM = """
UPDATE knowledge_source
SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1 AND due_at <= now()
RETURNING agent_id, title, body, attempts, due_at
"""
_FINISH = """
UPDATE knowledge_source SET state = 'ready', due_at = NULL, attempts = 0, last_error = NULL
WHERE id = $1 AND due_at = $2 RETURNING id
"""
_FAIL = """
UPDATE knowledge_source
SET state = CASE WHEN $3::float8 IS NULL THEN 'failed' ELSE state END, last_error = $4,
    due_at = now() + make_interval(secs => $3)
WHERE id = $1 AND due_at = $2 RETURNING id
"""
_ADD_CHUNKS = """
INSERT INTO knowledge_chunk (id, source_id, agent_id, position, heading, text)
SELECT piece.id, $1, $2, piece.position, piece.heading, piece.text
FROM unnest($3::uuid[], $4::text[], $5::text[])
    WITH ORDINALITY AS piece (id, heading, text, position)
"""


async def add_source(
    resources: Resources, tx: Transaction, body: SourceCreate, *, author_id: UUID | None = None
) -> SourcePublic:
    """Give an agent a text to answer from; a worker cuts it up, within a second or two.

    Raises:
        NoSuchAgentForSource: the tenant has no such agent.
    """
    source_id = await tx.sql.fetchval(_INSERT, ids.new(), body.agent_id, body.title, body.body)
    if source_id is None:
        raise NoSuchAgentForSource(f"There is no agent {body.agent_id}.")
    await _tell(resources, tx, SourceAdded, source_id, author_id, agent_id=body.agent_id)
    tx.ring(SOURCE, source_id)
    return await get_source(tx, source_id)


async def require_agent(tx: Transaction, agent_id: UUID) -> None:
    """Raise `NoSuchAgentForSource` unless the tenant has this agent."""
    if await tx.sql.fetchval("SELECT 1 FROM agent WHERE id = $1", agent_id) is None:
        raise NoSuchAgentForSource(f"There is no agent {agent_id}.")


async def change_source(
    resources: Resources,
    tx: Transaction,
    source_id: UUID,
    body: SourceUpdate,
    *,
    author_id: UUID | None = None,
) -> SourcePublic:
    """Replace a source's text; until it has been cut up anew, the agent does without it.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    agent_id = await tx.sql.fetchval(_UPDATE, source_id, body.title, body.body)
    if agent_id is None:
        raise NoSuchSource
    await _tell(resources, tx, SourceChanged, source_id, author_id, agent_id=agent_id)
    tx.ring(SOURCE, source_id)
    return await get_source(tx, source_id)


async def enable_source(
    resources: Resources,
    tx: Transaction,
    source_id: UUID,
    *,
    enabled: bool,
    author_id: UUID | None = None,
) -> SourcePublic:
    """Let the agent answer from a source, or no longer, at once.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    agent_id = await tx.sql.fetchval(
        "UPDATE knowledge_source SET enabled = $2 WHERE id = $1 RETURNING agent_id",
        source_id,
        enabled,
    )
    if agent_id is None:
        raise NoSuchSource
    change = SourceEnabled if enabled else SourceDisabled
    await _tell(resources, tx, change, source_id, author_id, agent_id=agent_id)
    return await get_source(tx, source_id)


async def delete_source(
    resources: Resources, tx: Transaction, source_id: UUID, *, author_id: UUID | None = None
) -> None:
    """Delete a source with all that was cut from it.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    agent_id = await tx.sql.fetchval(
        "DELETE FROM knowledge_source WHERE id = $1 RETURNING agent_id", source_id
    )
    if agent_id is None:
        raise NoSuchSource
    await _tell(resources, tx, SourceDeleted, source_id, author_id, agent_id=agent_id)


async def get_source(tx: Transaction, source_id: UUID) -> SourcePublic:
    """A source with its text.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    row = await tx.sql.fetchrow(
        f"SELECT {_COLUMNS}, s.body FROM knowledge_source s WHERE s.id = $1",  # noqa: S608  # Ours.
        source_id,
    )
    if row is None:
        raise NoSuchSource
    return SourcePublic(**dict(row))


async def list_sources(
    tx: Transaction, *, agent_id: UUID | None, limit: int, cursor: str | None
) -> Page[SourceSummary]:
    """A page of sources without their texts, newest first.

    Raises:
        NoSuchAgentForSource: only an agent's are asked for, and the tenant has no such agent.
    """
    if agent_id is not None:
        await require_agent(tx, agent_id)
    values = decode_cursor(cursor, 1)
    rows: Sequence[Record] = await tx.sql.fetch(
        f"SELECT {_COLUMNS} FROM knowledge_source s "  # noqa: S608  # Ours.
        "WHERE ($1::uuid IS NULL OR s.agent_id = $1) AND ($2::uuid IS NULL OR s.id < $2) "
        "ORDER BY s.id DESC LIMIT $3",
        agent_id,
        cursor_uuid(values[0]) if values else None,
        limit + 1,
    )
    return Page(
        items=[SourceSummary(**dict(row)) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
    )


async def knows_anything(tx: Transaction, agent_id: UUID) -> bool:
    """Whether an agent has any source that it answers from."""
    found = await tx.sql.fetchval(
        "SELECT 1 FROM knowledge_source WHERE agent_id = $1 AND enabled AND state = 'ready' LIMIT 1",
        agent_id,
    )
    return found is not None


async def list_due_sources(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Sources that wait to be cut up, each tenant's first one before anyone's second."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM knowledge_source WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def ingest_source(resources: Resources, tenant_id: UUID, source_id: UUID) -> None:
    """Cut a source into chunks. Safe to run twice: a claim is a lease, and only the lease that
    still holds replaces the chunks."""
    async with resources.db.hot(tenant_id) as tx:
        claim = await tx.sql.fetchrow(_CLAIM, source_id, LEASE_SECONDS)
    if claim is None:
        return
    if claim["attempts"] > MAX_ATTEMPTS:
        await _fail(
            resources, tenant_id, source_id, claim, "Reading it ended the worker each time."
        )
        return
    try:
        # In a thread: a long text takes long enough to hold up everything else.
        pieces = await asyncio.to_thread(split, claim["title"], claim["body"])
        if not pieces:
            await _fail(resources, tenant_id, source_id, claim, "There is no text in it.")
            return
        await _replace_chunks(resources, tenant_id, source_id, claim, pieces)
    except Unavailable:
        raise
    except (ValueError, PostgresError) as error:
        log.warning("source_unreadable", error=type(error).__name__)
        final = claim["attempts"] >= MAX_ATTEMPTS
        await _fail(
            resources,
            tenant_id,
            source_id,
            claim,
            f"It can't be read: {excerpt(str(error), 200)}",
            retry_seconds=None if final else 2.0 ** claim["attempts"],
        )


async def _replace_chunks(
    resources: Resources, tenant_id: UUID, source_id: UUID, claim: Record, pieces: list[Piece]
) -> None:
    async with resources.db.hot(tenant_id) as tx:
        if await tx.sql.fetchval(_FINISH, source_id, claim["due_at"]) is None:
            return
        resources.keep(LittleKnowledge).forget_after_commit(tx, claim["agent_id"])
        await tx.sql.execute("DELETE FROM knowledge_chunk WHERE source_id = $1", source_id)
        await tx.sql.execute(
            _ADD_CHUNKS,
            source_id,
            claim["agent_id"],
            [ids.new() for _ in pieces],
            [piece.heading for piece in pieces],
            [piece.text for piece in pieces],
        )
        told = SourceReady(
            source_id=source_id,
            agent_id=claim["agent_id"],
            title=claim["title"],
            chunks=len(pieces),
        )
        feed.tell(tx, told)


async def _fail(
    resources: Resources,
    tenant_id: UUID,
    source_id: UUID,
    claim: Record,
    error: str,
    *,
    retry_seconds: float | None = None,
) -> None:
    """Say in words what is wrong with a source; without a pause it is not tried again."""
    async with resources.db.hot(tenant_id) as tx:
        done = await tx.sql.fetchval(_FAIL, source_id, claim["due_at"], retry_seconds, error)
        if done is None or retry_seconds is not None:
            return
        told = SourceFailed(
            source_id=source_id, agent_id=claim["agent_id"], title=claim["title"], error=error
        )
        feed.tell(tx, told)


async def _tell(
    resources: Resources,
    tx: Transaction,
    change: type[SourceTold],
    source_id: UUID,
    user_id: UUID | None,
    *,
    agent_id: UUID,
) -> None:
    resources.keep(LittleKnowledge).forget_after_commit(tx, agent_id)
    await audit(tx, change.kind, "knowledge_source", source_id, user_id=user_id)
    feed.tell(tx, change(source_id=source_id, agent_id=agent_id))
