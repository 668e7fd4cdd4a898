"""Use cases of knowledge: the sources that agents answer from."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.resources import Resources
from frontdesk.knowledge.errors import NoSuchAgentForSource, NoSuchSource, NotWrittenHere
from frontdesk.knowledge.happenings import (
    SourceAdded,
    SourceChanged,
    SourceDeleted,
    SourceDisabled,
    SourceEnabled,
    SourceTold,
)
from frontdesk.knowledge.models import SourceKind
from frontdesk.knowledge.schemas import (
    PageCreate,
    SourceCreate,
    SourcePublic,
    SourceSummary,
    SourceUpdate,
)
from frontdesk.knowledge.snapshots import SOURCE, LittleKnowledge
from frontdesk.observability import audit

_COLUMNS = """
s.id, s.agent_id, s.title, s.kind, s.enabled, s.state, s.last_error, s.created_at,
s.filename, s.size_bytes, s.pages, s.url, s.site_id, s.most_pages, s.refetch_hours, s.read_at,
length(s.body) AS characters, c.chunks, c.embedded, p.site_pages, p.site_pages_ready
"""
_FROM = """
FROM knowledge_source s
CROSS JOIN LATERAL (
    SELECT count(*) AS chunks, count(embedder) AS embedded FROM knowledge_chunk c
    WHERE c.tenant_id = s.tenant_id AND c.source_id = s.id
) AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS site_pages, count(*) FILTER (WHERE state = 'ready') AS site_pages_ready
    FROM knowledge_source p WHERE p.tenant_id = s.tenant_id AND p.site_id = s.id
) AS p
"""
# The agent is looked up in the statement: the foreign key would abort the whole transaction.
_INSERT = """
INSERT INTO knowledge_source (id, agent_id, title, body, kind, enabled, state, attempts, due_at,
    url, most_pages, refetch_hours)
