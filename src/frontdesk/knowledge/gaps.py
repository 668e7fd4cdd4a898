"""What contacts asked and the knowledge did not answer: the same question counted once, until somebody
writes the article."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.masking import mask_text
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean, excerpt, folded
from frontdesk.knowledge.errors import NoSuchGap
from frontdesk.knowledge.happenings import GapFound
from frontdesk.knowledge.models import GapState
from frontdesk.knowledge.schemas import Body, SourceCreate, Title
from frontdesk.knowledge.service import add_source, require_agent
from frontdesk.observability import audit

_QUESTION_CHARACTERS = 500
_LONG_WORD = re.compile(r"\w{4,}")
_WORD = re.compile(r"\w+")
_NOTE = """
INSERT INTO knowledge_gap (id, agent_id, key, question, missing, language, times, times_after,
    state, last_asked_at, conversation_id)
VALUES ($1, $2, $3, $4, $5, $6, 1, 0, 'open', now(), $7)
ON CONFLICT (tenant_id, agent_id, key) DO UPDATE SET
    times = knowledge_gap.times + CASE WHEN knowledge_gap.state = 'answered' THEN 0 ELSE 1 END,
    times_after = knowledge_gap.times_after
        + CASE WHEN knowledge_gap.state = 'answered' THEN 1 ELSE 0 END,
    question = excluded.question, missing = excluded.missing, last_asked_at = now(),
    conversation_id = excluded.conversation_id
RETURNING id, times + times_after = 1 AS is_new
"""
_COLUMNS = """
id, agent_id, question, missing, language, state, times, times_after, created_at, last_asked_at,
source_id, answered_at
"""
_LIST = f"""
SELECT {_COLUMNS} FROM knowledge_gap
WHERE ($1::uuid IS NULL OR agent_id = $1) AND state = $2
ORDER BY times + times_after DESC, id DESC LIMIT $3
"""  # noqa: S608  # Our own columns.
_SETTLE = f"""
UPDATE knowledge_gap SET state = $2, source_id = $3, answered_at = now()
WHERE id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608  # Our own columns.
# One article answers what means the same.
_SETTLE_ALIKE = """
UPDATE knowledge_gap g SET state = 'answered', source_id = $2, answered_at = now()
FROM knowledge_gap one
WHERE one.tenant_id = g.tenant_id AND one.id = $1 AND g.agent_id = one.agent_id
    AND g.id <> $1 AND g.state = 'open'
    AND coalesce(g.cluster_id, g.id) = coalesce(one.cluster_id, one.id)
"""


class GapPublic(PublicSchema):
    """A question that the knowledge did not answer, however often and in whatever order of words."""

    id: UUID
    agent_id: UUID
    question: str = Field(description="As it was asked last, without what is personal.")
    missing: str = Field(description="What was missing when it was asked last, as the model says.")
    language: str
    state: GapState
    times: int = Field(description="How often it was asked in vain, until it was answered.")
    times_after: int = Field(description="How often still, since there is an article for it.")
    created_at: datetime
    last_asked_at: datetime
    source_id: UUID | None = Field(description="The article that answers it.")
    answered_at: datetime | None


class GapAnswer(Schema):
    """An article that a person has written or approved."""

    title: Title = Field(examples=["Ferries to the islands"])
    body: Annotated[Body, Field(examples=["We deliver to the islands once a week."])]


def key_of(question: str) -> str:
    """What a question is known by: its longer words, whatever their order, case and accents."""
    plain = folded(question)
    words = _LONG_WORD.findall(plain) or _WORD.findall(plain)
    return " ".join(sorted(set(words)))[:_QUESTION_CHARACTERS]


async def note_gap(
    tx: Transaction,
    agent_id: UUID,
    conversation_id: UUID,
    *,
    question: str,
    missing: str,
    language: str,
) -> None:
    """Count a question that was not answered; nothing when it holds no word."""
    asked = clean(mask_text(question))
    key = key_of(asked)
    if not key:
        return
    row = await tx.sql.fetchrow(
        _NOTE,
        ids.new(),
        agent_id,
        key,
        excerpt(asked, _QUESTION_CHARACTERS),
        excerpt(clean(mask_text(missing)), _QUESTION_CHARACTERS),
        language,
        conversation_id,
    )
    assert row is not None
    if row["is_new"]:
        feed.tell(tx, GapFound(gap_id=row["id"], agent_id=agent_id))


async def list_gaps(
    tx: Transaction, *, agent_id: UUID | None, state: GapState, limit: int
) -> list[GapPublic]:
    """The gaps in this state, those asked most often first.

    Raises:
        NoSuchAgentForSource: only an agent's are asked for, and the tenant has no such agent.
    """
    if agent_id is not None:
        await require_agent(tx, agent_id)
    return [GapPublic(**dict(row)) for row in await tx.sql.fetch(_LIST, agent_id, state, limit)]


async def answer_gap(
    resources: Resources, tx: Transaction, gap_id: UUID, body: GapAnswer, *, author_id: UUID | None
) -> GapPublic:
    """Fill a gap, and those that mean the same, with an article; how often the question is still
    asked in vain is counted apart.

    Raises:
        NoSuchGap: the tenant has no such gap.
    """
    agent_id = await tx.sql.fetchval(
        "SELECT agent_id FROM knowledge_gap WHERE id = $1 FOR UPDATE", gap_id
    )
    if agent_id is None:
        raise NoSuchGap
    article = SourceCreate(agent_id=agent_id, title=body.title, body=body.body)
    source = await add_source(resources, tx, article, author_id=author_id)
    await tx.sql.execute(_SETTLE_ALIKE, gap_id, source.id)
    return await _settle(tx, gap_id, GapState.ANSWERED, source.id, author_id)


async def dismiss_gap(tx: Transaction, gap_id: UUID, *, author_id: UUID | None) -> GapPublic:
    """Let a gap be: the agent is not there for that; raises `NoSuchGap`."""
    return await _settle(tx, gap_id, GapState.DISMISSED, None, author_id)


async def _settle(
    tx: Transaction, gap_id: UUID, state: GapState, source_id: UUID | None, author_id: UUID | None
) -> GapPublic:
    row = await tx.sql.fetchrow(_SETTLE, gap_id, state, source_id)
    if row is None:
        raise NoSuchGap
    await audit(tx, f"knowledge.gap_{state}", "knowledge_gap", gap_id, user_id=author_id)
    return GapPublic(**dict(row))
