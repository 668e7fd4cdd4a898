"""Suggestions: the rows that ask a model to write for people, and hold it. Made in the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import col, or_, select

from frontdesk import feed
from frontdesk.conversation import get_conversation
from frontdesk.core import ids
from frontdesk.core.callers import Principal
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps, loads
from frontdesk.core.pages import Page, newest_page
from frontdesk.escalation.errors import KeyReused, NoSuchSuggestion
from frontdesk.escalation.happenings import SuggestionFinished
from frontdesk.escalation.models import Suggestion, SuggestionState
from frontdesk.escalation.suggestion_schemas import (
    AnyWish,
    ExplainWish,
    ShadowWish,
    Source,
    SuggestionPublic,
    SuggestionWish,
)
from frontdesk.feed import Audience

SUGGESTION = "escalation.suggestion"
# Longer than its model calls may take, over all their attempts.
LEASE_SECONDS = 180
MAX_ATTEMPTS = 3
_WISH: TypeAdapter[AnyWish] = TypeAdapter(AnyWish)


@dataclass(frozen=True)
class ClaimedSuggestion:
    """A suggestion that is ours to make, as long as nothing moves its `due_at`: the end of our lease,
    or the time to which the contact's next message puts it off."""

    id: UUID
    conversation_id: UUID
    user_id: UUID | None
    wish: AnyWish
    due_at: datetime


@dataclass(frozen=True)
class NewSuggestion:
    """What came of it: a text with what it rests on and took, or why there is none."""

    text: str | None = None
    language: str | None = None
    sources: Sequence[Source] = ()
    confidence: float | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    call_ids: Sequence[UUID] = field(default=())
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    error_code: str | None = None
    error: str | None = None


async def start_suggestion(
    session: Session,
    conversation_id: UUID,
    wish: SuggestionWish,
    *,
    who: Principal,
    client_key: str | None = None,
) -> SuggestionPublic:
    """Make a suggestion due; a worker makes it. The same `client_key` gives the same one.

    Raises:
        NoSuchConversation: there is none in this tenant.
        NotFound: the message to be explained is not in it.
        KeyReused: the key was for something else.
    """
    await get_conversation(session, conversation_id)
    if isinstance(wish, ExplainWish) and wish.message_id is not None:
        await _must_be_in(session, conversation_id, wish.message_id)
    asked = dumps(wish)
    made = await session.sql.fetchval(
        "INSERT INTO suggestion (id, conversation_id, task, user_id, wish, client_key, state, "
        "due_at) VALUES ($1, $2, $3, $4, $5, $6, 'queued', now()) "
        "ON CONFLICT (tenant_id, client_key) DO NOTHING RETURNING id",
        ids.new(),
        conversation_id,
        wish.task,
        who.user_id,
        asked,
        client_key,
    )
    if made is not None:
        session.ring(SUGGESTION, made)
        return await get_suggestion(session, made, who)
    query = select(Suggestion).where(Suggestion.client_key == client_key)
    earlier = (await session.exec(query)).one()
    same = (earlier.conversation_id, earlier.user_id, earlier.wish)
    if same != (conversation_id, who.user_id, loads(asked)):
        raise KeyReused
    return SuggestionPublic.model_validate(earlier)


async def get_suggestion(session: Session, suggestion_id: UUID, who: Principal) -> SuggestionPublic:
    """A suggestion as far as it has got; raises `NoSuchSuggestion`, also of a colleague's."""
    query = select(Suggestion).where(Suggestion.id == suggestion_id, _readable(who))
    row = (await session.exec(query)).one_or_none()
    if row is None:
        raise NoSuchSuggestion
    return SuggestionPublic.model_validate(row)


async def list_suggestions(
    session: Session, conversation_id: UUID, who: Principal, *, limit: int, cursor: str | None
) -> Page[SuggestionPublic]:
    """A page of a conversation's suggestions, newest first: one's own and the agent's.

    Raises:
        NoSuchConversation: there is none in this tenant.
    """
    await get_conversation(session, conversation_id)
    query = select(Suggestion).where(Suggestion.conversation_id == conversation_id, _readable(who))
    return await newest_page(
        session,
        query,
        col(Suggestion.id),
        SuggestionPublic.model_validate,
        limit=limit,
        cursor=cursor,
    )


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Suggestions to be made: the first of every tenant before the second of any."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM suggestion WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def claim_suggestion(tx: Transaction, suggestion_id: UUID) -> ClaimedSuggestion | None:
    """Claim a suggestion until its lease runs out; None when it is not due, or was tried too often."""
    row = await tx.sql.fetchrow(
        "UPDATE suggestion SET attempts = attempts + 1, "
        "due_at = CASE WHEN attempts < $3 THEN now() + make_interval(secs => $2) END, "
        "state = CASE WHEN attempts < $3 THEN state ELSE 'failed' END, "
        "error = CASE WHEN attempts < $3 THEN error ELSE 'It ended its worker each time.' END "
        "WHERE id = $1 AND due_at <= now() "
        "RETURNING conversation_id, user_id, task, wish, state, due_at",
        suggestion_id,
        float(LEASE_SECONDS),
        MAX_ATTEMPTS,
    )
    if row is None:
        return None
    if row["state"] != SuggestionState.QUEUED:
        _tell_finished(tx, suggestion_id, row, SuggestionState(row["state"]))
        return None
    wish = _WISH.validate_json(row["wish"])
    return ClaimedSuggestion(
        suggestion_id, row["conversation_id"], row["user_id"], wish, row["due_at"]
    )


