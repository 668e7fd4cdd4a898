"""The first tenant of a deployment and its first super admin: what `frontdesk init` does."""

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
    super_admin: str | None,
    ask_password: Callable[[str], str],
) -> dict[str, Any]:
    """Make sure the tenant, its admin, its agent and a super admin exist; say which are new.

    Args:
        super_admin: email of who looks after the platform. Without one the tenant's admin does, if
            nobody does yet.
        ask_password: called with the email of whoever has no account yet.

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
        super_admin, super_admin_is_new = await _super_admin(
            resources, super_admin, email, ask_password
        )
    return {
        "tenant": {"id": str(tenant_id), "name": tenant, "slug": slug},
        "admin": {"id": str(admin_id), "name": email},
        "agent": {"id": str(agent_id), "name": agent},
        "super_admin": {"name": super_admin},
        "created": {
            "tenant": tenant_is_new,
            "admin": admin_is_new,
            "agent": agent_is_new,
            "super_admin": super_admin_is_new,
        },
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
    ask_password: Callable[[str], str],
) -> tuple[UUID, bool]:
    from frontdesk.core.callers import Role
    from frontdesk.identity import AlreadyMember, add_member, create_user

    async with resources.db.system() as connection:
        user_id = await connection.fetchval("SELECT id FROM app_user WHERE email = $1", email)
    password = ask_password(email) if user_id is None else ""
    try:
        async with resources.db.system_transaction() as tx:
            if user_id is None:
                user_id = await create_user(tx, email, name, password)
            await add_member(tx, tenant_id, user_id, Role.ADMIN)
    except AlreadyMember:
        return user_id, False
    return user_id, True


async def _super_admin(
    resources: "Resources",
    wanted: str | None,
    admin: str,
    ask_password: Callable[[str], str],
) -> tuple[str, bool]:
    """The email of the super admin, and whether they have just become one."""
    from frontdesk.identity import create_user, make_super_admin

    email = (wanted or admin).strip().lower()
    async with resources.db.system() as connection:
        if wanted is None:
            present = await connection.fetchval(
                "SELECT email FROM app_user WHERE is_super_admin ORDER BY id LIMIT 1"
            )
            if present is not None:
                return present, False
        user_id = await connection.fetchval("SELECT id FROM app_user WHERE email = $1", email)
    password = ask_password(email) if user_id is None else ""
    async with resources.db.system_transaction() as tx:
        if user_id is None:
            user_id = await create_user(tx, email, name_of(email), password)
        return email, await make_super_admin(tx, user_id)


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
