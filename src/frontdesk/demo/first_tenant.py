"""The first tenant of a deployment, with an admin and an AI agent: what `frontdesk init` does."""

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources
    from frontdesk.core.settings import Settings


async def set_up(
    settings: "Settings",
    *,
    tenant: str,
    slug: str | None,
    email: str,
    name: str | None,
    agent: str,
    ask_password: Callable[[], str],
) -> dict[str, Any]:
    """Make sure the tenant, its admin and its agent exist, and say which of them are new.

    Args:
        ask_password: called only when the admin has no account yet.

    Raises:
        FrontdeskError: a name, email or password can't be used, or the database is down.
    """
    # The contexts take a second to import, which every other command would pay.
    from frontdesk.core.resources import open_resources
    from frontdesk.subscriptions import SUBSCRIPTIONS

    slug = slug or slug_of(tenant)
    email = email.strip().lower()
    async with open_resources(settings, SUBSCRIPTIONS) as resources:
        tenant_id, tenant_is_new = await _tenant(resources, tenant, slug)
        admin_id, admin_is_new = await _admin(
            resources, tenant_id, email, name or name_of(email), ask_password
        )
        agent_id, agent_is_new = await _agent(resources, tenant_id, tenant, agent, admin_id)
    return {
        "tenant": {"id": str(tenant_id), "name": tenant, "slug": slug},
        "admin": {"id": str(admin_id), "name": email},
        "agent": {"id": str(agent_id), "name": agent},
        "created": {"tenant": tenant_is_new, "admin": admin_is_new, "agent": agent_is_new},
        "sign_in": f"{settings.web.public_url.rstrip('/')}/api/v1/auth/sign-in",
    }


def slug_of(name: str) -> str:
    """A tenant's short name: `Lumen & Oak` is `lumen-oak`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-") or "tenant"


def name_of(email: str) -> str:
    """A person's name as their email suggests it: `mira.sand@…` is `Mira Sand`."""
    return " ".join(re.split(r"[._+-]+", email.partition("@")[0])).title() or email


async def _tenant(resources: "Resources", name: str, slug: str) -> tuple[UUID, bool]:
    from frontdesk.identity import SlugTaken, create_tenant

    try:
        async with resources.db.system_transaction() as tx:
            return (await create_tenant(tx, name, slug)).id, True
    except SlugTaken:
        async with resources.db.system() as connection:
            return await connection.fetchval("SELECT id FROM tenant WHERE slug = $1", slug), False


async def _admin(
    resources: "Resources",
    tenant_id: UUID,
    email: str,
    name: str,
    ask_password: Callable[[], str],
) -> tuple[UUID, bool]:
    from frontdesk.core.api import Role
    from frontdesk.identity import AlreadyMember, add_member, create_user

    async with resources.db.system() as connection:
        user_id = await connection.fetchval("SELECT id FROM app_user WHERE email = $1", email)
    password = ask_password() if user_id is None else ""
    try:
        async with resources.db.system_transaction() as tx:
            if user_id is None:
                user_id = await create_user(tx, email, name, password)
            await add_member(tx, tenant_id, user_id, Role.ADMIN)
    except AlreadyMember:
        return user_id, False
    return user_id, True


async def _agent(
    resources: "Resources", tenant_id: UUID, company_name: str, name: str, author_id: UUID
) -> tuple[UUID, bool]:
    from frontdesk.agent_config import AgentConfig, AgentCreate, AgentNameTaken, create_agent

    body = AgentCreate(name=name, config=AgentConfig(company_name=company_name))
    try:
        async with resources.db.transaction(tenant_id) as session:
            return (await create_agent(session, body, author_id=author_id)).id, True
    except AgentNameTaken:
        async with resources.db.hot(tenant_id) as tx:
            return await tx.sql.fetchval("SELECT id FROM agent WHERE name = $1", name), False
