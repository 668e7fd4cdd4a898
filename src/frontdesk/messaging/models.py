"""Tables of messaging: raw webhooks, connected numbers, messages on their way out, account events."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

from frontdesk.core.tables import (
    NOW,
    Json,
    TenantRow,
    Timestamp,
    of_tenant,
    refers,
    text_enum,
)


class WebhookState(StrEnum):
    """Where a raw webhook stands."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    DISCARDED = "discarded"  # It was dead, and an operator has let it go.


class WebhookEvent(SQLModel, table=True):
    """A webhook body as it came, before anybody knows whose it is. Only the system role reads it."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        # Not by `due_at`: each claim moves it, and the oldest are taken first.
        sa.Index("ix_webhook_event_pending", "id", postgresql_where=sa.text("state = 'pending'")),
        sa.Index("ix_webhook_event_received", "received_at"),
        sa.Index("ix_webhook_event_dead", "id", postgresql_where=sa.text("state = 'dead'")),
        sa.Index(
            "ix_webhook_event_letter",
            "letter_id",
            unique=True,
            postgresql_where=sa.text("letter_id IS NOT NULL"),
        ),
    )

    id: int = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True),
    )
    source: str = Field(sa_type=sa.Text)
    body: bytes = Field(sa_type=sa.LargeBinary)
    state: WebhookState = Field(
        default=WebhookState.PENDING,
        sa_type=text_enum(WebhookState),
        sa_column_kwargs={"server_default": "pending"},
    )
    # Claiming pushes `due_at` past the lease, so a worker that dies gives the row back by itself.
    due_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # How often a status in it waited for the send it belongs to; waiting is not failing.
    waits: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # The span that took it in, while traces are on; see `core/tracing.py`.
    traceparent: str | None = Field(default=None, sa_type=sa.Text)
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    received_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    # Of a dead one, once somebody has looked: the id it is shown under, as its own would tell how
    # much others receive; the tenants whose numbers it names; and those of them who let it go.
    letter_id: UUID | None = None
    concerns: list[UUID] | None = Field(default=None, sa_type=postgresql.ARRAY(sa.Uuid))
    let_go: list[UUID] | None = Field(default=None, sa_type=postgresql.ARRAY(sa.Uuid))


class ChannelStatus(StrEnum):
    """Whether a number sends."""

    CONNECTING = "CONNECTING"
    CONNECTED = "CONNECTED"
    PAUSED = "PAUSED"
    FAILED = "FAILED"  # Connecting came to an end somebody has to look at.
    DISCONNECTED = "DISCONNECTED"


class ConnectStage(StrEnum):
    """What connecting does next, in this order."""

    EXCHANGE = "exchange"  # The code of Embedded Signup becomes a token.
    IDENTIFY = "identify"  # Whose token it is, and which number it gives; the number is taken.
    SUBSCRIBE = "subscribe"  # Webhooks of the account come to us.
    REGISTER = "register"  # The number may send over the Cloud API.
    CONFIRM = "confirm"  # What Meta now says of the number.


class PausedBy(StrEnum):
    """Who stopped sending; what WhatsApp stopped, WhatsApp may start again."""

    ADMIN = "admin"
    WHATSAPP = "whatsapp"


# A number belongs to whoever proved it last and has not let go of it.
HOLDS_NUMBER = "claimed_at IS NOT NULL AND status <> 'DISCONNECTED'"


class Channel(TenantRow, table=True):
    """A WhatsApp business number: being connected, connected, or connected once."""

    __table_args__ = (
        of_tenant(),
        refers("agent_id", to="agent"),
        # Not led by the tenant on purpose: a number belongs to one tenant of the deployment, and
        # the tenant is found by it.
        sa.Index(
            "uq_channel_phone_number_id",
            "phone_number_id",
            unique=True,
            postgresql_where=sa.text(HOLDS_NUMBER),
        ),
        sa.Index("ix_channel_phone_number", "phone_number_id"),
        sa.Index("ix_channel_waba", "waba_id"),
        sa.Index("ix_channel_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    name: str = Field(sa_type=sa.Text)
    agent_id: UUID
    # Empty until Meta has told them; before `claimed_at` nothing but what somebody typed.
    phone_number_id: str = Field(sa_type=sa.Text)
    waba_id: str = Field(sa_type=sa.Text)
    display_phone_number: str = Field(sa_type=sa.Text)  # Digits.
    access_token_sealed: str = Field(sa_type=sa.Text)  # Empty when there is none.
    code_sealed: str | None = Field(default=None, sa_type=sa.Text)
    pin_sealed: str | None = Field(default=None, sa_type=sa.Text)
    status: ChannelStatus = Field(
        default=ChannelStatus.CONNECTING, sa_type=text_enum(ChannelStatus)
    )
    status_reason: str | None = Field(default=None, sa_type=sa.Text)
    status_since: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    paused_by: PausedBy | None = Field(default=None, sa_type=text_enum(PausedBy))
    stage: ConnectStage | None = Field(default=None, sa_type=text_enum(ConnectStage))
    failure_code: str | None = Field(default=None, sa_type=sa.Text)
    # When Meta confirmed that the token given for it reaches this number.
    claimed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    token_expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # Whether `token_expires_at` is what Meta says; its null then means never.
    token_checked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    subscribed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    registered_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # The business uses it in the WhatsApp Business app as well (coexistence).
    is_on_phone_app: bool = Field(
        default=False, sa_column_kwargs={"server_default": sa.text("false")}
    )
    # What Meta said of the number when it was last asked, and what it said instead of an answer.
    reading: dict[str, Any] | None = Field(default=None, sa_type=Json)
    checked_at: datetime | None = Field(default=None, sa_type=Timestamp)
    check_error: str | None = Field(default=None, sa_type=sa.Text)
    # The next step of connecting, the next look at it, or what disconnecting has left to do.
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # Provider time of the newest webhook: the evidence that statuses do reach us.
    alive_at: datetime | None = Field(default=None, sa_type=Timestamp)


class Origin(StrEnum):
    """Who wrote a message that goes out."""

    AGENT = "agent"
    HUMAN_AGENT = "human_agent"
    SYSTEM = "system"
    BRIDGE = "bridge"  # To a human agent's own WhatsApp, about the contact's conversation.


class OutboundState(StrEnum):
    """How far a message on its way out has got."""

    PENDING = "pending"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"


class Delivery(StrEnum):
    """How far WhatsApp says it has got; only ever moves up."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"


