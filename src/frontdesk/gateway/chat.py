"""Calls of programs through `/v1/chat/completions`: a row that a worker makes and a web process
waits for. The web process calls no model, and holds neither a transaction nor a thread meanwhile.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from frontdesk.billing import BudgetReached
from frontdesk.core import ids
from frontdesk.core.callers import Principal
from frontdesk.core.db import Connection
from frontdesk.core.errors import Conflict, FrontdeskError, NotFound
from frontdesk.core.json import dumps, loads
from frontdesk.core.redis import REDIS_DOWN, listen
from frontdesk.core.resources import Resources
from frontdesk.gateway.chat_schemas import (
    DEFAULT_MODEL,
    SAMPLING,
    ChatCreate,
    ChatUsage,
    FinishReason,
)
from frontdesk.gateway.errors import ModelsUnavailable, PromptRejected
from frontdesk.gateway.schemas import Completion, CompletionRequest
from frontdesk.gateway.service import complete
from frontdesk.gateway.tenant_models import TenantModelsBook, route_for

log = structlog.get_logger(__name__)

CHAT = "gateway.chat"
FEATURE = "api"
CHANNEL = "frontdesk:chat"
# How long an answer may lie in its row unnoticed when Redis does not announce it.
POLL_SECONDS = 1.0
# What a worker needs to hear of a call, and the database to keep its answer, besides the deadline.
MARGIN_SECONDS = 10
# As long the same Idempotency-Key gives the same answer.
KEPT_SECONDS = 600


class NoSuchModel(NotFound):
    """No model of this name can be called here."""

    code, title = "model_not_found", "There is no such model"


class QuotaReached(FrontdeskError):
    """A budget does not allow the call; it was not made."""

    status, code, title = 429, "insufficient_quota", "A budget is used up"


class ChatRefused(FrontdeskError):
    """The models refuse this very prompt; the message says why."""

    status, code, title = 400, "prompt_rejected", "The models refuse this prompt"


class ChatKeyReused(Conflict):
    """The idempotency key was used for another call."""

    code, title = "idempotency_key_reused", "The idempotency key was used for something else"


@dataclass(frozen=True)
class ChatAnswered:
    """What came of a call."""

    id: UUID
    at: datetime
    text: str
    model: str
    usage: ChatUsage
    finish_reason: FinishReason


class ChatAnswers:
    """Who waits in this process for which call, and one Redis subscription that wakes them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._waiting: dict[UUID, asyncio.Event] = {}
        self._listener: asyncio.Task[None] | None = None

    async def wait(self, tenant_id: UUID, row_id: UUID, seconds: float) -> dict[str, Any]:
        """The answer of a call, once a worker has written it.

        Raises:
            ModelsUnavailable: nobody has within that time.
        """
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        written = self._waiting[row_id] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if (answer := await self._read(tenant_id, row_id)) is not None:
                        return answer
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await written.wait()
                    written.clear()
        except TimeoutError:
            raise ModelsUnavailable("No answer was ready in time.", attempts=0) from None
        finally:
            self._waiting.pop(row_id, None)

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener

    async def _read(self, tenant_id: UUID, row_id: UUID) -> dict[str, Any] | None:
        async with self._resources.db.hot(tenant_id) as tx:
            answer = await tx.sql.fetchval("SELECT answer FROM chat_request WHERE id = $1", row_id)
        return loads(answer) if answer else None

    async def _listen(self) -> None:
        async for message in listen(self._resources.redis, CHANNEL, idle_seconds=POLL_SECONDS):
            with suppress(ValueError):
                if message and (written := self._waiting.get(UUID(message.decode()))):
                    written.set()


async def list_models(resources: Resources, tenant_id: UUID) -> tuple[str, ...]:
    """The names that calls of a tenant can ask for; the first stands for all, with fallbacks."""
    tenant = await resources.keep(TenantModelsBook).get(tenant_id)
    return (DEFAULT_MODEL, *route_for(resources.settings, tenant, FEATURE, None).models)


async def queue_chat(
    resources: Resources, who: Principal, call: ChatCreate, *, client_key: str | None
) -> UUID:
    """Make a call due; its id. The same key again gives the same call.

    Raises:
        NoSuchModel: the model can't be called here.
        ChatKeyReused: the key was for another call.
    """
    if call.model not in await list_models(resources, who.tenant_id):
        raise NoSuchModel(f"There is no model {call.model!r}; GET /v1/models lists them.")
    # What is not given is left out, so that a worker of the release before knows what it reads.
    asked = dumps(call.model_dump(exclude={"stream", "stream_options", "user"}, exclude_none=True))
    async with resources.db.hot(who.tenant_id) as tx:
        row_id = await tx.sql.fetchval(
            "INSERT INTO chat_request (id, user_id, request, state, due_at, client_key) "
            "VALUES ($1, $2, $3, 'queued', now(), $4) "
            "ON CONFLICT (tenant_id, client_key) DO NOTHING RETURNING id",
            ids.new(),
            who.user_id,
            asked,
            client_key,
        )
        if row_id is not None:
            tx.ring(CHAT, row_id)
        else:
            earlier = await tx.sql.fetchrow(
                "SELECT id, request = $2::jsonb AS same FROM chat_request WHERE client_key = $1",
                client_key,
                asked,
            )
            if earlier is None or not earlier["same"]:
                raise ChatKeyReused
            row_id = earlier["id"]
    found: UUID = row_id
    return found


