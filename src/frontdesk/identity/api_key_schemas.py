"""What the routes of API keys take and tell."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints
from pydantic.functional_validators import BeforeValidator

from frontdesk.core.callers import Scope
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean

KeyName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    BeforeValidator(lambda value: clean(value) if isinstance(value, str) else value),
]
_KEY: dict[str, Any] = {
    "id": "0192f0aa-5555-7d11-8a55-0c0ffee00006",
    "name": "Nightly export",
    "hint": "x7Qd",
    "scopes": ["conversations:read", "usage:read"],
    "created_by": "0192f0aa-3333-7d11-8a55-0c0ffee00004",
    "created_at": "2026-03-02T09:15:04Z",
    "expires_at": "2027-03-02T00:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


class ApiKeyCreate(Schema):
    """What a program is called, and what it may do."""

    name: KeyName = Field(examples=["Nightly export"])
    scopes: set[Scope] = Field(min_length=1, examples=[["conversations:read", "usage:read"]])
    expires_at: AwareDatetime | None = Field(
        None, description="When it ends by itself; never, without it."
    )


class ApiKeyPublic(PublicSchema):
    """A key as anybody may see it: without the key."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_KEY]})

    id: UUID
    name: str
    hint: str = Field(description="The last four characters of the key.")
    scopes: list[str]
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute or so.")
    revoked_at: datetime | None


class ApiKeyCreated(ApiKeyPublic):
    """A new key, this once with the key itself."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [_KEY | {"key": "fd_live_7mK…x7Qd"}]},
    )

    key: str = Field(description="Store it now: it is not shown again.")
