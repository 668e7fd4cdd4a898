"""One row per attempt at a model, with all it takes to make the same call again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.core import ids
from frontdesk.core.api import Page, newest_page
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps
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


_COLUMNS = tuple(item.name for item in fields(LlmCallRecord))
_JSON_COLUMNS = frozenset({"messages", "parameters", "chunk_ids"})
_PLACES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
# Written again when nobody knows whether the first time was committed.
_INSERT = (
    f"INSERT INTO llm_call ({', '.join(_COLUMNS)}) VALUES ({_PLACES}) "  # noqa: S608  # Names of fields.
    "ON CONFLICT (tenant_id, id) DO NOTHING"
)


async def record_llm_call(tx: Transaction, record: LlmCallRecord) -> None:
    """Store an attempt at a model. One statement: this is on the message path."""
    await tx.sql.execute(_INSERT, *(_column(name, getattr(record, name)) for name in _COLUMNS))


async def list_llm_calls(
    session: Session, *, conversation_id: UUID | None, limit: int, cursor: str | None
) -> Page[LlmCallSummary]:
    """A page of attempts at models, newest first, without what was said."""
    query = select(*(getattr(LlmCall, name) for name in LlmCallSummary.model_fields))
    if conversation_id is not None:
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


def _column(name: str, value: Any) -> Any:
    if name in _JSON_COLUMNS:
        return _storable_json(value)
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
