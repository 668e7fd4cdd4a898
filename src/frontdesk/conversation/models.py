"""Tables of conversation: contacts and their aliases, conversations, messages, turns, timers."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import (
    NOW,
    Json,
    TenantRow,
    TenantTable,
    Timestamp,
    Usd,
    of_tenant,
    refers,
    text_enum,
)

# The tenant is a word like the others: so a search walks over its own entries only.
SEARCHED_WORDS = (
    "(to_tsvector('simple', frontdesk_unaccent(text)) || array_to_tsvector(ARRAY[tenant_id::text]))"
)


class Contact(TenantRow, table=True):
    """The person on WhatsApp, known by a phone number, a business-scoped user id, or both."""

    __table_args__ = (
        of_tenant(),
        refers("merged_into", to="contact"),
        sa.Index(
            "ix_contact_merged",
            "tenant_id",
            "merged_into",
            postgresql_where=sa.text("merged_into IS NOT NULL"),
        ),
        sa.Index(
            "ix_contact_opted_out",
            "tenant_id",
            "opted_out_at",
            "id",
            postgresql_where=sa.text("opted_out_at IS NOT NULL"),
        ),
        sa.CheckConstraint("wa_id IS NOT NULL OR bsuid IS NOT NULL", name="reachable"),
        sa.Index(
            "ix_contact_search",
            sa.literal_column("frontdesk_unaccent(lower(name))").label("folded_name"),
            sa.literal_column("frontdesk_unaccent(lower(username))").label("folded_username"),
            postgresql_ops={"folded_name": "gin_trgm_ops", "folded_username": "gin_trgm_ops"},
            postgresql_using="gin",
        ),
    )

    wa_id: str | None = Field(default=None, sa_type=sa.Text)
    bsuid: str | None = Field(default=None, sa_type=sa.Text)
    name: str | None = Field(default=None, sa_type=sa.Text)
    username: str | None = Field(default=None, sa_type=sa.Text)
    language: str | None = Field(default=None, sa_type=sa.Text)
    opted_out_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # The contact that is shown instead: the same person under other ids. One step, never two.
    merged_into: UUID | None = None
    # Values of the tenant's own fields, by name.
    fields: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'{}'")}
    )


class FieldType(StrEnum):
    """What a field of a tenant's own holds."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"


class ContactField(TenantTable, table=True):
    """Something that a tenant keeps of its contacts beside what WhatsApp tells."""

    __tablename__ = "contact_field"
    __table_args__ = (of_tenant(),)

    name: str = Field(sa_type=sa.Text, primary_key=True)
    type: FieldType = Field(sa_type=text_enum(FieldType))
    choices: list[str] = Field(
        default_factory=list,
        sa_type=sa.ARRAY(sa.Text),
        sa_column_kwargs={"server_default": sa.text("'{}'")},
    )


class AliasKind(StrEnum):
    """What an alias is."""

    WA_ID = "wa_id"
    BSUID = "bsuid"


class ContactAlias(TenantTable, table=True):
    """Every id a contact has ever been seen under; ids change, the contact stays."""

    __tablename__ = "contact_alias"
    __table_args__ = (
        refers("contact_id", to="contact"),
        sa.Index("ix_contact_alias_contact", "tenant_id", "contact_id"),
        sa.Index(
            "ix_contact_alias_search",
            "value",
            postgresql_ops={"value": "gin_trgm_ops"},
            postgresql_using="gin",
            postgresql_where=sa.text("kind = 'wa_id'"),
        ),
    )

    kind: AliasKind = Field(sa_type=text_enum(AliasKind), primary_key=True)
    value: str = Field(sa_type=sa.Text, primary_key=True)
    contact_id: UUID


class Status(StrEnum):
    """Who has the conversation."""

    ACTIVE = "ACTIVE"
    WITH_HUMAN = "WITH_HUMAN"
    CLOSED = "CLOSED"


class Actor(StrEnum):
    """Who did something."""

    CONTACT = "contact"
    AGENT = "agent"
    HUMAN_AGENT = "human_agent"
    SYSTEM = "system"


INBOX_RANK = (
    "coalesce(waiting_since - timestamptz '2000-01-01 00:00:00+00', "
    "timestamptz '9000-01-01 00:00:00+00' - last_activity_at)"
)