async def finish_suggestion(
    tx: Transaction, claimed: ClaimedSuggestion, made: NewSuggestion
) -> None:
    """Write down what came of a suggestion, and tell who waits for it.

    Nothing happens when the claim no longer holds: it is made anew.
    """
    state = SuggestionState.FAILED if made.text is None else SuggestionState.DONE
    finished = await tx.sql.fetchrow(
        f"UPDATE suggestion SET {_MADE}, due_at = NULL, finished_at = now() "  # noqa: S608  # Ours.
        "WHERE id = $1 AND state = 'queued' AND due_at = $15 "
        "RETURNING conversation_id, user_id, task",
        claimed.id,
        state,
        *_values(made),
        claimed.due_at,
    )
    if finished is not None:
        _tell_finished(tx, claimed.id, finished, state)


def _tell_finished(tx: Transaction, suggestion_id: UUID, row: Any, state: SuggestionState) -> None:
    told = SuggestionFinished(
        suggestion_id=suggestion_id,
        conversation_id=row["conversation_id"],
        task=row["task"],
        state=state,
    )
    feed.tell(tx, told, row["user_id"] or Audience.EVERYONE)


_MADE = """state = $2, text = $3, language = $4, sources = $5, confidence = $6, prompt_name = $7,
    prompt_version = $8, call_ids = $9, input_tokens = $10, output_tokens = $11, cost_usd = $12,
    error_code = $13, error = $14"""


def _values(made: NewSuggestion) -> tuple[Any, ...]:
    return (
        made.text,
        made.language,
        dumps(list(made.sources)),
        made.confidence,
        made.prompt_name,
        made.prompt_version,
        list(made.call_ids),
        made.input_tokens,
        made.output_tokens,
        made.cost_usd,
        made.error_code,
        made.error and made.error[:500],
    )


async def propose(tx: Transaction, conversation_id: UUID, made: NewSuggestion) -> UUID:
    """Keep what an agent that only proposes would have answered; the suggestion's id."""
    row = await tx.sql.fetchrow(_QUEUE_SHADOW, conversation_id, ids.new(), 0.0, True)
    assert row is not None
    queued = ClaimedSuggestion(row["id"], conversation_id, None, ShadowWish(), row["due_at"])
    await finish_suggestion(tx, queued, made)
    return queued.id


async def propose_soon(tx: Transaction, conversation_id: UUID, *, after_seconds: float) -> None:
    """The contact wrote to people: make it due that their agent proposes an answer, if it does so."""
    suggestion_id = await tx.sql.fetchval(
        _QUEUE_SHADOW, conversation_id, ids.new(), after_seconds, False
    )
    if suggestion_id is not None:
        tx.ring(SUGGESTION, suggestion_id, after_seconds + 0.01)


# While one waits to be made, it waits for what else the contact writes.
_QUEUE_SHADOW = """
INSERT INTO suggestion (id, conversation_id, task, wish, state, due_at)
SELECT $2, k.id, 'shadow', '{"task": "shadow"}', 'queued', now() + make_interval(secs => $3)
FROM conversation k
JOIN agent a ON a.tenant_id = k.tenant_id AND a.id = k.agent_id
JOIN agent_version v ON v.tenant_id = a.tenant_id AND v.agent_id = a.id AND v.version = a.version
WHERE k.id = $1 AND ($4 OR (v.config->>'shadow')::boolean)
ON CONFLICT (tenant_id, conversation_id) WHERE task = 'shadow' AND state = 'queued'
    DO UPDATE SET due_at = excluded.due_at, attempts = 0
RETURNING id, due_at
"""


async def _must_be_in(tx: Transaction, conversation_id: UUID, message_id: UUID) -> None:
    found = await tx.sql.fetchval(
        "SELECT 1 FROM message WHERE id = $1 AND conversation_id = $2", message_id, conversation_id
    )
    if found is None:
        raise NotFound(f"There is no message {message_id} in this conversation.")


def _readable(who: Principal) -> Any:
    """What somebody wanted written is theirs; what the agent proposes is everybody's."""
    return or_(col(Suggestion.user_id) == who.user_id, col(Suggestion.user_id).is_(None))
