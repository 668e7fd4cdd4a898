"""What the routes about models take and tell."""

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, StringConstraints

from frontdesk.core.pages import PublicSchema, Schema

DEFAULT = "default"
_FEATURE = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
_MODEL = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9_]+/[A-Za-z0-9._:/-]+$", max_length=120)
]
_EXAMPLE: dict[str, Any] = {
    "routes": {
        "default": {
            "models": ["groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"],
            "cheaper_models": [],
        },
        "triage": {"models": ["groq/openai/gpt-oss-20b"], "cheaper_models": []},
    }
}


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _sendable(key: SecretStr) -> SecretStr:
    # It travels in a header.
    if not re.fullmatch(r"[!-~]{1,500}", key.get_secret_value()):
        raise ValueError("must be 1 to 500 visible ASCII characters")
    return key


Models = Annotated[tuple[_MODEL, ...], AfterValidator(_unique), Field(max_length=5)]


class Route(Schema):
    """Which models are asked for a feature, in turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Annotated[Models, Field(min_length=1)] = Field(
        description="Pinned, as `provider/model`, tried in turn."
    )
    cheaper_models: Models = Field(
        (), description="The same past a budget's soft cap; empty: those of the deployment."
    )


class RoutingUpdate(Schema):
    """The whole routing table, by feature; `default` is for all that are not named."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    routes: dict[_FEATURE, Route] = Field(max_length=30)


class RoutingPublic(PublicSchema):
    """Which models are asked for what. An agent's own `models` come before all of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": 3, **_EXAMPLE, "deployment": _EXAMPLE["routes"]}]
        }
    )

    version: int = Field(description="0: nothing has been set.")
    routes: dict[str, Route]
    deployment: dict[str, Route] = Field(description="What holds where the tenant says nothing.")


class ProviderKeySet(Schema):
    """A key of the tenant's own."""

    api_key: Annotated[SecretStr, AfterValidator(_sendable)] = Field(
        description="Sealed at once and never shown again."
    )


class ProviderKeyPublic(PublicSchema):
    """That there is a key, and since when; never the key."""

    provider: str = Field(examples=["openai"])
    set_by: UUID | None
    set_at: datetime
