"""What crosses HTTP in conversation."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from frontdesk.conversation.models import Actor, Direction, Priority, Status, TurnOutcome
from frontdesk.core.pages import Exact, PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.messaging import Delivery, MediaPublic, OutboundState

MOST_UNREAD = 100


class ContactPublic(PublicSchema):
    """The person on WhatsApp."""

    id: UUID
    name: str | None
    username: str | None
    wa_id: str | None = Field(description="Phone number in digits; absent when WhatsApp hides it.")
    bsuid: str | None = Field(description="WhatsApp's id of this person for your business.")
    language: str | None
    opted_out_at: datetime | None


class ConversationState(PublicSchema):
    """Who has a conversation, and what of it waits: what changes with almost everything done."""

    id: UUID
    status: Status
    assigned_user_id: UUID | None
    priority: Priority
    epoch: int = Field(description="Goes up whenever the conversation changes hands.")
    unanswered: int = Field(description="Messages of the contact that have no outcome yet.")
    waiting_since: datetime | None
    window_closes_at: datetime | None = Field(
        description="Until then a free text may be sent; afterwards only a template."
    )
    last_text: str | None
    last_activity_at: datetime
    language: str | None
    last_error: str | None = Field(description="Why the last attempt to answer failed.")
    closed_at: datetime | None
    closed_by: Actor | None = Field(
        description="`agent`: the AI found it settled, or said goodbye. `human_agent`: a person. "
        "`system`: a timer."
    )
    close_reason: str | None


class ConversationPublic(ConversationState):
    """A thread with one contact on one channel, and who has it."""

    contact: ContactPublic
    channel_id: UUID
    agent_id: UUID
    previous_id: UUID | None = Field(
        description="The contact's closed conversation before this one, on the same channel."
    )
    tags: list[str]
    window_seconds_left: int = Field(
        description="Until `window_closes_at` from now; 0 when it is closed."
    )
    snoozed_until: datetime | None = Field(
        description="Until then, or until the contact writes, it is out of the way."
    )
    created_at: datetime


class ReadTo(PublicSchema):
    """The newest message a user has read."""

    message_id: UUID
    at: datetime = Field(description="When it was written; threads are in this order, then by id.")


class InboxConversation(ConversationPublic):
    """A conversation as the inbox of whoever asks shows it."""

    read_to: ReadTo | None = Field(description="How far you have read it; null: not at all.")

    unread: int = Field(
        description=f"Messages of the contact that you have not read; {MOST_UNREAD} are that many "
        "or more."
    )


class Doing(StrEnum):
    """What a user does in a conversation just now."""

    VIEWING = "viewing"
    TYPING = "typing"
    LEFT = "left"


class Viewer(PublicSchema):
    """A user who looks at a conversation right now."""

    user_id: UUID
    doing: Doing


class ConversationDetail(InboxConversation):
    """A conversation as somebody opens it."""

    viewers: list[Viewer] = Field(description="Who looks at it right now, you among them.")


class WatchUpdate(Schema):
    """What you do in a conversation."""

    doing: Doing = Field(
        description="It lasts 30 s: say it again while it does.", examples=["typing"]
    )


class ViewCounts(PublicSchema):
    """How many conversations each view of your inbox holds; 1000 are that many or more."""

    mine: int
    unassigned: int
    ai: int
    all: int
    snoozed: int
    closed: int


class ReadMarkUpdate(Schema):
    """How far you have read."""

    message_id: UUID = Field(description="The newest message you have read.")


class SnoozeUpdate(Schema):
    """For how long a conversation is out of the way."""

    until: datetime = Field(
        examples=["2099-01-01T09:00:00Z"], description="A year from now at most."
    )


class MessagePublic(PublicSchema):
    """A message of a thread, with its way to the contact when it went out."""

    id: UUID
    direction: Direction
    author: Actor
    user_id: UUID | None
    type: str
    text: str
    media: dict[str, Any] | None = Field(
        description="What WhatsApp said of its file; of a picture, as `seen`, what a model saw in it."
    )
    file: MediaPublic | None = Field(description="Its file, as far as it is here.")
    payload: dict[str, Any] | None
    ignored_reason: str | None = Field(description="Why this message wants no answer.")
    seq: int | None = Field(description="Its number among the contact's that want an answer.")
    turn_id: UUID | None = Field(description="The turn that made, or took care of, this message.")
    state: OutboundState | None = Field(description="How far a message going out has got.")
    delivery: Delivery | None = Field(description="What WhatsApp says: the ticks.")
    error: str | None = Field(description="Why it did not arrive, or not yet, in words.")
    can_retry: bool = Field(
        description="It failed, and sending it again may succeed: `POST .../retry`."
    )
    reply_to_wamid: str | None
    provider_at: datetime | None
    edited_at: datetime | None
    revoked_at: datetime | None
    tokens: int | None
    created_at: datetime


class FactPublic(PublicSchema):
    """Something that was said, and the message it was said in."""

    text: str
    message_id: UUID


class MemoryPublic(PublicSchema):
    """What is remembered of a conversation: what models are told of its older messages."""

    conversation_id: UUID
    version: int = Field(description="The `ETag` to correct or delete a fact with.")
    intent: str
    facts: list[FactPublic] = Field(description="A fact's number is its place here, from 1.")
    promises: list[FactPublic]
    open_questions: list[str]


class FactUpdate(Schema):
    """Other words for a fact."""

    text: Annotated[str, AfterValidator(clean)] = Field(
        min_length=1, max_length=200, pattern=r"\S", examples=["Lives in Porto."]
    )


class ConversationTotals(PublicSchema):
    """What a conversation came to so far."""

    messages_in: int
    messages_out: int
    turns: int
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None = Field(
        description="Of models and of WhatsApp; null when a price is not known, never a guess."
    )
    mean_turn_seconds: float | None = Field(description="Null: the agent has answered nothing yet.")
    created_at: datetime
    last_activity_at: datetime
    last_in_at: datetime | None
    last_out_at: datetime | None


class TurnSummary(PublicSchema):
    """The outcome of a burst, without its trace."""

    id: UUID
    from_seq: int
    to_seq: int
    outcome: TurnOutcome
    by: Actor
    user_id: UUID | None
    reason: str
    agent_version: int | None
    prompt_version: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None = Field(description="Null when a price is not known; never a guess.")
    latency_seconds: float | None
    created_at: datetime


class TurnPublic(TurnSummary):
    """A turn and its trace: each stage with what it saw, decided, took and cost."""

    conversation_id: UUID
    exposures: list[dict[str, Any]] | None = Field(
        description="What experiments on prompts gave this turn; null when it was part of none."
    )
    trace: list[dict[str, Any]]