class Outbound(TenantRow, table=True):
    """A message on its way to WhatsApp. Its id is the id of the conversation's message.

    With a `to_user_id` it goes to a human agent instead of the contact, and is no message of the
    conversation's.
    """

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        refers("channel_id", to="channel"),
        refers("turn_id", to="turn"),
        sa.UniqueConstraint("tenant_id", "turn_id", "seq"),
        sa.UniqueConstraint("tenant_id", "client_key"),
        sa.Index(
            "ix_outbound_due",
            "due_at",
            postgresql_where=sa.text("state IN ('pending', 'sending', 'unknown')"),
        ),
        sa.Index(
            "ix_outbound_open",
            "tenant_id",
            "conversation_id",
            "created_at",
            postgresql_where=sa.text("state IN ('pending', 'sending', 'unknown')"),
        ),
        sa.Index("ix_outbound_wamid", "tenant_id", "wamid"),
        sa.Index(
            "ix_outbound_dead",
            "tenant_id",
            "id",
            postgresql_where=sa.text(
                "state IN ('failed', 'needs_attention') AND discarded_at IS NULL"
            ),
        ),
    )

    conversation_id: UUID
    channel_id: UUID
    turn_id: UUID | None = None
    seq: int = 0  # Place within its turn.
    origin: Origin = Field(sa_type=text_enum(Origin, checked=False))
    epoch: int  # The conversation's when this was decided: the fence for AI sends.
    client_key: str | None = Field(default=None, sa_type=sa.Text)
    to_user_id: UUID | None = None
    media_id: UUID | None = None  # The file in it, when that is another message's.
    # The span that decided it, while traces are on.
    traceparent: str | None = Field(default=None, sa_type=sa.Text)
    content: dict[str, Any] = Field(sa_type=Json)  # The wire body but for the callback data.
    state: OutboundState = Field(
        default=OutboundState.PENDING,
        sa_type=text_enum(OutboundState, checked=False),
        sa_column_kwargs={"server_default": "pending"},
    )
    attempt: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # Sends that certainly left nothing at WhatsApp, and sends of which nobody can tell.
    refusals: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    unknowns: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    due_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    sending_since: datetime | None = Field(default=None, sa_type=Timestamp)
    finished_at: datetime | None = Field(default=None, sa_type=Timestamp)
    wamid: str | None = Field(default=None, sa_type=sa.Text)
    delivery: Delivery | None = Field(default=None, sa_type=text_enum(Delivery, checked=False))
    delivery_at: datetime | None = Field(default=None, sa_type=Timestamp)
    pricing: dict[str, Any] | None = Field(default=None, sa_type=Json)
    error_code: int | None = None
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    # Since when nobody needs to be told any more that it failed.
    discarded_at: datetime | None = Field(default=None, sa_type=Timestamp)


class MediaState(StrEnum):
    """Where the file of a message is."""

    PENDING = "pending"  # At WhatsApp; a worker fetches it.
    STORED = "stored"
    FAILED = "failed"
    DELETED = "deleted"  # Its days were over, or it was erased.


