"""Secrets of a tenant's tools: written, named in configurations, and never shown again."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from pydantic import Field, SecretStr

from frontdesk.core import ids
from frontdesk.core.callers import Principal
from frontdesk.core.db import Session
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.resources import Resources
from frontdesk.observability import audit

FIELD = "tool_secret.value"


class NoSuchSecret(NotFound):
    """The tenant has no secret of this name."""

    code, title = "no_such_secret", "There is no such secret"


class ToolSecretUpdate(Schema):
    """The value of a secret."""

    value: SecretStr = Field(
        min_length=1,
        max_length=2_000,
        description="Stands in a header: visible ASCII characters and spaces.",
        examples=["sk-shop-1f9c…"],
    )


class ToolSecretPublic(PublicSchema):
    """That there is a secret of this name; its value is never shown."""

    name: str
    updated_at: datetime


async def list_secrets(session: Session) -> list[ToolSecretPublic]:
    """The names of the tenant's secrets."""
    rows = await session.sql.fetch("SELECT name, updated_at FROM tool_secret ORDER BY name")
    return [ToolSecretPublic(**dict(row)) for row in rows]


async def save_secret(
    session: Session, resources: Resources, name: str, value: SecretStr, who: Principal
) -> ToolSecretPublic:
    """Keep a secret, in place of an earlier one of the name."""
    sealed = resources.sealer.seal(
        value.get_secret_value(), tenant_id=session.tenant_id, field=FIELD
    )
    row = await session.sql.fetchrow(
        "INSERT INTO tool_secret (id, name, value_sealed) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id, name) DO UPDATE SET value_sealed = $3, updated_at = now() "
        "RETURNING name, updated_at",
        ids.new(),
        name,
        sealed,
    )
    assert row is not None
    await _audit(session, "tool_secret.saved", name, who)
    return ToolSecretPublic(**dict(row))


async def delete_secret(session: Session, name: str, who: Principal) -> None:
    """Forget a secret; tools that need it can't be called any more.

    Raises:
        NoSuchSecret: there is none of this name.
    """
    gone = await session.sql.fetchval("DELETE FROM tool_secret WHERE name = $1 RETURNING id", name)
    if gone is None:
        raise NoSuchSecret
    await _audit(session, "tool_secret.deleted", name, who)


async def open_secrets(
    resources: Resources, tenant_id: UUID, names: Collection[str]
) -> dict[str, str]:
    """The values of those secrets that there are, by name.

    Raises:
        SealBroken: the key that sealed one is not configured any more.
    """
    if not names:
        return {}
    async with resources.db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch(
            "SELECT name, value_sealed FROM tool_secret WHERE name = ANY($1)", list(names)
        )
    return {
        row["name"]: resources.sealer.open(row["value_sealed"], tenant_id=tenant_id, field=FIELD)
        for row in rows
    }


async def _audit(session: Session, action: str, name: str, who: Principal) -> None:
    await audit(
        session, action, "tool_secret", name, user_id=who.user_id, request_id=who.request_id
    )
