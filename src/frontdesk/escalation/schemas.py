"""What crosses HTTP in escalation."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from frontdesk.agent_config import Language, Priority, Target
from frontdesk.conversation import ConversationPublic
from frontdesk.core.json import loads
from frontdesk.core.pages import Exact, PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.escalation.models import HandoffState, Presence, Reason, SilentAssignee
from frontdesk.escalation.packet import Packet, PacketFact
from frontdesk.messaging import MAX_CAPTION_CHARACTERS


class Owner(StrEnum):
    """Who should answer a contact who waits."""

    AGENT = "agent"
    HUMAN_AGENT = "human_agent"
    QUEUE = "queue"
    NOBODY = "nobody"


class AvailabilityPublic(PublicSchema):
    """Whether a human agent takes conversations, and how many."""

    user_id: UUID
    presence: Presence
    max_conversations: int
    open_conversations: int
    last_assigned_at: datetime | None


class AvailabilityUpdate(Schema):
    """Come online or go away."""

    presence: Presence = Field(examples=["online"])
    max_conversations: int | None = Field(
        None, ge=1, le=50, description="How many at once; keeps what it was when absent."
    )


class HandoffStanding(PublicSchema):
    """Where a handoff stands: whether it waits, and behind which, or who has it."""

    id: UUID
    conversation_id: UUID
    reason: Reason
    rule: str = Field(description="The rule that fired, in words.")
    state: HandoffState
    assigned_user_id: UUID | None
    team_ids: list[UUID] = Field(description="The teams it is for; anybody may take it without.")
    priority: Priority = Field(
        validation_alias="urgency",
        description="The queue is in this order, the highest first, then by `id`.",
    )
    created_at: datetime
    assigned_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    hand_back_note: str | None = Field(
        validation_alias="hand_back",
        description="What people gave back to the AI with the conversation.",
    )

    @field_validator("hand_back_note", mode="before")
    @classmethod
    def _note_of(cls, hand_back: str | None) -> str | None:
        return loads(hand_back)["note"] if hand_back else None

    @field_validator("priority", mode="before")
    @classmethod
    def _by_place(cls, urgency: int) -> Priority:
        return tuple(Priority)[urgency]


class HandoffPublic(HandoffStanding):
    """An episode in which people own a conversation, and what they were given with it."""

    packet: Packet


class HandoffWhole(HandoffPublic):
    """The same, and what has come since: what `GET` of one conversation's shows, and no event tells."""

    said_meanwhile: list[PacketFact] = Field(
        description="What the contact wrote from then until whoever has it got it, each with its message: "
        "the newest 20, oldest first."
    )


class TeamPublic(PublicSchema):
    """Human agents who take the same conversations."""

    id: UUID
    name: str
    languages: list[str]
    skills: list[str]
    members: list[UUID]
    created_at: datetime


class TeamWrite(Schema):
    """What a team is called, speaks and is good at."""

    name: Target = Field(examples=["Billing"])
    languages: Annotated[tuple[Language, ...], Field(max_length=30)] = Field(
        (), description="ISO 639: who writes in them is given to its members first."
    )
    skills: Annotated[tuple[Target, ...], Field(max_length=50)] = Field(
        (), description="Words that rules may ask for.", examples=[["refunds"]]
    )


class AssignmentPolicyPublic(PublicSchema):
    """What becomes of conversations whose human agent is silent or gone, and when a wait is too long."""

    return_after_minutes: int | None
    return_to: SilentAssignee
    away_return_minutes: int | None
    away_after_minutes: int | None
    overdue_after_minutes: int | None


class AssignmentPolicyUpdate(Schema):
    """What is to become of them."""

    return_after_minutes: int | None = Field(
        ge=1, le=7 * 24 * 60, description="Null: nothing, however long it takes.", examples=[15]
    )
    return_to: SilentAssignee = Field(
        description="`queue`: it waits again, for others. `colleague`: to one who is free, else an "
        "alert. `alert`: the feed's `handoff.silent`, and nothing more.",
        examples=["colleague"],
    )
    away_return_minutes: int | None = Field(
        None,
        ge=1,
        le=7 * 24 * 60,
        description="So long after a human agent went away their conversations wait for others; "
        "null: they keep them.",
        examples=[60],
    )
    away_after_minutes: int | None = Field(
        None,
        ge=3,
        le=24 * 60,
        description="Who is online, has no open feed and has asked for nothing for so long goes "
        "away; null: nobody does by themselves.",
        examples=[10],
    )
    overdue_after_minutes: int | None = Field(
        15,
        ge=1,
        le=7 * 24 * 60,
        description="A contact who waits longer is overdue: `GET /overdue`; null: nobody is.",
    )


