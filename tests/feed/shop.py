"""A tenant with an admin and a human agent, signed in to an app made of a few routers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI

from frontdesk.core import ids
from frontdesk.core.api import install_error_handlers
from frontdesk.core.asgi import Edge
from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.identity import add_member, authenticate, create_tenant
from frontdesk.identity.tokens import cookie_name, issue_token
from frontdesk.main import FILE_PATHS
from frontdesk.observability import record_refusal

ORIGIN = "http://testserver"


@dataclass
class User:
    """A user of the tenant with a live session, and their browser."""

    id: UUID
    session_id: UUID
    cookies: dict[str, str]
    http: httpx.AsyncClient


@dataclass
class Shop:
    """A fresh tenant and the app it is served by."""

    id: UUID
    resources: Resources
    app: FastAPI
    admin: User
    human: User
    others: list[User] = field(default_factory=list)

    async def aclose(self) -> None:
        for user in (self.admin, self.human, *self.others):
            await user.http.aclose()

    async def sql(self, query: str, *values: Any) -> list[Any]:
        """Rows of this tenant, as the application's role sees them."""
        async with self.resources.db.hot(self.id) as tx:
            return list(await tx.sql.fetch(query, *values))

    async def agent(self, name: str = "Shop agent") -> UUID:
        """A bare row of an agent, for what hangs on one."""
        agent_id = ids.new()
        await self.sql(
            "INSERT INTO agent (id, name, version, enabled) VALUES ($1, $2, 1, true)",
            agent_id,
            name,
        )
        return agent_id


def make_app(resources: Resources, *routers: APIRouter) -> FastAPI:
    """The web application, with these routers only."""
    app = FastAPI()
    app.state.resources = resources
    app.state.authenticate = authenticate
    app.state.record_refusal = record_refusal
    app.add_middleware(Edge, public_url=ORIGIN, json_body_bytes=1024 * 1024, file_paths=FILE_PATHS)
    install_error_handlers(app)
    for router in routers:
        app.include_router(router)
    return app


async def make_shop(resources: Resources, *routers: APIRouter) -> Shop:
    app = make_app(resources, *routers)
    slug = f"t-{ids.new().hex}"
    async with resources.db.system_transaction() as tx:
        tenant = await create_tenant(tx, f"Shop {slug}", slug)
    admin = await add_user(resources, app, tenant.id, Role.ADMIN)
    human = await add_user(resources, app, tenant.id, Role.HUMAN_AGENT)
    return Shop(tenant.id, resources, app, admin, human)


async def add_user(resources: Resources, app: FastAPI, tenant_id: UUID, role: Role) -> User:
    """A signed-in user; the password, which takes a tenth of a second, is left out."""
    user_id, session_id, now = ids.new(), ids.new(), datetime.now(UTC)
    async with resources.db.system_transaction() as tx:
        await tx.sql.execute(
            "INSERT INTO app_user (id, email, name, password_hash) VALUES ($1, $2, 'Test', '-')",
            user_id,
            f"{user_id}@test.example",
        )
        await add_member(tx, tenant_id, user_id, role)
        await tx.sql.execute(
            "INSERT INTO user_session (id, user_id, tenant_id, user_agent, expires_at) "
            "VALUES ($1, $2, $3, '', $4)",
            session_id,
            user_id,
            tenant_id,
            now + timedelta(days=1),
        )
    token = issue_token(
        resources.settings, session_id=session_id, user_id=user_id, tenant_id=tenant_id, now=now
    )
    cookies = {cookie_name(resources.settings): token}
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url=ORIGIN,
        cookies=cookies,
        headers={"Origin": ORIGIN},
    )
    return User(user_id, session_id, cookies, http)
