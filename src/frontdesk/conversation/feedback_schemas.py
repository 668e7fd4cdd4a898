"""What crosses HTTP about satisfaction: thumbs, surveys and their figures."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from frontdesk.conversation.models import Actor, SurveyState, Thumb
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean


class RatingUpdate(Schema):
    """What you think of an answer."""

    value: Thumb = Field(examples=["down"])
    comment: Annotated[str, AfterValidator(clean)] = Field(
        "", max_length=500, examples=["We do ship to Portugal."]
    )


class RatingPublic(PublicSchema):
    """A thumb on an answer of the AI."""

    message_id: UUID
    conversation_id: UUID
    agent_id: UUID
    turn_id: UUID | None = Field(description="`GET /turns/{turn_id}` says why it was the answer.")
    by: Actor = Field(description="`contact` or `human_agent`.")
    rater_id: UUID = Field(description="The contact, or the user.")
    value: Thumb
    comment: str
    text: str = Field(description="The answer.")
    created_at: datetime


class SurveyPublic(PublicSchema):
    """Whether a contact was asked how a conversation was, and what they said."""

    conversation_id: UUID
    state: SurveyState
    score: int | None = Field(description="5 good, 3 fair, 1 bad; typed, anything from 1 to 5.")
    asked_at: datetime | None
    answered_at: datetime | None
    skipped_reason: str | None = Field(
        description="Why they were not asked: `goes_on`, `never_answered`, `opted_out`, "
        "`asked_lately`, `window_closed` (and there is no template for it that can be sent)."
    )
    closed_by: Actor
    closed_by_user_id: UUID | None
    close_reason: str
    handled_by: Actor | None = Field(description="`human_agent` when a person wrote in it.")
    handled_by_user_id: UUID | None


class SurveyFigures(PublicSchema):
    """How many were asked and what they said."""

    asked: int
    answered: int
    satisfied: int = Field(description="Scores of 4 and 5.")
    mean_score: float | None = Field(description="1 to 5; null: nobody has answered.")


class ThumbFigures(PublicSchema):
    """Thumbs on answers."""

    up: int
    down: int


class SatisfactionPublic(PublicSchema):
    """What contacts and people think of an agent's conversations."""

    since: datetime
    surveys: SurveyFigures
    by_handler: dict[Actor, SurveyFigures] = Field(
        description="By who had the conversation: the AI alone, or people too."
    )
    by_closer: dict[Actor, SurveyFigures] = Field(
        description="By who ended it: the AI, a person, or a timer (`system`)."
    )
    not_asked: dict[str, int] = Field(description="Why others were not asked, and how many.")
    thumbs: dict[Actor, ThumbFigures] = Field(description="Of contacts, and of people.")
