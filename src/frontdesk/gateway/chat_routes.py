"""Chat completions in OpenAI's shape, for programs with an API key."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from fastapi.responses import StreamingResponse

from frontdesk.core.api import Allow, IdempotencyKey, ResourcesDep, Router, problems
from frontdesk.core.callers import Principal, Scope
from frontdesk.core.errors import Forbidden, FrontdeskError
from frontdesk.core.json import dumps
from frontdesk.core.resources import Resources
from frontdesk.gateway import chat
from frontdesk.gateway.chat import (
    ChatAnswered,
    ChatKeyReused,
    ChatRefused,
    NoSuchModel,
    QuotaReached,
    wait_for_chat,
)
from frontdesk.gateway.chat_schemas import (
    ChatAnswer,
    ChatChoice,
    ChatCompletion,
    ChatCreate,
    ModelList,
    ModelPublic,
    completion_id,
)
from frontdesk.gateway.errors import ModelsUnavailable
from frontdesk.gateway.openai_route import ChatInvalid, OpenAiRoute, openai_error

router = Router(prefix="/v1", tags=["models"], route_class=OpenAiRoute)

UsesModels = Annotated[Principal, Depends(Allow(scope=Scope.MODELS_USE))]
# Proxies give up on a connection that says nothing for a minute or less.
KEEP_OPEN_SECONDS = 10
# A stream brings the answer in pieces of some words.
_PIECES = re.compile(r"\S+\s*(?:\S+\s*){0,7}|\s+")


@router.get("/models", summary="List models", responses=problems(Forbidden))
async def list_models(who: UsesModels, resources: ResourcesDep) -> ModelList:
    """The models that calls can name; `default` is the whole chain, with its fallbacks."""
    return ModelList(
        data=[
            ModelPublic(id=name, owned_by=name.partition("/")[0] if "/" in name else "frontdesk")
            for name in await chat.list_models(resources, who.tenant_id)
        ]
    )


@router.post(
    "/chat/completions",
    summary="Ask a model",
    response_model=ChatCompletion,
    responses={
        **problems(
            ChatInvalid, ChatRefused, Forbidden, NoSuchModel, ChatKeyReused, QuotaReached,
            ModelsUnavailable,
        ),
        200: {
            "description": "The answer; with `stream` as server-sent events that end with `[DONE]`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
)  # fmt: skip
async def create_chat_completion(
    body: ChatCreate, who: UsesModels, resources: ResourcesDep, client_key: IdempotencyKey = None
) -> Any:
    """A completion in OpenAI's shape: any OpenAI client works against `/v1`.

    It goes the way of every model call: the tenant's budgets, masking, fallbacks and records hold
    for it, and its cost counts under the feature `api`. A stream begins once the answer is
    complete, since one that was cut off could not be told from one that ended; until then lines
    that begin with a colon keep the way open. Errors carry OpenAI's `error` beside the usual members.
    """
    row_id = await chat.queue_chat(resources, who, body, client_key=client_key)
    if body.stream:
        return StreamingResponse(
            _stream(resources, who.tenant_id, row_id, body), media_type="text/event-stream"
        )
    answered = await wait_for_chat(resources, who.tenant_id, row_id)
    return ChatCompletion(
        id=completion_id(answered.id),
        created=int(answered.at.timestamp()),
        model=answered.model,
        choices=[
            ChatChoice(
                message=ChatAnswer(content=answered.text), finish_reason=answered.finish_reason
            )
        ],
        usage=answered.usage,
    )


async def _stream(
    resources: Resources, tenant_id: UUID, row_id: UUID, body: ChatCreate
) -> AsyncIterator[str]:
    waiting = asyncio.create_task(wait_for_chat(resources, tenant_id, row_id))
    try:
        while not (await asyncio.wait([waiting], timeout=KEEP_OPEN_SECONDS))[0]:
            yield ": waiting\n\n"
        answered = await waiting
    except FrontdeskError as error:
        yield _event({"error": openai_error(error)})
        return
    finally:
        waiting.cancel()
    for chunk in _chunks(
        answered, include_usage=bool(body.stream_options and body.stream_options.include_usage)
    ):
        yield _event(chunk)
    yield "data: [DONE]\n\n"


def _chunks(answered: ChatAnswered, *, include_usage: bool) -> list[dict[str, Any]]:
    """The answer piece by piece, as OpenAI streams it; usage comes last, by itself."""
    head: dict[str, Any] = {
        "id": completion_id(answered.id),
        "object": "chat.completion.chunk",
        "created": int(answered.at.timestamp()),
        "model": answered.model,
    }
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _PIECES.findall(answered.text)]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": answered.finish_reason})
    chunks = [{**head, "choices": [choice]} for choice in choices]
    if include_usage:
        chunks.append({**head, "choices": [], "usage": answered.usage.model_dump()})
    return chunks


def _event(payload: dict[str, Any]) -> str:
    return f"data: {dumps(payload)}\n\n"
