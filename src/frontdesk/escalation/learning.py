"""What people make of drafts, recorded with the call and the prompt that made them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.conversation import Locked, lock
from frontdesk.core.callers import Principal
from frontdesk.core.db import Session, Transaction
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.escalation.edits import compare
from frontdesk.escalation.errors import NoSuchDraft, NoSuchSuggestion
from frontdesk.escalation.models import DraftOutcome, DraftSource, Fate, Task
from frontdesk.escalation.repetition import must_know_agent
from frontdesk.escalation.suggestion_schemas import DraftFigures, DraftOutcomePublic

# The texts among what models write for people that could be sent as they are.
_SENDABLE = [Task.DRAFT, Task.REWRITE, Task.TRANSLATE, Task.SHADOW]


@dataclass(frozen=True)
class Draft:
    """A text that somebody could send, and what made it."""

    id: UUID
    source: DraftSource
    text: str
    prompt_name: str | None
    prompt_version: str | None
    call_id: UUID | None


@dataclass(frozen=True)
class DraftFilter:
    """Which outcomes of drafts are asked for; None: any."""

    source: DraftSource | None = None
    fate: Fate | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    agent_id: UUID | None = None


_OF_COPILOT = """
SELECT id, CASE WHEN task = 'shadow' THEN 'shadow' ELSE 'copilot' END AS source, text,
    prompt_name, prompt_version, call_ids[cardinality(call_ids)] AS call_id
FROM suggestion WHERE conversation_id = $1 AND state = 'done' AND task = ANY($2)
"""
_OF_PACKET = """
SELECT id, 'packet' AS source, packet->>'draft_reply' AS text, 'handoff' AS prompt_name,
    packet->>'prompt_version' AS prompt_version, (packet->'call_ids'->>-1)::uuid AS call_id
FROM handoff WHERE id = $2 AND conversation_id = $1 AND packet->>'draft_reply' <> ''
"""
# The agent's newest proposal, if nobody has answered since it was made, or made anything of it.
_UNANSWERED = f"""
{_OF_COPILOT} AND finished_at > coalesce((SELECT max(created_at) FROM message
        WHERE conversation_id = $1 AND author IN ('agent', 'human_agent')), '-infinity')
    AND NOT EXISTS (SELECT 1 FROM draft_outcome o
        WHERE o.tenant_id = suggestion.tenant_id AND o.draft_id = suggestion.id)
ORDER BY id DESC LIMIT 1
"""  # noqa: S608  # Ours.


async def get_draft(tx: Transaction, conversation_id: UUID, draft_id: UUID) -> Draft:
    """A draft of a conversation: a suggestion that can be sent, or a packet's reply.

    Raises:
        NoSuchDraft: there is none of this id, or it is not ready.
    """
    row = await tx.sql.fetchrow(
        f"{_OF_COPILOT} AND id = $3", conversation_id, _SENDABLE, draft_id
    ) or await tx.sql.fetchrow(_OF_PACKET, conversation_id, draft_id)
    if row is None:
        raise NoSuchDraft(f"There is no draft {draft_id} in this conversation.")
    return _draft(row)


async def drafts_for(tx: Transaction, conversation_id: UUID, draft_id: UUID | None) -> list[Draft]:
    """What an answer that is about to be sent is compared with: the draft it was made from, and what
    the agent proposes to answer.

    Raises:
        NoSuchDraft: as `get_draft`.
    """
    drafts = [] if draft_id is None else [await get_draft(tx, conversation_id, draft_id)]
    proposal = await tx.sql.fetchrow(_UNANSWERED, conversation_id, [Task.SHADOW])
    if proposal is not None and proposal["id"] != draft_id:
        drafts.append(_draft(proposal))
    return drafts


async def record_use(
    tx: Transaction,
    thread: Locked,
    draft: Draft,
    *,
    sent: str | None,
    message_id: UUID | None = None,
    user_id: UUID | None = None,
) -> None:
    """Write down what became of a draft; of several uses the first counts.

    Args:
        sent: None when it was thrown away.
    """
    comparison = None if sent is None else compare(draft.text, sent)
    await tx.sql.execute(
        "INSERT INTO draft_outcome (draft_id, conversation_id, agent_id, user_id, source, fate, "
        "draft, sent, message_id, edit_ratio, prompt_name, prompt_version, call_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
        "ON CONFLICT (tenant_id, draft_id) DO NOTHING",
        draft.id,
        thread.id,
        thread.agent_id,
        user_id,
        draft.source,
        comparison.fate if comparison else Fate.DISCARDED,
        draft.text,
        sent,
        message_id,
        comparison and comparison.edit_ratio,
        draft.prompt_name,
        draft.prompt_version,
        draft.call_id,
    )


async def discard_suggestion(session: Session, suggestion_id: UUID, who: Principal) -> None:
    """Write down that a suggestion was of no use. Safe to repeat.

    Raises:
        NoSuchSuggestion: there is none, or it is a colleague's.
        NoSuchDraft: it is not ready, or nothing that could be sent.
    """
    conversation_id = await session.sql.fetchval(
        "SELECT conversation_id FROM suggestion WHERE id = $1 AND coalesce(user_id, $2) = $2",
        suggestion_id,
        who.user_id,
    )
    if conversation_id is None:
        raise NoSuchSuggestion
    thread = await lock(session, conversation_id)
    draft = await get_draft(session, conversation_id, suggestion_id)
    await record_use(session, thread, draft, sent=None, user_id=who.user_id)


async def list_outcomes(
    session: Session, wanted: DraftFilter, *, limit: int, cursor: str | None
) -> Page[DraftOutcomePublic]:
    """A page of what became of drafts, those made last first.

    Raises:
        NoSuchAgent: one is asked for that there is not.
    """
    await must_know_agent(session, wanted.agent_id)
    query = _filtered(select(DraftOutcome), wanted).order_by(col(DraftOutcome.draft_id).desc())
    if values := decode_cursor(cursor, 1):
        query = query.where(col(DraftOutcome.draft_id) < cursor_uuid(values[0]))
    rows = (await session.exec(query.limit(limit + 1))).all()
    more = len(rows) > limit
    return Page(
        items=[DraftOutcomePublic.model_validate(row) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1].draft_id) if more else None,
    )


_FIGURES = """
SELECT source, prompt_name, prompt_version, count(*) AS drafts,
    count(*) FILTER (WHERE fate = 'kept') AS kept,
    count(*) FILTER (WHERE fate = 'edited') AS edited,
    count(*) FILTER (WHERE fate = 'discarded') AS discarded,
    avg((fate <> 'kept')::int)::float8 AS edit_rate, avg(edit_ratio) AS mean_edit_ratio
FROM draft_outcome WHERE $1::uuid IS NULL OR agent_id = $1
GROUP BY 1, 2, 3 ORDER BY 2, max(draft_id::text) DESC, 1
"""


async def get_figures(session: Session, agent_id: UUID | None) -> list[DraftFigures]:
    """How people take to drafts, by the version of the prompt they come from, newest first.

    Raises:
        NoSuchAgent: one is asked for that there is not.
    """
    await must_know_agent(session, agent_id)
    rows = await session.sql.fetch(_FIGURES, agent_id)
    return [DraftFigures.model_validate(dict(row)) for row in rows]


def _filtered(query: Any, wanted: DraftFilter) -> Any:
    for name, value in vars(wanted).items():
        if value is not None:
            query = query.where(getattr(DraftOutcome, name) == value)
    return query


def _draft(row: Any) -> Draft:
    return Draft(**{**row, "source": DraftSource(row["source"])})