class AssignmentCreate(Schema):
    """Whose a conversation is from now on: one colleague's, or a team's that it waits for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"team_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"}]},
    )

    user_id: UUID | None = Field(None, description="A colleague who is online and has room.")
    team_id: UUID | None = Field(
        None,
        description="Alone, it waits for one of them; with `user_id` that one has it for them.",
    )
    force: bool = Field(
        False, description="Admins: also to somebody who is away, or has as many as they take."
    )

    @model_validator(mode="after")
    def _some_of_them(self) -> Self:
        if self.user_id is None and self.team_id is None:
            raise ValueError("give a user_id, a team_id or both")
        return self


class ReleaseCreate(Schema):
    """What the AI should know."""

    note: Annotated[str, AfterValidator(clean)] = Field(
        "",
        max_length=1_000,
        description="What you decided or promised. The AI keeps to it and may tell the contact.",
        examples=["The refund of 60 EUR is approved and arrives by Friday."],
    )


class OverduePublic(PublicSchema):
    """A contact who has waited too long."""

    conversation_id: UUID
    waiting_since: datetime
    owner: Owner = Field(description="Who should answer them.")
    assigned_user_id: UUID | None
    reason: str = Field(description="Why nobody has, in words.")


class Ownership(PublicSchema):
    """A conversation after it changed hands."""

    conversation: ConversationPublic
    ai_in_flight: bool = Field(
        description="An AI message was on the wire at that moment and may still arrive."
    )


class ReplyCreate(Schema):
    """A text to the contact, a file, or a file with a text under it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "I have put a new parcel in the post for you."}]}
    )

    text: str = Field(
        "",
        max_length=4096,
        description="With a file its caption: 1024 characters at most, and none under sound.",
    )
    media_id: UUID | None = Field(
        None, description="A file uploaded to this conversation; each can be sent once."
    )
    draft_id: UUID | None = Field(
        None,
        description="The suggestion it was made from, or the handoff when it was the packet's draft.",
    )
    seen_message_id: UUID | None = Field(
        None,
        description="The newest message you have seen: when a colleague has answered since, nothing "
        "is sent and you are told.",
    )
    anyway: bool = Field(False, description="Send it although a colleague has answered.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        self.text = clean(self.text)
        if not self.text.strip():
            if self.media_id is None:
                raise ValueError("text: must have something to read in it")
            self.text = ""
        if self.media_id is not None and len(self.text) > MAX_CAPTION_CHARACTERS:
            raise ValueError(f"text: a caption has at most {MAX_CAPTION_CHARACTERS} characters")
        return self


class TemplateSend(Schema):
    """A template with its values."""

    template_id: UUID = Field(description="One of `GET /api/v1/templates`.")
    parameters: Annotated[
        dict[
            Annotated[str, StringConstraints(max_length=80)],
            Annotated[str, StringConstraints(max_length=2_000)],
        ],
        Field(max_length=40),
    ] = Field(
        {},
        description="A value for each of its parameters, by key; line breaks become spaces.",
        examples=[{"body.1": "Ana"}],
    )


class TemplatePreview(PublicSchema):
    """What a template would say and cost; nothing is sent."""

    text: str
    category: str
    country: str | None = Field(description="Of the contact's number; null when it is not known.")
    price_usd: Exact | None = Field(
        description="What Meta is expected to bill once it is delivered; null when no price is "
        "known for the category and country, never a guess."
    )
    window_open: bool = Field(description="A free text could be sent as well.")


class CloseCreate(Schema):
    """Why the conversation ends."""

    reason: str = Field("resolved", min_length=1, max_length=200, examples=["resolved"])
