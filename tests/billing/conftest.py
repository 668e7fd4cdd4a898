"""A tenant with a ledger, and the API as its administrator or its human agent sees it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request

from frontdesk.billing.routes import router
from frontdesk.core import ids
from frontdesk.core.api import install_error_handlers
from frontdesk.core.callers import Principal, Role, SuperAdmin
from frontdesk.core.resources import Resources
from frontdesk.observability import record_refusal

MakeTenant = Callable[[], Awaitable[UUID]]
SUPER_ADMIN = "SUPER_ADMIN"
SignIn = Callable[..., httpx.AsyncClient]


@pytest.fixture
def make_tenant(resources: Resources) -> MakeTenant:
    """Makes fresh tenants."""

    async def make() -> UUID:
        tenant_id = ids.new()
        async with resources.db.system_transaction() as tx:
            await tx.sql.execute(
                "INSERT INTO tenant (id, name, slug) VALUES ($1, 'Bakery', $2)",
                tenant_id,
                str(tenant_id),
            )
        return tenant_id

    return make


@pytest.fixture
async def tenant_id(make_tenant: MakeTenant) -> UUID:
    """A fresh tenant."""
    return await make_tenant()


@pytest.fixture
async def sign_in(resources: Resources) -> AsyncIterator[SignIn]:
    """Makes clients of the API, signed in to a tenant as somebody."""
    app = FastAPI()
    app.include_router(router)
    install_error_handlers(app)
    app.state.resources = resources

    async def authenticate(request: Request) -> Principal | SuperAdmin:
        if request.headers["x-role"] == SUPER_ADMIN:
            return SuperAdmin(UUID(request.headers["x-user"]), ids.NIL, "test")
        return Principal(
            user_id=UUID(request.headers["x-user"]),
            tenant_id=UUID(request.headers["x-tenant"]),
            role=Role(request.headers["x-role"]),
            session_id=ids.NIL,
            request_id="test",
        )

    app.state.authenticate = authenticate
    app.state.record_refusal = record_refusal
    clients: list[httpx.AsyncClient] = []

    def make(tenant_id: UUID, role: str = Role.ADMIN) -> httpx.AsyncClient:
        headers = {"x-user": str(ids.new()), "x-tenant": str(tenant_id), "x-role": role}
        transport = httpx.ASGITransport(app=app)
        clients.append(
            httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)
        )
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