class Media(TenantRow, table=True):
    """A file that came with a message, or is to go with one; the bytes lie in the storage.

    While it is at WhatsApp the row is the job of fetching it, and then, perhaps, of writing down
    what is said in it.
    """

    __table_args__ = (
        refers("conversation_id", to="conversation"),
        refers("channel_id", to="channel"),
        sa.UniqueConstraint("tenant_id", "message_id"),
        sa.Index("ix_media_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        # Those whose days are over: by the deployment's, by a tenant's own, and never sent.
        sa.Index("ix_media_stored", "stored_at", postgresql_where=sa.text("state = 'stored'")),
        sa.Index(
            "ix_media_kept",
            "tenant_id",
            "stored_at",
            postgresql_where=sa.text("state = 'stored'"),
        ),
        sa.Index(
            "ix_media_unsent",
            "stored_at",
            postgresql_where=sa.text("state = 'stored' AND message_id IS NULL"),
        ),
        sa.Index("ix_media_conversation", "tenant_id", "conversation_id"),
    )

    conversation_id: UUID
    channel_id: UUID
    message_id: UUID | None = None  # None: uploaded, and not sent yet.
    user_id: UUID | None = None  # Who uploaded it; None: it came from WhatsApp.
    kind: str = Field(sa_type=sa.Text)  # WhatsApp's word: image, audio, video, document, sticker.
    state: MediaState = Field(
        default=MediaState.PENDING,
        sa_type=text_enum(MediaState),
        sa_column_kwargs={"server_default": "pending"},
    )
    # WhatsApp's id: of a contact's file good for 7 days, of one of ours for 30.
    whatsapp_id: str | None = Field(default=None, sa_type=sa.Text)
    uploaded_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # What WhatsApp said of it; `mime_type` is what we found.
    declared: dict[str, Any] | None = Field(default=None, sa_type=Json)
    mime_type: str | None = Field(default=None, sa_type=sa.Text)
    filename: str | None = Field(default=None, sa_type=sa.Text)
    size_bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    sha256: str | None = Field(default=None, sa_type=sa.Text)  # Hex.
    stored_at: datetime | None = Field(default=None, sa_type=Timestamp)
    # The AI's turn waits for it; and what is said in it is to be written down before.
    is_awaited: bool = Field(default=False, sa_column_kwargs={"server_default": sa.text("false")})
    wants_words: bool = Field(default=False, sa_column_kwargs={"server_default": sa.text("false")})
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class MessageTemplate(TenantRow, table=True):
    """A message template of an account, as Meta listed it last."""

    __tablename__ = "message_template"
    __table_args__ = (
        of_tenant(),
        sa.UniqueConstraint("tenant_id", "waba_id", "name", "language"),
    )

    waba_id: str = Field(sa_type=sa.Text)
    name: str = Field(sa_type=sa.Text)
    language: str = Field(sa_type=sa.Text)
    category: str = Field(sa_type=sa.Text)
    status: str = Field(sa_type=sa.Text)  # Meta's word; APPROVED ones can be sent.
    quality: str | None = Field(default=None, sa_type=sa.Text)
    components: list[dict[str, Any]] = Field(sa_type=Json)
    synced_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class TemplateCatalogue(TenantRow, table=True):
    """The templates of one account, and the work of listing them anew."""

    __tablename__ = "template_catalogue"
    __table_args__ = (
        of_tenant(),
        sa.UniqueConstraint("tenant_id", "waba_id"),
        sa.Index(
            "ix_template_catalogue_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
    )

    waba_id: str = Field(sa_type=sa.Text)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    synced_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class AccountEvent(TenantRow, table=True):
    """Something Meta said about an account, a number or a template, in words."""

    __tablename__ = "account_event"
    __table_args__ = (
        of_tenant(),
        sa.UniqueConstraint("tenant_id", "fingerprint"),
        sa.Index("ix_account_event_created", "tenant_id", "created_at"),
        sa.Index(
            "ix_account_event_topic",
            "tenant_id",
            "channel_id",
            "topic",
            "said_at",
            postgresql_where=sa.text("topic IS NOT NULL"),
        ),
    )

    channel_id: UUID | None = None
    field: str = Field(sa_type=sa.Text)
    event: str = Field(sa_type=sa.Text)
    severity: str = Field(sa_type=sa.Text)
    words: str = Field(sa_type=sa.Text)
    payload: dict[str, Any] = Field(sa_type=Json)
    fingerprint: str = Field(sa_type=sa.Text)  # A webhook delivered twice is one event.
    # What it says something about: the newest of a topic holds. Null for what is no state.
    topic: str | None = Field(default=None, sa_type=sa.Text)
    said_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    until: datetime | None = Field(default=None, sa_type=Timestamp)
