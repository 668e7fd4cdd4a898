"""What crosses HTTP in messaging."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from frontdesk.core.api import PublicSchema, Schema
from frontdesk.messaging.models import ChannelStatus

MetaId = Annotated[str, StringConstraints(pattern=r"^\d{5,32}$")]


def _fits_a_header(token: SecretStr) -> SecretStr:
    """A token with a line break or a letter beyond ASCII could never be sent."""
    value = token.get_secret_value()
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise ValueError("a token has letters, digits and signs only, and no spaces")
    return token


Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=2000, examples=["EAAB…"]),
    AfterValidator(_fits_a_header),
]


class ChannelCreate(Schema):
    """A business number to connect, with the credentials Meta gave for it."""

    name: str = Field(min_length=1, max_length=100, examples=["Main shop number"])
    agent_id: UUID
    phone_number_id: MetaId = Field(examples=["100000000000001"])
    waba_id: MetaId = Field(examples=["200000000000001"])
    display_phone_number: str = Field(pattern=r"^\+?[\d ().-]{5,30}$", examples=["+1 555 000 1111"])
    access_token: Token


class AccessToken(Schema):
    """A new access token for a channel."""

    access_token: Token


class ChannelPublic(PublicSchema):
    """A connected business number. Its token is never shown again."""

    id: UUID
    name: str
    agent_id: UUID
    phone_number_id: str
    waba_id: str
    display_phone_number: str
    status: ChannelStatus
    status_reason: str | None
    alive_at: datetime | None = Field(description="When WhatsApp was last heard from.")
    created_at: datetime


class AccountEventPublic(PublicSchema):
    """Something Meta said about an account, a number or a template."""

    id: UUID
    channel_id: UUID | None
    field: str
    event: str
    severity: str
    words: str
    created_at: datetime
