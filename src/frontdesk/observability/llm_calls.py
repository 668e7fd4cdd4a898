"""One row per attempt at a model, with all it takes to make the same call again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.core import ids
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.text import clean
from frontdesk.observability.models import LlmCall
from frontdesk.observability.schemas import LlmCallPublic, LlmCallSummary


@dataclass(frozen=True, kw_only=True)
class LlmCallRecord:
    """One attempt at one model; the fields are the columns of `llm_call`."""

    id: UUID = field(default_factory=ids.new)
    request_id: UUID  # One request may take several attempts; they share it.
    attempt: int
    feature: str
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    user_id: UUID | None = None
    agent_id: UUID | None = None
    agent_version: int | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    variables: Mapping[str, Any] | None = None  # What the prompt was filled in with.
    experiment_id: UUID | None = None
    variant: str | None = None
    model_asked: str
    model_used: str | None = None
    messages: Sequence[dict[str, Any]]
    parameters: dict[str, Any]
    chunk_ids: Sequence[str] = ()
    response: str | None = None
    finish_reason: str | None = None
    outcome: str  # ok, or the error's kind.
    error: str | None = None
    status_code: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_known: bool = True
    cost_usd: Decimal | None = None
    latency_seconds: float
    cache_hit: bool = False
    masking: dict[str, Any] | None = None


_COLUMNS = tuple(item.name for item in fields(LlmCallRecord))
_JSON_COLUMNS = frozenset({"messages", "parameters", "chunk_ids", "variables", "masking"})
_PLACES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
# Written again when nobody knows whether the first time was committed.
_INSERT = (
    f"INSERT INTO llm_call ({', '.join(_COLUMNS)}) VALUES ({_PLACES}) "  # noqa: S608  # Names of fields.
    "ON CONFLICT (tenant_id, id) DO NOTHING"
)


async def record_llm_calls(tx: Transaction, records: Iterable[LlmCallRecord]) -> None:
    """Store attempts at models. One round trip for all: this is on the message path."""
    rows = [[_column(name, getattr(record, name)) for name in _COLUMNS] for record in records]
    await tx.sql.executemany(_INSERT, rows)


async def list_llm_calls(
    session: Session, *, conversation_id: UUID | None, limit: int, cursor: str | None
) -> Page[LlmCallSummary]:
    """A page of attempts at models, newest first, without what was said.

    Raises:
        NotFound: the tenant has no such conversation.
    """
    query = select(*(getattr(LlmCall, name) for name in LlmCallSummary.model_fields))
    if conversation_id is not None:
        if not await session.sql.fetchval(
            "SELECT EXISTS (SELECT 1 FROM conversation WHERE id = $1) "
            "OR EXISTS (SELECT 1 FROM llm_call WHERE conversation_id = $1)",
            conversation_id,
        ):
            raise NotFound(f"There is no conversation {conversation_id}.")
        query = query.where(LlmCall.conversation_id == conversation_id)
    return await newest_page(
        session, query, col(LlmCall.id), LlmCallSummary.model_validate, limit=limit, cursor=cursor
    )


async def get_llm_call(session: Session, call_id: UUID) -> LlmCallPublic:
    """One attempt with its messages and response, or `NotFound`."""
    call = (await session.exec(select(LlmCall).where(LlmCall.id == call_id))).one_or_none()
    if call is None:
        raise NotFound(f"There is no call {call_id}.")
    return LlmCallPublic.model_validate(call)


# No request takes longer than this.
_LONGEST_REQUEST_SECONDS = 600


async def list_calls_for(
    session: Session, conversation_id: UUID, message_ids: Sequence[UUID]
) -> tuple[list[LlmCallSummary], datetime | None]:
    """Attempts made to answer these messages, in order, and since when their texts are gone, if so."""
    rows = await session.exec(
        select(LlmCall)
        .where(LlmCall.conversation_id == conversation_id)
        .where(col(LlmCall.message_id).in_(message_ids))
        .order_by(col(LlmCall.id))
    )
    found = list(rows)
    gone = [call.texts_erased_at for call in found if call.texts_erased_at is not None]
    return [LlmCallSummary.model_validate(call) for call in found], max(gone, default=None)


async def find_asked_message(session: Session, request_id: UUID) -> UUID | None:
    """The message that a request to a model, or one of its calls, was made for."""
    found: UUID | None = await session.sql.fetchval(
        # By the range of ids, which the primary key finds; there is no index by request.
        "SELECT message_id FROM llm_call WHERE id BETWEEN $1 AND $2 "
        "AND (request_id = $1 OR id = $1) AND message_id IS NOT NULL LIMIT 1",
        request_id,
        ids.later(request_id, _LONGEST_REQUEST_SECONDS),
    )
    return found


@dataclass(frozen=True)
class Exposures:
    """What has come of one variant of an experiment. `cost_usd` is None when a price is unknown."""

    variant: str
    calls: int
    conversations: int
    cost_usd: Decimal | None
    mean_latency_seconds: float


async def count_exposures(
    session: Session, experiment_id: UUID, *, since: datetime
) -> list[Exposures]:
    """What has come of each variant of an experiment so far, by name; of the calls that went well.

    Args:
        since: when it began. An index by experiment would cost every call, and this is seldom asked.
    """
    rows = await session.sql.fetch(
        "SELECT variant, count(*) AS calls, count(DISTINCT conversation_id) AS conversations, "
        "CASE WHEN bool_and(cost_usd IS NOT NULL) THEN sum(cost_usd) END AS cost_usd, "
        "avg(latency_seconds)::float8 AS mean_latency_seconds FROM llm_call "
        "WHERE experiment_id = $1 AND created_at >= $2 AND outcome = 'ok' "
        "GROUP BY variant ORDER BY variant",
        experiment_id,
        since,
    )
    return [Exposures(**row) for row in rows]


def _column(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON_COLUMNS:
        return None if value is None else _storable_json(value)
    return clean(value) if isinstance(value, str) else value


def _storable_json(value: Any) -> str:
    """JSON that jsonb takes: a model may answer with NUL or half a surrogate pair."""
    try:
        text = dumps(value)
    except TypeError:
        return dumps(_cleaned(value))
    return dumps(_cleaned(value)) if "\\u0000" in text else text


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value