class Priority(StrEnum):
    """How urgent people say a conversation is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Conversation(TenantRow, table=True):
    """One thread with one contact on one channel, and the queue entry of its next turn."""

    __table_args__ = (
        refers("channel_id", to="channel"),
        refers("contact_id", to="contact"),
        refers("agent_id", to="agent"),
        sa.Index(
            "uq_conversation_open",
            "tenant_id",
            "channel_id",
            "contact_id",
            unique=True,
            postgresql_where=sa.text("status <> 'CLOSED'"),
        ),
        sa.Index("ix_conversation_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index(
            "ix_conversation_leased",
            "tenant_id",
            "lease_until",
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        ),
        # The views of the inbox. What is closed is most of a big tenant, so it stands apart.
        sa.Index(
            "ix_conversation_open",
            "tenant_id",
            "inbox_rank",
            "id",
            postgresql_where=sa.text("status <> 'CLOSED'"),
        ),
        sa.Index(
            "ix_conversation_mine",
            "tenant_id",
            "assigned_user_id",
            "inbox_rank",
            "id",
            postgresql_where=sa.text("status = 'WITH_HUMAN'"),
        ),
        sa.Index(
            "ix_conversation_unassigned",
            "tenant_id",
            "inbox_rank",
            "id",
            postgresql_where=sa.text("status = 'WITH_HUMAN' AND assigned_user_id IS NULL"),
        ),
        sa.Index(
            "ix_conversation_closed",
            "tenant_id",
            "inbox_rank",
            "id",
            postgresql_where=sa.text("status = 'CLOSED'"),
        ),
        sa.Index(
            "ix_conversation_priority",
            "tenant_id",
            "priority",
            "inbox_rank",
            "id",
            postgresql_where=sa.text("priority <> 'normal'"),
        ),
        sa.Index("ix_conversation_activity", "tenant_id", "last_activity_at", "id"),
        sa.Index("ix_conversation_contact", "tenant_id", "contact_id", "id"),
    )

    channel_id: UUID
    contact_id: UUID
    agent_id: UUID
    # The contact's closed conversation before this one, on the same channel.
    previous_id: UUID | None = None
    status: Status = Field(
        default=Status.ACTIVE,
        sa_type=text_enum(Status, checked=False),
        sa_column_kwargs={"server_default": "ACTIVE"},
    )
    # +1 on every takeover, release, close and reopen: the fence for AI work.
    epoch: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # There is work when status = ACTIVE and inbound_seq > handled_seq.
    inbound_seq: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    handled_seq: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    first_due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # A file of the burst is awaited until then, or until it is here: it is not due before.
    awaits_until: datetime | None = Field(default=None, sa_type=Timestamp)
    # The token is the fence, the time only liveness.
    lease_token: int = Field(
        default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    lease_until: datetime | None = Field(default=None, sa_type=Timestamp)
    # The span that took in the contact's last message, while traces are on.
    traceparent: str | None = Field(default=None, sa_type=sa.Text)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    assigned_user_id: UUID | None = None
    priority: Priority = Field(
        default=Priority.NORMAL,
        sa_type=text_enum(Priority, checked=False),
        sa_column_kwargs={"server_default": "normal"},
    )
    language: str | None = Field(default=None, sa_type=sa.Text)
    # Oldest inbound message nobody has answered yet.
    waiting_since: datetime | None = Field(default=None, sa_type=Timestamp)
    # The `waiting_since` of which people have been told that it is too long.
    overdue_told_for: datetime | None = Field(default=None, sa_type=Timestamp)
    # When the contact last wrote, by WhatsApp's clock: what the 24-hour window counts from.
    last_inbound_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_activity_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    last_text: str | None = Field(default=None, sa_type=sa.Text)
    # Sorts the inbox: longest waiting first, then what waits for nothing, newest first. A column, as
    # row-level security keeps an expression of several steps from steering an index; an interval,
    # as a time and an interval make a time that depends on the time zone.
    inbox_rank: timedelta | None = Field(
        default=None,
        sa_column=sa.Column(sa.Interval, sa.Computed(INBOX_RANK, persisted=True), nullable=True),
    )
    closed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    closed_by: Actor | None = Field(default=None, sa_type=text_enum(Actor, checked=False))
    close_reason: str | None = Field(default=None, sa_type=sa.Text)


class Direction(StrEnum):
    """Which way a message went."""

    IN = "in"
    OUT = "out"


class Message(TenantRow, table=True):
    """A message of the thread, either way. One going out shares its id with its outbound row."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        refers("channel_id", to="channel"),
        # For ever: Meta repeats a webhook for a week, and a second copy must find the first.
        sa.UniqueConstraint("tenant_id", "channel_id", "wamid"),
        sa.UniqueConstraint("tenant_id", "conversation_id", "seq"),
        sa.Index("ix_message_thread", "tenant_id", "conversation_id", "created_at", "id"),
        sa.Index(
            "ix_message_search",
            sa.text(SEARCHED_WORDS),
            postgresql_using="gin",
            postgresql_where=sa.text("text <> ''"),
            # What is written goes into the index in small batches: none may hold a reply up.
            postgresql_with={"gin_pending_list_limit": 256},
        ),
    )

    conversation_id: UUID
    channel_id: UUID
    direction: Direction = Field(sa_type=text_enum(Direction, checked=False))
    author: Actor = Field(sa_type=text_enum(Actor, checked=False))
    user_id: UUID | None = None
    wamid: str | None = Field(default=None, sa_type=sa.Text)
    seq: int | None = None  # Set on inbound messages that want an outcome.
    ignored_reason: str | None = Field(default=None, sa_type=sa.Text)  # Set on those that do not.
    type: str = Field(sa_type=sa.Text)
    text: str = Field(default="", sa_type=sa.Text)
    media: dict[str, Any] | None = Field(default=None, sa_type=Json)
    payload: dict[str, Any] | None = Field(default=None, sa_type=Json)
    reply_to_wamid: str | None = Field(default=None, sa_type=sa.Text)
    provider_at: datetime | None = Field(default=None, sa_type=Timestamp)
    edited_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    tokens: int | None = None
    turn_id: UUID | None = None


