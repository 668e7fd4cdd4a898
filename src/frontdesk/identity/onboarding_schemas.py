"""What getting in takes and tells over HTTP: invites, resets, second factors."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from frontdesk.core.callers import Role
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.identity.onboarding_models import Delivery
from frontdesk.identity.schemas import Email, Password, PersonName

_TOKEN = "3q2-7wAAAAD_example_of_a_link_token_AAAAAAAA"  # noqa: S105  # An example.

LinkToken = Annotated[
    SecretStr,
    Field(
        min_length=20,
        max_length=200,
        description="What stands behind `#token=` in the link.",
        examples=[_TOKEN],
    ),
]
Challenge = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=2_000,
        description="`challenge` of the answer to the sign-in; good for five minutes.",
        examples=["eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"],
    ),
]
Code = Annotated[
    SecretStr,
    Field(
        min_length=6,
        max_length=40,
        description="Six digits of the authenticator app, or a recovery code.",
        examples=["492039"],
    ),
]


class InviteState(StrEnum):
    """Where an invite stands."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


class InviteCreate(Schema):
    """Someone to ask in."""

    email: Email
    role: Role = Field(examples=["HUMAN_AGENT"])


class InvitePublic(PublicSchema):
    """An invite, as the tenant's admins see it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f0aa-5555-7d11-8a55-0c0ffee00006",
                    "email": "mira@example.com",
                    "role": "HUMAN_AGENT",
                    "state": "pending",
                    "delivery": "sent",
                    "invited_by": "0192f0aa-3333-7d11-8a55-0c0ffee00004",
                    "created_at": "2026-03-02T09:15:04Z",
                    "expires_at": "2026-03-05T09:15:04Z",
                }
            ]
        },
    )

    id: UUID
    email: str
    role: Role
    state: InviteState
    delivery: Delivery = Field(description="Of its e-mail; `failed`: it was given up.")
    invited_by: UUID
    created_at: datetime
    expires_at: datetime


class LinkOpen(Schema):
    """A link to look at."""

    token: LinkToken


class InviteAccept(Schema):
    """Who accepts: somebody new with a name and a password, or an account with its password."""

    token: LinkToken
    name: PersonName | None = Field(None, description="Needed when the email has no account yet.")
    password: Password = Field(
        description="A new one of 12 to 128 characters, or the account's own."
    )


class InviteOffer(PublicSchema):
    """What an invite offers, told to whoever holds its link."""

    tenant: str = Field(examples=["Green Leaf"])
    email: str = Field(examples=["mira@example.com"])
    role: Role
    has_account: bool = Field(description="Accept with the account's password; else choose one.")
    expires_at: datetime


class InviteAccepted(PublicSchema):
    """Where somebody belongs now; signing in is the next step."""

    tenant: str = Field(description="The tenant's slug.", examples=["green-leaf"])
    email: str = Field(examples=["mira@example.com"])
    role: Role


class ResetRequest(Schema):
    """Whose password is forgotten."""

    email: Email


class ResetUse(Schema):
    """A reset link, and the password to have from now on."""

    token: LinkToken
    new_password: Password = Field(
        description="12 to 128 characters, and none that guessers try first."
    )


class PasswordProof(Schema):
    """The password, to prove who asks."""

    password: Password


class FactorProof(Schema):
    """The password and a code, to prove who asks."""

    password: Password
    code: Code


class CodeOnly(Schema):
    """A code of the authenticator app."""

    code: Code


class ChallengeOnly(Schema):
    """A sign-in that goes on."""

    challenge: Challenge


class ChallengeAnswer(Schema):
    """A sign-in that goes on with a code."""

    challenge: Challenge
    code: Code


class Enrolment(PublicSchema):
    """What an authenticator app needs; shown once, and good once a code of it is shown."""

    secret: str = Field(
        description="To type in, in base32.", examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"]
    )
    uri: str = Field(
        description="The same as a QR code holds it.",
        examples=["otpauth://totp/Frontdesk%3Amira%40example.com?secret=JBSWY3DPEHPK3PXP"],
    )


class RecoveryCodes(PublicSchema):
    """Codes to keep on paper: each lets its owner in once without the app. Shown once."""

    recovery_codes: list[str] = Field(examples=[["k3pd-9xqm-2vha-7rte"]])


class FactorPublic(PublicSchema):
    """How the caller's account is protected."""

    enrolled: bool
    required: bool = Field(description="A tenant of theirs asks for it.")
    recovery_codes_left: int


class FactorLost(Schema):
    """Whose authenticator app and recovery codes are lost."""

    email: Email


class SignInPolicy(Schema):
    """How members of the tenant sign in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"mfa_required": True}]}
    )

    mfa_required: bool = Field(
        description="Members without an authenticator app may only set it up."
    )
