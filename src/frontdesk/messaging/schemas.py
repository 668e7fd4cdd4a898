"""What crosses HTTP in messaging."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.messaging.incoming_items import Severity
from frontdesk.messaging.models import ChannelStatus, ConnectStage, MediaState
from frontdesk.messaging.template_rules import Unsendable

MetaId = Annotated[str, StringConstraints(pattern=r"^\d{5,32}$")]


def _fits_a_header(token: SecretStr) -> SecretStr:
    """A token with a line break or a letter beyond ASCII could never be sent."""
    value = token.get_secret_value()
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise ValueError("a token has letters, digits and signs only, and no spaces")
    return token


def _is_pin(pin: SecretStr) -> SecretStr:
    value = pin.get_secret_value()
    if not (len(value) == 6 and value.isascii() and value.isdigit()):
        raise ValueError("a PIN has six digits")
    return pin


Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=2000, examples=["EAABexampleToken"]),
    AfterValidator(_fits_a_header),
]


Pin = Annotated[
    SecretStr,
    Field(
        description="The number's two-step PIN, six digits; without one a new one is set where the "
        "number has to be registered. It is sealed and never shown.",
        examples=["482915"],
    ),
    AfterValidator(_is_pin),
]
Code = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=2000,
        description="What Embedded Signup gave to the page; good for 30 seconds, once.",
        examples=["AQBexampleCode"],
    ),
    AfterValidator(_fits_a_header),
]
Reason = Annotated[str, Field(min_length=1, max_length=500, examples=["Stocktaking until noon."])]


class ChannelCreate(Schema):
    """A business number to connect, with the credentials Meta gave for it."""

    name: str = Field(min_length=1, max_length=100, examples=["Main shop number"])
    agent_id: UUID
    phone_number_id: MetaId = Field(examples=["100000000000001"])
    waba_id: MetaId = Field(examples=["200000000000001"])
    display_phone_number: str = Field(
        "",
        pattern=r"^(\+?[\d ().-]{5,30})?$",
        description="Shown until Meta has said how the number is written.",
        examples=["+1 555 000 1111"],
    )
    access_token: Token
    pin: Pin | None = None


class SignupCreate(Schema):
    """A business number to connect with what Embedded Signup gave."""

    name: str = Field(min_length=1, max_length=100, examples=["Main shop number"])
    agent_id: UUID
    code: Code
    phone_number_id: MetaId | None = Field(
        None,
        description="Which number, where the account has several; it must be one the signup gave.",
        examples=["100000000000001"],
    )
    pin: Pin | None = None


class Reconnect(Schema):
    """New credentials for a channel that failed or was disconnected; none goes on with its own."""

    access_token: Token | None = None
    code: Code | None = None
    pin: Pin | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.access_token and self.code:
            raise ValueError("give a token or a code, not both")
        return self


class AccessToken(Schema):
    """A new access token for a channel."""

    access_token: Token


class Change(Schema):
    """Why a channel is paused, resumed or disconnected; it is shown and written down."""

    reason: Reason | None = None


class SignupSettings(PublicSchema):
    """What a page needs to open Embedded Signup."""

    app_id: str
    config_id: str | None
    api_version: str


class ChannelPublic(PublicSchema):
    """A business number. Its token and PIN are never shown."""

    id: UUID
    name: str
    agent_id: UUID
    phone_number_id: str = Field(description="Empty until Meta has said which number it is.")
    waba_id: str
    display_phone_number: str
    status: ChannelStatus
    status_reason: str | None
    status_since: datetime
    stage: ConnectStage | None = Field(
        description="What connecting does next; of a failed one, where it failed."
    )
    failure_code: str | None = Field(
        description="Why connecting failed, for programs.", examples=["pin_wrong"]
    )
    token_expires_at: datetime | None
    alive_at: datetime | None = Field(description="When WhatsApp was last heard from.")
    created_at: datetime


class HealthState(StrEnum):
    """How a channel is, in one word."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    CONNECTING = "connecting"
    PAUSED = "paused"
    FAILED = "failed"
    DISCONNECTED = "disconnected"


class Finding(BaseModel):
    """One thing to know about a channel."""

    code: str = Field(description="Stable, for programs.", examples=["token_ends_soon"])
    severity: Severity
    sentence: str = Field(examples=["The access token ends in 6 days, on 2026-12-05."])
    what_to_do: str | None = Field(description="Null where there is nothing to do.")
    since: datetime | None


class ChannelHealth(BaseModel):
    """How a channel is, worst first."""

    channel_id: UUID
    state: HealthState
    sentence: str
    findings: list[Finding]
    checked_at: datetime | None = Field(description="When Meta was last asked.")


class AccountEventPublic(PublicSchema):
    """Something Meta said about an account, a number or a template."""

    id: UUID
    channel_id: UUID | None
    field: str
    event: str
    severity: str
    words: str
    created_at: datetime


class MediaPublic(PublicSchema):
    """The file of a message; its bytes are at `GET /api/v1/media/{media_id}`."""

    id: UUID
    conversation_id: UUID
    message_id: UUID | None = Field(description="Null: it was uploaded and not sent yet.")
    kind: str = Field(
        description="WhatsApp's word: `image`, `audio`, `video`, `document`, `sticker`.",
        examples=["image"],
    )
    state: MediaState
    mime_type: str | None = Field(
        description="Told by its content, not by its name.", examples=["image/jpeg"]
    )
    filename: str | None = Field(description="As its sender calls it: to be shown, nothing else.")
    size_bytes: int | None
    error: str | None = Field(description="Why it is not there, or not yet.")


class PlaceholderPublic(PublicSchema):
    """A value that a template needs."""

    key: str = Field(
        description="Its part and name: `body.1`, `body.customer`, `header.1`, `button.0`.",
        examples=["body.1"],
    )
    example: str | None


class TemplatePublic(PublicSchema):
    """A message template of an account, as Meta listed it last."""

    id: UUID
    waba_id: str
    name: str
    language: str = Field(examples=["en_US"])
    category: str = Field(examples=["UTILITY"])
    status: str = Field(description="Meta's word; `APPROVED` ones can be sent.")
    quality: str | None
    text: str = Field(
        description="Header and body, with the places for values as they are written."
    )
    parameters: list[PlaceholderPublic]
    problem: str | None = Field(description="Why it can't be sent from here; null when it can.")
    problem_part: Unsendable | None = Field(
        description="What of it keeps it from being sent; a stable word."
    )
    synced_at: datetime
