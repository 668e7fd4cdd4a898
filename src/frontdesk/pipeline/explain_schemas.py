"""What an explanation of a message tells over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from frontdesk.conversation import Actor, Direction, TurnOutcome
from frontdesk.core.pages import Exact, PublicSchema

_EXAMPLE: dict[str, Any] = {
    "message_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e009",
    "conversation_id": "0192f0aa-1111-7d11-8a55-0c0ffee00002",
    "direction": "out",
    "text": "It ships within two working days.",
    "created_at": "2026-03-02T09:15:05Z",
    "summary": "The AI agent wrote this. It answers what is under `asked`.",
    "asked": [
        {
            "message_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e008",
            "text": "When does it ship?",
            "created_at": "2026-03-02T09:15:01Z",
        }
    ],
    "turn_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e010",
    "outcome": "replied",
    "reason": "The facts say so.",
    "steps": [
        {
            "stage": "guard",
            "text": "The check of the answer found nothing wrong.",
            "seconds": 0.001,
            "is_trouble": False,
        }
    ],
    "rules": [],
    "knowledge": [
        {
            "chunk_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e011",
            "source_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e012",
            "title": "Shipping",
            "rank": 1,
            "found_by": "place 1 by its words",
            "score": 0.0164,
            "was_named": True,
            "text": "We ship within 2 working days.",
            "is_gone": False,
            "is_in_use": True,
        }
    ],
    "calls": [],
    "guard": [],
    "sent_by": {
        "author": "agent",
        "user_id": None,
        "name": None,
        "agent_version": 4,
        "prompts": ["reply 1.2.0"],
        "experiments": [],
        "draft": None,
    },
    "input_tokens": 1180,
    "output_tokens": 129,
    "cost_usd": "0.000109200",
    "seconds": 1.31,
    "waited_seconds": 2.1,
    "delivery": "read",
    "error": None,
    "trace_id": None,
    "gone": [],
}


class AskedMessage(PublicSchema):
    """A message of the contact that a turn took care of."""

    message_id: UUID
    text: str
    created_at: datetime


class ExplainedStep(PublicSchema):
    """A stage of the turn, in a few sentences."""

    stage: str
    text: str
    seconds: float | None
    is_trouble: bool = Field(description="Something went otherwise than it should here.")


class ExplainedPiece(PublicSchema):
    """A piece of knowledge that the model was shown, as it was found then and is now."""

    chunk_id: UUID
    source_id: UUID | None
    title: str
    rank: int = Field(description="Its place among those found, 1 the best.")
    found_by: str
    score: float | None
    was_named: bool = Field(description="The model named it as what its answer rests on.")
    text: str | None = Field(description="As it is now; null when it is gone.")
    is_gone: bool = Field(description="Its source was changed or deleted since.")
    is_in_use: bool = Field(description="Answers may rest on it today.")


class ExplainedCall(PublicSchema):
    """An attempt at a model on behalf of this turn."""

    model_config = ConfigDict(protected_namespaces=())

    call_id: UUID
    request_id: UUID
    feature: str
    model: str
    attempt: int
    outcome: str
    why: str | None = Field(description="Why another model, or the same again, was asked.")
    prompt: str | None
    cache_hit: bool
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Exact | None
    seconds: float
    link: str = Field(description="The whole call, for admins; `POST …/replay` makes it again.")


class SentBy(PublicSchema):
    """Who or what wrote a message, in which versions."""

    author: Actor
    user_id: UUID | None
    name: str | None = Field(description="The person's, if one wrote it.")
    agent_version: int | None
    prompts: list[str] = Field(description="Each prompt that was used, with its version.")
    experiments: list[str] = Field(description="What experiments gave this turn.")
    draft: str | None = Field(description="What a person made of a model's draft, in words.")


class ExplanationPublic(PublicSchema):
    """Why a message is as it is: of one of ours how it came about, of a contact's what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    message_id: UUID
    conversation_id: UUID
    direction: Direction
    text: str
    created_at: datetime
    summary: str
    asked: list[AskedMessage] = Field(description="What the contact had said, oldest first.")
    turn_id: UUID | None
    outcome: TurnOutcome | None
    reason: str | None
    steps: list[ExplainedStep]
    rules: list[str] = Field(description="The rules that fired.")
    knowledge: list[ExplainedPiece] = Field(description="What the model was shown, best first.")
    calls: list[ExplainedCall] = Field(description="Every attempt at a model, in order.")
    guard: list[str] = Field(description="What the check of the answer found.")
    sent_by: SentBy
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None = Field(description="Of the turn's models; null: a price is unknown.")
    seconds: float | None = Field(description="How long the turn thought.")
    waited_seconds: float | None = Field(description="How long the contact had waited before it.")
    delivery: str | None
    error: str | None
    trace_id: str | None = Field(
        description="Of the trace in your tracing backend, if there is one."
    )
    gone: list[str] = Field(description="What can't be told any more, and why.")
