"""What the bridge shows over REST."""

from datetime import datetime

from pydantic import ConfigDict, Field

from frontdesk.core.pages import PublicSchema, Schema


class BridgePhonePublic(PublicSchema):
    """Your own WhatsApp, and whether you take conversations there."""

    confirmed_at: datetime | None = Field(None, description="Null: no phone is yours yet.")
    wa_id: str | None = Field(None, description="Its number in digits, if WhatsApp shows it.")
    enabled: bool = Field(False, description="Whether conversations come to it.")
    language: str | None = Field(
        None, description="In which the desk speaks to you there; null: the agent's first."
    )
    problem: str | None = Field(None, description="Why the last code confirmed nothing.")
    code_expires_at: datetime | None = Field(None, description="Null: no code is open.")


class BridgeCode(PublicSchema):
    """A code to send as a WhatsApp message from the phone that is to be yours."""

    code: str = Field(examples=["LINK-K3Q7XW2MPA"])
    expires_at: datetime
    send_to: list[str] = Field(description="Your numbers, any of which takes it.")


class BridgeSwitch(Schema):
    """Whether you take conversations on your own WhatsApp."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True, "language": "es"}]})

    enabled: bool
    language: str | None = Field(
        None,
        pattern=r"^[a-z]{2,3}$",
        description="In which the desk speaks to you there, ISO 639; one it does not speak is English. "
        "Null: the agent's first language; left out: as it is.",
    )