async def wait_for_chat(resources: Resources, tenant_id: UUID, row_id: UUID) -> ChatAnswered:
    """What came of a call, once a worker has made it.

    Raises:
        ModelsUnavailable: no model answered in time.
        QuotaReached: a budget is used up.
        ChatRefused: the models refuse the prompt.
    """
    seconds = resources.settings.llm.deadline_seconds + MARGIN_SECONDS
    answer = await resources.keep(ChatAnswers).wait(tenant_id, row_id, seconds)
    if error := answer.get("error"):
        if error["code"] == QuotaReached.code:
            raise QuotaReached(error["message"])
        if error["code"] == ChatRefused.code:
            raise ChatRefused(error["message"])
        raise ModelsUnavailable(
            error["message"], attempts=0, retry_after_seconds=error["retry_after_seconds"]
        )
    return ChatAnswered(
        id=row_id,
        at=datetime.fromtimestamp(answer["at"], UTC),
        text=answer["text"],
        model=answer["model"],
        usage=ChatUsage(**answer["usage"]),
        # A worker of the release before does not say it.
        finish_reason=answer.get("finish_reason", "stop"),
    )


async def list_due_chats(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Calls to be made or rows to be deleted: everybody's first before anyone's second."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM chat_request WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


# One that nobody waits for any more is not paid for.
_CLAIM = """
UPDATE chat_request SET due_at = now() + make_interval(secs => $2)
WHERE id = $1 AND state = 'queued' AND due_at <= now()
RETURNING request, user_id, created_at < now() - make_interval(secs => $2) AS is_late
"""


async def handle_chat(resources: Resources, tenant_id: UUID, row_id: UUID) -> None:
    """Make a call and write down what came of it.

    A call whose worker died is not made again: by the time its lease is over nobody waits for it.
    """
    wait_seconds = resources.settings.llm.deadline_seconds + MARGIN_SECONDS
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, row_id, wait_seconds)
        if row is None:
            await tx.sql.execute(
                "DELETE FROM chat_request WHERE id = $1 AND state <> 'queued' AND due_at <= now()",
                row_id,
            )
            return
    if row["is_late"]:
        answer = _failed(ModelsUnavailable.code, "No worker could answer in time.")
    else:
        answer = await _answer(
            resources, tenant_id, row["user_id"], ChatCreate(**loads(row["request"]))
        )
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "UPDATE chat_request SET state = $2, answer = $3, "
            "due_at = now() + make_interval(secs => $4) WHERE id = $1",
            row_id,
            "failed" if "error" in answer else "done",
            dumps(answer),
            float(KEPT_SECONDS),
        )
    with suppress(*REDIS_DOWN):
        await resources.redis.publish(CHANNEL, str(row_id))


async def _answer(
    resources: Resources, tenant_id: UUID, user_id: UUID | None, call: ChatCreate
) -> dict[str, Any]:
    request = CompletionRequest(
        tenant_id=tenant_id,
        feature=FEATURE,
        messages=tuple(message.as_sent() for message in call.messages),
        sampling=call.model_dump(include=set(SAMPLING), exclude_none=True) or None,
        max_output_tokens=call.max_completion_tokens or call.max_tokens,
        may_be_cut=True,
        models=None if call.model == DEFAULT_MODEL else (call.model,),
        user_id=user_id,
    )
    try:
        return _told(await complete(resources, request))
    except BudgetReached as error:
        return _failed(QuotaReached.code, str(error))
    except PromptRejected as error:
        return _failed(ChatRefused.code, str(error))
    except ModelsUnavailable as error:
        return _failed(error.code, str(error), error.retry_after_seconds)


def _told(completion: Completion) -> dict[str, Any]:
    usage = ChatUsage(
        prompt_tokens=completion.input_tokens,
        completion_tokens=completion.output_tokens,
        total_tokens=completion.input_tokens + completion.output_tokens,
    )
    return {
        "at": int(datetime.now(UTC).timestamp()),
        "text": completion.text,
        "model": completion.model,
        "usage": usage.model_dump(),
        "finish_reason": "length" if completion.is_cut else "stop",
    }


def _failed(code: str, message: str, retry_after_seconds: float = 10) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "retry_after_seconds": retry_after_seconds}}