SELECT $1, agent.id, $3, $4, $5, true, 'queued', 0, now(), $6, $7, $8
FROM agent WHERE agent.id = $2 RETURNING id
"""
_UPDATE = """
UPDATE knowledge_source
SET title = $2, body = $3, state = 'queued', attempts = 0, last_error = NULL, due_at = now()
WHERE id = $1 AND kind = 'text' RETURNING agent_id
"""
_REFRESH = """
UPDATE knowledge_source
SET state = 'queued', attempts = 0, last_error = NULL, due_at = now()
WHERE (id = $1 OR site_id = $1) AND kind = 'url' RETURNING id, agent_id
"""
# A file goes from the store first: the row is the job of that.
_DELETE_FILE = """
UPDATE knowledge_source
SET state = 'deleting', enabled = false, attempts = 0, due_at = now()
WHERE id = $1 AND kind = 'file' AND state <> 'deleting' RETURNING agent_id
"""


async def add_source(
    resources: Resources, tx: Transaction, body: SourceCreate, *, author_id: UUID | None = None
) -> SourcePublic:
    """Give an agent a text to answer from; a worker cuts it up, within a second or two.

    Raises:
        NoSuchAgentForSource: the tenant has no such agent.
    """
    values = (body.title, body.body, SourceKind.TEXT, None, 1, None)
    return await _insert(resources, tx, body.agent_id, values, author_id)


async def add_page(
    resources: Resources, tx: Transaction, body: PageCreate, *, author_id: UUID | None = None
) -> SourcePublic:
    """Give an agent a page to answer from, or a site from that page on; a worker fetches it.

    Raises:
        NoSuchAgentForSource: the tenant has no such agent.
    """
    url = str(body.url)
    values = (body.title or url, "", SourceKind.URL, url, body.most_pages, body.refetch_hours)
    return await _insert(resources, tx, body.agent_id, values, author_id)


async def _insert(
    resources: Resources,
    tx: Transaction,
    agent_id: UUID,
    values: tuple[object, ...],
    author_id: UUID | None,
) -> SourcePublic:
    source_id = await tx.sql.fetchval(_INSERT, ids.new(), agent_id, *values)
    if source_id is None:
        raise NoSuchAgentForSource(f"There is no agent {agent_id}.")
    await announce_source(resources, tx, source_id, agent_id, author_id)
    tx.ring(SOURCE, source_id)
    return await get_source(tx, source_id)


async def announce_source(
    resources: Resources, tx: Transaction, source_id: UUID, agent_id: UUID, author_id: UUID | None
) -> None:
    """Write down that an agent was given a source, and tell."""
    await _tell(resources, tx, SourceAdded, source_id, author_id, agent_id=agent_id)


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
    """Replace a source's text; until it has been cut up anew, the agent goes by the one before.

    Raises:
        NoSuchSource: the tenant has no such source.
        NotWrittenHere: its text comes from a file or a page.
    """
    agent_id = await tx.sql.fetchval(_UPDATE, source_id, body.title, body.body)
    if agent_id is None:
        await get_source(tx, source_id)
        raise NotWrittenHere
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
    """Let the agent answer from a source and its pages, or no longer, at once.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    agent_id = await tx.sql.fetchval(
        "WITH changed AS (UPDATE knowledge_source SET enabled = $2 "
        "WHERE (id = $1 OR site_id = $1) AND state <> 'deleting' RETURNING id, agent_id) "
        "SELECT agent_id FROM changed WHERE id = $1",
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
    """Delete a source with its pages, its file and all that was cut from it.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    agent_id = await tx.sql.fetchval(_DELETE_FILE, source_id)
    if agent_id is not None:
        await tx.sql.execute("DELETE FROM knowledge_chunk WHERE source_id = $1", source_id)
        tx.ring(SOURCE, source_id)
    else:
        agent_id = await tx.sql.fetchval(
            "DELETE FROM knowledge_source WHERE id = $1 AND kind <> 'file' RETURNING agent_id",
            source_id,
        )
    if agent_id is None:
        raise NoSuchSource
    await _tell(resources, tx, SourceDeleted, source_id, author_id, agent_id=agent_id)


async def refresh_source(
    resources: Resources, tx: Transaction, source_id: UUID, *, author_id: UUID | None = None
) -> SourcePublic:
    """Look again at a page, or at every page of a site; what has not changed stays as it is.

    Raises:
        NoSuchSource: the tenant has no such source.
        NotWrittenHere: it is no page.
    """
    rows = await tx.sql.fetch(_REFRESH, source_id)
    source = await get_source(tx, source_id)
    if not rows:
        raise NotWrittenHere("Only pages are fetched again.")
    await _tell(resources, tx, SourceChanged, source_id, author_id, agent_id=source.agent_id)
    for row in rows:
        tx.ring(SOURCE, row["id"])
    return source


async def get_source(tx: Transaction, source_id: UUID) -> SourcePublic:
    """A source with its text.

    Raises:
        NoSuchSource: the tenant has no such source.
    """
    row = await tx.sql.fetchrow(
        f"SELECT {_COLUMNS}, s.body {_FROM} WHERE s.id = $1 AND s.state <> 'deleting'",
        source_id,
    )
    if row is None:
        raise NoSuchSource
    return SourcePublic(**dict(row))


async def list_sources(
    tx: Transaction,
    *,
    agent_id: UUID | None,
    site_id: UUID | None = None,
    limit: int,
    cursor: str | None,
) -> Page[SourceSummary]:
    """A page of sources without their texts, newest first; of a site its first page only, unless
    just that site's others are asked for.

    Raises:
        NoSuchAgentForSource: only an agent's are asked for, and the tenant has no such agent.
    """
    if agent_id is not None:
        await require_agent(tx, agent_id)
    values = decode_cursor(cursor, 1)
    rows: Sequence[Record] = await tx.sql.fetch(
        f"SELECT {_COLUMNS} {_FROM} WHERE ($1::uuid IS NULL OR s.agent_id = $1) "  # noqa: S608  # Ours.
        "AND ($2::uuid IS NULL OR s.id < $2) AND s.site_id IS NOT DISTINCT FROM $4 "
        "AND s.state <> 'deleting' ORDER BY s.id DESC LIMIT $3",
        agent_id,
        cursor_uuid(values[0]) if values else None,
        limit + 1,
        site_id,
    )
    return Page(
        items=[SourceSummary(**dict(row)) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
    )


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
