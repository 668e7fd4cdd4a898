"""What identity takes and tells over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from frontdesk.core.callers import Role
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.identity.rules import MAX_PASSWORD_LENGTH, SLUG_PATTERN

# Enough to catch a slip; whether mail arrives, only sending some would tell. RFC 5321: 254.
EMAIL_PATTERN = r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+$"

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=254, pattern=EMAIL_PATTERN),
    Field(examples=["mira@example.com"]),
]
Slug = Annotated[
    str,
    StringConstraints(max_length=63, pattern=SLUG_PATTERN),
    Field(examples=["green-leaf"]),
]
PersonName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    # The last one is asked first: cleaned, then measured.
    BeforeValidator(lambda value: clean(value) if isinstance(value, str) else value),
    Field(examples=["Mira Sand"]),
]
Password = Annotated[
    SecretStr,
    Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, examples=["eleven purple boats sing"]),
]

_MEMBER: dict[str, Any] = {
    "id": "0192f0aa-3333-7d11-8a55-0c0ffee00004",
    "email": "mira@example.com",
    "name": "Mira Sand",
    "role": "HUMAN_AGENT",
    "disabled": False,
    "member_since": "2026-03-02T09:15:04Z",
}
_TENANT: dict[str, Any] = {
    "id": "0192f0aa-4444-7d11-8a55-0c0ffee00005",
    "name": "Green Leaf",
    "slug": "green-leaf",
}


class SignIn(Schema):
    """Who wants to sign in."""

    email: Email
    password: Password
    tenant: Slug | None = Field(
        None, description="The tenant's slug; needed by users who belong to several."
    )
    platform: bool = Field(
        False,
        description="Sign in as a super admin, to no tenant. Super admins who belong to no tenant "
        "need not say so.",
    )


class TenantSwitch(Schema):
    """Where to go on: another tenant of one's own or, as a super admin, none."""

    tenant: Slug | None = None
    platform: bool = Field(False, description="To no tenant, as a super admin.")

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.tenant is None) is not self.platform:
            raise ValueError("give either tenant or platform")
        return self


class PasswordChange(Schema):
    """A new password, and the present one to prove who asks."""

    current_password: Password
    new_password: Password = Field(
        description="12 to 128 characters, and none that guessers try first."
    )


class MemberCreate(Schema):
    """Someone to let into the tenant."""

    email: Email
    name: PersonName
    role: Role = Field(examples=["HUMAN_AGENT"])
    password: Password = Field(
        description="The first password, 12 to 128 characters. Whoever has an account already "
        "keeps their own."
    )


class MemberUpdate(Schema):
    """What to change about a member; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "ADMIN"}]})

    role: Role | None = Field(None, examples=["ADMIN"])
    disabled: bool | None = Field(None, examples=[True])

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.role is None and self.disabled is None:
            raise ValueError("give role, disabled or both")
        return self


class TenantPublic(PublicSchema):
    """A tenant."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_TENANT]})

    id: UUID
    name: str
    slug: str


class MemberPublic(PublicSchema):
    """A user as a member of this tenant."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_MEMBER]})

    id: UUID
    email: str
    name: str
    role: Role
    disabled: bool = Field(description="May not sign in to this tenant.")
    member_since: datetime


class MePublic(PublicSchema):
    """Who is signed in, where, and as what."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": _MEMBER["id"],
                    "email": _MEMBER["email"],
                    "name": _MEMBER["name"],
                    "role": _MEMBER["role"],
                    "tenant": _TENANT,
                }
            ]
        },
    )

    id: UUID
    email: str
    name: str
    role: Role | Literal["SUPER_ADMIN"]
    tenant: TenantPublic | None = Field(
        description="Null for a super admin who acts in no tenant at present."
    )
    acting_until: datetime | None = Field(
        None, description="When a super admin's time in the tenant ends."
    )


class ContactPolicy(Schema):
    """What human agents see of contacts."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"masked_for_human_agents": True}]}
    )

    masked_for_human_agents: bool = Field(
        description="Of phone numbers, user ids, user names and e-mails they see only an end, in "
        "what contacts write too, and they find nobody by number. Admins and API keys see all."
    )


class BelongingPublic(PublicSchema):
    """A tenant that the user may switch to, and what they are there."""

    tenant: TenantPublic
    role: Role


class SessionPublic(PublicSchema):
    """A sign-in that is good."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f0aa-5555-7d11-8a55-0c0ffee00006",
                    "tenant": _TENANT,
                    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
                    "address": "203.0.113.x",
                    "created_at": "2026-03-02T09:15:04Z",
                    "last_seen_at": "2026-03-02T11:40:12Z",
                    "expires_at": "2026-04-01T09:15:04Z",
                    "current": True,
                }
            ]
        },
    )

    id: UUID
    tenant: TenantPublic | None = Field(description="Null for a super admin's, in no tenant.")
    user_agent: str
    address: str = Field(description="The network it was opened or last renewed from.")
    created_at: datetime
    last_seen_at: datetime = Field(description="To the minute.")
    expires_at: datetime
    current: bool = Field(description="Whether it is the one of this request.")
