"""Previews: the rows that ask what a configuration would answer, and say it. Made in the pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import select

from frontdesk.agent_config.config import AgentConfig
from frontdesk.agent_config.errors import NoSuchPreview, PreviewKeyReused
from frontdesk.agent_config.models import AgentPreview, PreviewState
from frontdesk.agent_config.service import get_agent, get_config
from frontdesk.agent_config.snapshots import AgentSnapshot, stored_config
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.json import dumps, loads

PREVIEW = "agent_config.preview"
# Longer than a turn may take.
LEASE_SECONDS = 180
MAX_ATTEMPTS = 3
# Of no use for longer, and what was tried may name people.
KEPT_HOURS = 24
# The version that calls of a draft are recorded under.
DRAFT = 0


@dataclass(frozen=True)
class ClaimedPreview:
    """A preview that is ours to make."""

    agent: AgentSnapshot
    messages: tuple[str, ...]
    history: tuple[Mapping[str, str], ...]


async def queue_preview(
    session: Session,
    agent_id: UUID,
    messages: Sequence[str],
    *,
    version: int | None,
    draft: AgentConfig | None,
    by: UUID | None,
    history: Sequence[Mapping[str, str]] = (),
    client_key: str | None = None,
) -> tuple[UUID, bool]:
    """Make a preview due, of a draft, of a version or of what is in force: its id, and whether it is
    new. The same key again gives the same one.

    Args:
        history: author and text of what stands before the messages.

    Raises:
        NoSuchAgent, NoSuchAgentVersion: the agent or the version does not exist.
        PreviewKeyReused: the key was for another one.
    """
    asked_draft, asked_version = draft, version
    agent = await get_agent(session, agent_id)
    if draft is None:
        version = version or agent.version
        draft = await get_config(session, agent_id, version)
    await session.sql.execute(
        "DELETE FROM agent_preview WHERE created_at < now() - make_interval(hours => $1)",
        KEPT_HOURS,
    )
    preview_id: UUID | None = await session.sql.fetchval(
        "INSERT INTO agent_preview (id, agent_id, requested_by, version, config, messages, history, "
        "client_key, state, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', now()) "
        "ON CONFLICT (tenant_id, client_key) DO NOTHING RETURNING id",
        ids.new(),
        agent_id,
        by,
        version,
        dumps(draft),
        dumps(messages),
        dumps(history),
        client_key,
    )
    if preview_id is not None:
        session.ring(PREVIEW, preview_id)
        return preview_id, True
    query = select(AgentPreview).where(AgentPreview.client_key == client_key)
    earlier = (await session.exec(query)).one()
    # What is in force may have changed since: it is the same wish all the same.
    is_same = (
        (earlier.agent_id, earlier.messages, earlier.history)
        == (agent_id, list(messages), [dict(line) for line in history])
        and asked_version in (None, earlier.version)
        and asked_draft in (None, AgentConfig.model_validate(earlier.config, extra="ignore"))
    )
    if not is_same:
        raise PreviewKeyReused
    return earlier.id, False


async def get_preview(session: Session, preview_id: UUID) -> AgentPreview:
    """A preview as far as it has got, or `NoSuchPreview`."""
    row = await session.get(AgentPreview, (session.tenant_id, preview_id))
    if row is None:
        raise NoSuchPreview
    return row


async def list_due_previews(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Previews to be made: the first of every tenant before the second of any."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM agent_preview WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


_CLAIM = """
UPDATE agent_preview p SET attempts = p.attempts + 1,
    due_at = CASE WHEN p.attempts < $3 THEN now() + make_interval(secs => $2) END,
    state = CASE WHEN p.attempts < $3 THEN p.state ELSE 'failed' END,
    last_error = CASE WHEN p.attempts < $3 THEN NULL ELSE 'It ended its worker each time.' END
FROM agent a
WHERE p.id = $1 AND p.due_at <= now() AND a.tenant_id = p.tenant_id AND a.id = p.agent_id
RETURNING p.agent_id, a.name, a.enabled, p.version, p.config::text AS config,
    p.messages::text AS messages, p.history::text AS history, p.state
"""


async def claim_preview(tx: Transaction, preview_id: UUID) -> ClaimedPreview | None:
    """Claim a preview until its lease runs out; None when it is not due, or was tried too often."""
    row = await tx.sql.fetchrow(_CLAIM, preview_id, float(LEASE_SECONDS), MAX_ATTEMPTS)
    if row is None or row["state"] != PreviewState.QUEUED:
        return None
    agent = AgentSnapshot(
        agent_id=row["agent_id"],
        name=row["name"],
        version=row["version"] or DRAFT,
        enabled=row["enabled"],
        config=stored_config(row["config"]),
    )
    return ClaimedPreview(agent, tuple(loads(row["messages"])), tuple(loads(row["history"])))


async def finish_preview(
    tx: Transaction, preview_id: UUID, *, answer: BaseModel | None, error: str | None = None
) -> None:
    """Write down what came of a preview: the answer, or why there is none."""
    await tx.sql.execute(
        "UPDATE agent_preview SET state = $2, due_at = NULL, finished_at = now(), answer = $3, "
        "last_error = $4 WHERE id = $1 AND state = 'queued'",
        preview_id,
        PreviewState.FAILED if answer is None else PreviewState.DONE,
        answer and dumps(answer),
        error and error[:500],
    )
