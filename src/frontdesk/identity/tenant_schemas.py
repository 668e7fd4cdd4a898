"""What the platform's side of identity takes and tells over HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.identity.models import TenantStatus
from frontdesk.identity.schemas import Email, Password, PersonName, Slug

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
PlanName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[\w .-]+$"),
]
Most = Annotated[int, Field(ge=0, le=1_000_000)]
MOST_MINUTES = 60

_TENANT: dict[str, Any] = {
    "id": "0192f0aa-4444-7d11-8a55-0c0ffee00005",
    "name": "Green Leaf",
    "slug": "green-leaf",
    "status": "ACTIVE",
    "plan": "standard",
    "max_users": 10,
    "max_channels": 2,
    "max_agents": 3,
    "max_conversations_at_once": None,
    "created_at": "2026-03-02T09:15:04Z",
}


class _Limits(Schema):
    max_users: Most | None = Field(None, description="Members who may sign in; null is no limit.")
    max_channels: Most | None = Field(None, description="Connected numbers; null is no limit.")
    max_agents: Most | None = Field(None, description="AI agents; null is no limit.")
    max_conversations_at_once: Most | None = Field(
        None,
        ge=1,
        description="Bursts the AI answers at once; null is what the deployment allows anybody.",
    )


class FirstAdmin(Schema):
    """Who may let everybody else in."""

    email: Email
    name: PersonName
    password: Password = Field(
        description="The first password, 12 to 128 characters. Whoever has an account already "
        "keeps their own."
    )


class TenantCreate(_Limits):
    """A new tenant."""

    name: PersonName
    slug: Slug
    plan: PlanName = Field("standard", description="What its plan is called.")
    admin: FirstAdmin | None = Field(
        None, description="Its first admin; without one, act as the tenant to let somebody in."
    )


class TenantUpdate(_Limits):
    """What to change about a tenant; what is left out stays. A limit of null is taken away."""

    name: PersonName | None = None
    plan: PlanName | None = None


class Suspension(Schema):
    """Why a tenant is no longer served."""

    reason: Words = Field(examples=["Invoice 1042 is unpaid since May."])


class ActAs(Schema):
    """Why a super admin goes into a tenant, and for how long."""

    reason: Words = Field(examples=["Ticket 311: the agent answers in the wrong language."])
    minutes: int = Field(30, ge=1, le=MOST_MINUTES)


class TenantAccountPublic(PublicSchema):
    """A tenant as the platform sees it: what it may use, nothing of what it does."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_TENANT]})

    id: UUID
    name: str
    slug: str
    status: TenantStatus
    plan: str
    max_users: int | None
    max_channels: int | None
    max_agents: int | None
    max_conversations_at_once: int | None
    created_at: datetime


class ActingPublic(PublicSchema):
    """A super admin's time in a tenant."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f0aa-6666-7d11-8a55-0c0ffee00007",
                    "tenant_id": _TENANT["id"],
                    "reason": "Ticket 311: the agent answers in the wrong language.",
                    "started_at": "2026-03-02T09:15:04Z",
                    "expires_at": "2026-03-02T09:45:04Z",
                }
            ]
        },
    )

    id: UUID
    tenant_id: UUID
    reason: str
    started_at: datetime
    expires_at: datetime
