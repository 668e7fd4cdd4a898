"""What people may ask a model for, and what they get: suggestions and what became of drafts."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from frontdesk.agent_config import Language
from frontdesk.core.pages import Exact, PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.escalation.models import DraftSource, Fate, SuggestionState, Task

# WhatsApp Cloud API: a text message has at most 4,096 characters.
Draft = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4_096, pattern=r"\S"),
    AfterValidator(clean),
]


class DraftWish(Schema):
    """A reply to what the contact wrote last."""

    task: Literal[Task.DRAFT]
    instructions: Annotated[str, AfterValidator(clean)] = Field(
        "", max_length=1_000, examples=["Offer a new lamp instead of the money."]
    )


class Style(StrEnum):
    """How a text is to change."""

    FRIENDLIER = "friendlier"
    FORMAL = "formal"
    SHORTER = "shorter"
    LONGER = "longer"
    FIX = "fix"  # Spelling and grammar, nothing else.
    TONE = "tone"


class RewriteWish(Schema):
    """Your own text in other words."""

    task: Literal[Task.REWRITE]
    text: Draft = Field(examples=["we send new lamp tomorow"])
    style: Style = Field(examples=["friendlier"])
    tone: Annotated[str, AfterValidator(clean)] | None = Field(
        None, min_length=1, max_length=100, description="With `tone`: which one."
    )

    @model_validator(mode="after")
    def _names_the_tone(self) -> Self:
        if (self.style is Style.TONE) != (self.tone is not None):
            raise ValueError("style `tone` and a tone go together")
        return self


class TranslateWish(Schema):
    """A text in another language."""

    task: Literal[Task.TRANSLATE]
    text: Draft = Field(examples=["Your parcel arrives tomorrow."])
    language: Language | None = Field(
        None, description="ISO 639; without it the contact's.", examples=["de"]
    )


class SummariseWish(Schema):
    """What the conversation is about and where it stands."""

    task: Literal[Task.SUMMARISE]


class ExplainWish(Schema):
    """What a message of the thread means, and what to know about it."""

    task: Literal[Task.EXPLAIN]
    message_id: UUID | None = Field(
        None, description="A message of the conversation; without it the contact's last ones."
    )
    question: Annotated[str, AfterValidator(clean)] | None = Field(
        None, min_length=1, max_length=500, examples=["What does the contact mean by a dimmer?"]
    )


class ShadowWish(Schema):
    """What an agent that only proposes would answer. Nobody has to ask for it."""

    task: Literal[Task.SHADOW] = Task.SHADOW


SuggestionWish = Annotated[
    DraftWish | RewriteWish | TranslateWish | SummariseWish | ExplainWish,
    Field(discriminator="task"),
]
AnyWish = Annotated[
    DraftWish | RewriteWish | TranslateWish | SummariseWish | ExplainWish | ShadowWish,
    Field(discriminator="task"),
]


class Source(PublicSchema):
    """What a suggestion rests on: a piece of knowledge, or a message of the thread."""

    kind: Literal["knowledge", "message"]
    id: UUID
    title: str | None = Field(None, description="Of a piece of knowledge.")


class SuggestionPublic(PublicSchema):
    """What a model wrote for people. It is never sent by itself."""

    id: UUID
    conversation_id: UUID
    task: Task
    user_id: UUID | None = Field(description="Who asked; null: the agent proposes it by itself.")
    wish: dict[str, Any]
    state: SuggestionState
    text: str | None = Field(description="Null until it is done.")
    language: str | None = Field(description="Of a draft or a translation.")
    sources: list[Source]
    confidence: float | None = Field(description="Of a draft: how sure the model is of it.")
    prompt_name: str | None
    prompt_version: str | None
    call_ids: list[UUID] = Field(description="The model calls it took.")
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None = Field(description="Null when a price is not known; never a guess.")
    error_code: str | None = Field(examples=["models_unavailable"])
    error: str | None = Field(description="Why there is none, in words.")
    created_at: datetime
    finished_at: datetime | None

    @field_validator("sources", mode="before")
    @classmethod
    def _none_yet(cls, sources: Any) -> Any:
        return sources or []


class DraftOutcomePublic(PublicSchema):
    """What people made of a draft."""

    draft_id: UUID = Field(description="The suggestion's or the handoff's.")
    conversation_id: UUID
    agent_id: UUID
    user_id: UUID | None
    source: DraftSource
    fate: Fate
    draft: str = Field(description="Empty once the contact has been erased.")
    sent: str | None = Field(description="What was sent instead; null: nothing.")
    message_id: UUID | None
    edit_ratio: float | None = Field(
        description="Characters that were changed, of those of the longer text: 0 to 1."
    )
    prompt_name: str | None
    prompt_version: str | None
    call_id: UUID | None
    created_at: datetime


class DraftFigures(PublicSchema):
    """How people take to the drafts that a version of a prompt makes."""

    source: DraftSource
    prompt_name: str | None
    prompt_version: str | None
    drafts: int
    kept: int
    edited: int
    discarded: int
    edit_rate: float = Field(description="The share that was not sent as it was: 0 to 1.")
    mean_edit_ratio: float | None = Field(description="Over those that were compared.")


class RepetitionPublic(PublicSchema):
    """How often contacts had to say again what the packet had told, in handoffs that ended that day."""

    agent_id: UUID
    day: date
    handoffs: int
    handoffs_with_repetition: int
    facts_given: int = Field(description="Facts in their packets.")
    facts_repeated: int = Field(description="Those that came again in the contact's messages.")
