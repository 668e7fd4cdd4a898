"""HTTP of a tenant's tool secrets: names can be read, values only written."""

from typing import Annotated

from fastapi import Path

from frontdesk.agent_config import secrets
from frontdesk.agent_config.secrets import NoSuchSecret, ToolSecretPublic, ToolSecretUpdate
from frontdesk.core.api import (
    ReadsConfig,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConfig,
    problems,
)
from frontdesk.core.errors import Forbidden

router = Router(prefix="/api/v1/tool-secrets", tags=["agents"])

SecretPath = Annotated[
    str, Path(pattern=r"^[a-z][a-z0-9_]{0,49}$", examples=["shop_token"], description="Its name.")
]


@router.get("", summary="List tool secrets", responses=problems())
async def list_tool_secrets(who: ReadsConfig, session: TenantSession) -> list[ToolSecretPublic]:
    """The names of the secrets that tools' headers may refer to, without their values."""
    return await secrets.list_secrets(session)


@router.put("/{name}", summary="Save a tool secret", responses=problems(Forbidden))
async def save_tool_secret(
    name: SecretPath,
    body: ToolSecretUpdate,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
) -> ToolSecretPublic:
    """Keep a secret, sealed; it takes the place of an earlier one and is never shown."""
    return await secrets.save_secret(session, resources, name, body.value, who)


@router.delete(
    "/{name}",
    status_code=204,
    summary="Delete a tool secret",
    responses=problems(Forbidden, NoSuchSecret),
)
async def delete_tool_secret(name: SecretPath, who: WritesConfig, session: TenantSession) -> None:
    """Forget a secret. Tools that refer to it fail until it is saved again."""
    await secrets.delete_secret(session, name, who)
