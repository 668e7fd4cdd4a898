"""What of the pipeline crosses HTTP: dead letters, replays of model calls, previews."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from frontdesk.agent_config import AgentConfig, PreviewState, Text, Version
from frontdesk.core.pages import Exact, PublicSchema, Schema
from frontdesk.observability import Knowledge, LlmCallPublic, ReplaySummary
from frontdesk.pipeline.letters import Kind
from frontdesk.pipeline.turn import OutcomeKind

_SEND: dict[str, JsonValue] = {
    "id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "kind": "send",
    "state": "needs_attention",
    "at": "2026-11-21T06:10:16.337999Z",
    "reason": "Nobody can tell whether it arrived.",
    "attempts": 3,
    "conversation_id": "0192f0aa-6b11-7d40-9f02-0c0ffee00001",
    "next_step": "Look at the thread: if the contact answered it, it arrived, so settle it as "
    "arrived. Else replay it to send it again.",
}


class DeadLetterSummary(PublicSchema):
    """Work that will not go on by itself."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SEND]})

    id: UUID
    kind: Kind = Field(
        description="`webhook`: what WhatsApp told could not be received. `burst`: answering failed "
        "too often, a person has it. `send`: a message failed, or nobody knows whether it arrived."
    )
    state: str = Field(
        description="`dead`, `with_person`, `failed` or `needs_attention`; another state once it "
        "has been dealt with."
    )
    at: datetime = Field(description="When the work came up.")
    reason: str = Field(description="Why it does not go on, in words.")
    attempts: int
    conversation_id: UUID | None
    next_step: str = Field(description="What a person can do about it.")


class DeadLetterPublic(DeadLetterSummary):
    """The same with what it holds."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                _SEND | {"contents": [{"type": "text", "to": "15550001111", "text": {"body": "…"}}]}
            ]
        },
    )

    contents: list[dict[str, Any]] = Field(
        description="A send's body; of a webhook, the parts that concern your numbers, as they "
        "came; of a burst nothing, as it is in its conversation."
    )


class DeadLetterChange(PublicSchema):
    """What became of a dead letter."""

    changed: bool = Field(description="False when there was nothing left to do.", examples=[True])
    message: str = Field(examples=["It will be tried again at once."])
    letter: DeadLetterPublic


class ReplayCreate(Schema):
    """What is to be different from the recorded call; an empty body is exactly as it was."""

    prompt: str | None = Field(
        None,
        pattern=r"^(current|\d{1,6}\.\d{1,6}\.\d{1,6})$",
        description="`current` for the version in use, or a version; left out, the recorded text.",
        examples=["current"],
    )
    model: str | None = Field(
        None,
        pattern=r"^[a-z0-9_]+/[A-Za-z0-9._:/-]+$",
        max_length=120,
        description="Another model, as `provider/model`; left out, the recorded one.",
        examples=["openai/gpt-4o-mini"],
    )
    knowledge: Knowledge = Field(
        Knowledge.RECORDED,
        description="`current` looks the facts up again; `recorded` keeps those of then.",
    )


class ReplayPublic(ReplaySummary):
    """A replay with both calls side by side: answers, costs, tokens and times."""

    before: LlmCallPublic
    after: LlmCallPublic | None = Field(description="Null until a worker has made it.")
    diff: str | None = Field(
        description="What differs in the answer, a unified diff; empty when nothing does."
    )
    prompt_diff: str | None = Field(description="The same of what the model was sent.")


class PreviewLine(Schema):
    """Something that stands in the thread before what is to be answered."""

    author: Literal["contact", "agent", "human_agent"]
    text: Annotated[Text, StringConstraints(min_length=1, max_length=4_096)]


class PreviewCreate(Schema):
    """What a contact writes, in one burst, and which configuration is to answer it."""

    messages: list[Annotated[Text, StringConstraints(min_length=1, max_length=4_096)]] = Field(
        min_length=1, max_length=20, examples=[["Hello!", "How long does delivery take?"]]
    )
    history: list[PreviewLine] = Field(
        default=[],
        max_length=200,
        description="What stands before it, oldest first; empty for a new contact.",
    )
    config: AgentConfig | None = Field(None, description="A draft: a whole configuration.")
    version: Version | None = Field(
        None, description="A saved one; without this and without `config`, what is in force."
    )

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.config is not None and self.version is not None:
            raise ValueError("say a config or a version, not both")
        return self


class PreviewAnswer(PublicSchema):
    """What would become of the messages, and how it was arrived at."""

    outcome: OutcomeKind
    text: str | None = Field(description="What the contact would read; null: nothing, or a notice.")
    language: str
    reason: str
    closes: bool = Field(description="The conversation would end soon.")
    packet: dict[str, Any] | None = Field(description="What a human agent would be given.")
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None = Field(description="Null when a price is not known; never a guess.")
    seconds: float
    trace: list[dict[str, Any]] = Field(description="As of a turn.")


class PreviewPublic(PublicSchema):
    """A configuration tried on messages: how far that has got, and what came of it."""

    id: UUID
    agent_id: UUID
    version: int | None = Field(description="Null: a draft.")
    messages: list[str]
    history: list[PreviewLine]
    requested_by: UUID | None
    state: PreviewState
    answer: PreviewAnswer | None = Field(description="Null until a worker has made it.")
    last_error: str | None = Field(description="Why there is no answer.")
    created_at: datetime
    finished_at: datetime | None


class ComplaintPublic(PublicSchema):
    """Something that keeps the agent from answering, or from answering well."""

    code: str = Field(description="Stable, for programs.", examples=["channel_paused"])
    message: str = Field(examples=["The number “Main number” is paused: Stocktaking until noon."])
    stops_answers: bool


class AgentHealthPublic(PublicSchema):
    """Why this agent would not answer a message that came now."""

    answers: bool
    complaints: list[ComplaintPublic]