class ConversationMemory(TenantTable, table=True):
    """What a long conversation's older messages come to, and the work of keeping it up to date."""

    __tablename__ = "conversation_memory"
    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.Index(
            "ix_conversation_memory_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
    )

    conversation_id: UUID = Field(primary_key=True)
    summary: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # The last message the summary speaks of; ids rise with time.
    through_id: UUID | None = None
    # +1 with every write and whenever a message is taken back: the fence.
    version: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    updated_at: datetime | None = Field(default=None, sa_type=Timestamp)


class TurnOutcome(StrEnum):
    """What became of a burst."""

    REPLIED = "replied"
    HANDOFF = "handoff"
    IGNORED = "ignored"
    REFUSED = "refused"  # Told once that this is not what the desk is for.


class Turn(TenantRow, table=True):
    """A burst of inbound messages and the one outcome it got, with the trace that explains it."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.UniqueConstraint("tenant_id", "conversation_id", "from_seq"),
        sa.UniqueConstraint("tenant_id", "conversation_id", "to_seq"),
    )

    conversation_id: UUID
    from_seq: int
    to_seq: int
    outcome: TurnOutcome = Field(sa_type=text_enum(TurnOutcome, checked=False))
    by: Actor = Field(sa_type=text_enum(Actor, checked=False))
    user_id: UUID | None = None
    reason: str = Field(default="", sa_type=sa.Text)
    trace: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs={"server_default": sa.text("'[]'")}
    )
    agent_version: int | None = None
    prompt_version: str | None = Field(default=None, sa_type=sa.Text)
    # What experiments on prompts gave this turn: prompt, version, experiment_id, variant.
    exposures: list[dict[str, Any]] | None = Field(default=None, sa_type=Json)
    input_tokens: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    output_tokens: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    cost_usd: Decimal | None = Field(default=None, sa_type=Usd)
    latency_seconds: float | None = None


class TimerKind(StrEnum):
    """What a timer does when it comes due."""

    FOLLOW_UP = "follow_up"
    AUTO_CLOSE = "auto_close"
    SNOOZE = "snooze"


class Timer(TenantRow, table=True):
    """Something to do with a conversation later; an inbound message cancels it."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.UniqueConstraint("tenant_id", "conversation_id", "kind"),
        sa.Index("ix_timer_due", "due_at"),
        sa.Index(
            "ix_timer_snoozed",
            "tenant_id",
            "due_at",
            "conversation_id",
            postgresql_where=sa.text("kind = 'snooze'"),
        ),
    )

    conversation_id: UUID
    kind: TimerKind = Field(sa_type=text_enum(TimerKind, checked=False))
    epoch: int  # The conversation's when it was set; a takeover or close makes it void.
    due_at: datetime = Field(sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # Who wants it, and which of several follow-ups it is.
    cause: Actor = Field(
        default=Actor.SYSTEM,
        sa_type=text_enum(Actor, checked=False),
        sa_column_kwargs={"server_default": "system"},
    )
    step: int = Field(default=1, sa_type=sa.SmallInteger, sa_column_kwargs={"server_default": "1"})


class SurveyState(StrEnum):
    """How far asking about a conversation has got."""

    DUE = "due"
    ASKED = "asked"
    ANSWERED = "answered"
    SKIPPED = "skipped"


class Survey(TenantRow, table=True):
    """Whether a contact was asked how a closed conversation was, and what they said."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        refers("contact_id", to="contact"),
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "conversation_id"),
        sa.Index("ix_survey_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index("ix_survey_contact", "tenant_id", "contact_id", "asked_at"),
        sa.Index("ix_survey_agent", "tenant_id", "agent_id", "created_at"),
    )

    conversation_id: UUID
    contact_id: UUID
    agent_id: UUID
    state: SurveyState = Field(
        default=SurveyState.DUE,
        sa_type=text_enum(SurveyState),
        sa_column_kwargs={"server_default": "due"},
    )
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    closed_by: Actor = Field(sa_type=text_enum(Actor, checked=False))
    closed_by_user_id: UUID | None = None
    close_reason: str = Field(sa_type=sa.Text)
    # Whoever of the people wrote in it last; the AI alone when none did.
    handled_by: Actor | None = Field(default=None, sa_type=text_enum(Actor, checked=False))
    handled_by_user_id: UUID | None = None
    skipped_reason: str | None = Field(default=None, sa_type=sa.Text)
    message_id: UUID | None = None
    asked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    score: int | None = Field(default=None, sa_type=sa.SmallInteger)
    answered_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Thumb(StrEnum):
    """What somebody thinks of an answer."""

    UP = "up"
    DOWN = "down"


class AnswerRating(TenantTable, table=True):
    """A thumb on an answer of the AI, one of each contact and each user."""

    __tablename__ = "answer_rating"
    __table_args__ = (
        refers("message_id", to="message"),
        refers("conversation_id", to="conversation"),
        refers("agent_id", to="agent"),
        sa.Index("ix_answer_rating_newest", "tenant_id", "created_at", "message_id"),
        sa.Index("ix_answer_rating_conversation", "tenant_id", "conversation_id"),
    )

    message_id: UUID = Field(primary_key=True)
    rater_id: UUID = Field(primary_key=True)  # The contact, or the user.
    conversation_id: UUID
    agent_id: UUID
    by: Actor = Field(sa_type=text_enum(Actor, checked=False))
    value: Thumb = Field(sa_type=text_enum(Thumb))
    comment: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class ReadMark(TenantTable, table=True):
    """How far a user has read a conversation. What the contact wrote after it is unread for them."""

    __tablename__ = "read_mark"
    __table_args__ = (refers("conversation_id", to="conversation"),)

    user_id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    message_id: UUID
    message_at: datetime = Field(sa_type=Timestamp)  # Threads are in this order, then by id.


class ConversationTag(TenantTable, table=True):
    """A word by which people find conversations of a kind."""

    __tablename__ = "conversation_tag"
    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.Index("ix_conversation_tag_tag", "tenant_id", "tag", "conversation_id"),
    )

    conversation_id: UUID = Field(primary_key=True)
    tag: str = Field(sa_type=sa.Text, primary_key=True)


class Note(TenantRow, table=True):
    """What one of the people writes about a conversation for the others. No contact sees it."""

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        sa.Index("ix_note_conversation", "tenant_id", "conversation_id", "id"),
        sa.Index("ix_note_search", sa.text(SEARCHED_WORDS), postgresql_using="gin"),
    )

    conversation_id: UUID
    user_id: UUID
    text: str = Field(sa_type=sa.Text)
    mentions: list[UUID] = Field(
        default_factory=list,
        sa_type=sa.ARRAY(sa.Uuid),
        sa_column_kwargs={"server_default": sa.text("'{}'")},
    )
    edited_at: datetime | None = Field(default=None, sa_type=Timestamp)


class SavedReply(TenantRow, table=True):
    """A text that is written often, with variables, under a short word."""

    __tablename__ = "saved_reply"
    __table_args__ = (of_tenant(), sa.UniqueConstraint("tenant_id", "shortcut"))

    shortcut: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)


class Draft(TenantTable, table=True):
    """What a user has begun to write in a conversation and not sent."""

    __table_args__ = (refers("conversation_id", to="conversation"),)

    user_id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    text: str = Field(sa_type=sa.Text)
    updated_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
