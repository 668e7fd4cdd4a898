"""Two tenants, and browsers signed in to them."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.identity import add_member, create_tenant, create_user

PASSWORD = "eleven purple boats sing"


@pytest.fixture
async def tenant_id(resources: Resources) -> UUID:
    """A fresh tenant."""
    async with resources.db.system_transaction() as tx:
        return (await create_tenant(tx, "Green Leaf", f"t-{secrets.token_hex(6)}")).id


@pytest.fixture
async def other_tenant_id(resources: Resources) -> UUID:
    """Another one."""
    async with resources.db.system_transaction() as tx:
        return (await create_tenant(tx, "Red Root", f"t-{secrets.token_hex(6)}")).id


@pytest.fixture
async def browse(
    app: FastAPI, resources: Resources
) -> AsyncIterator[Callable[[UUID, Role], Awaitable[httpx.AsyncClient]]]:
    """Opens a browser signed in to a tenant with a role."""
    async with AsyncExitStack() as stack:

        async def open_browser(tenant_id: UUID, role: Role) -> httpx.AsyncClient:
            email = f"mira-{secrets.token_hex(6)}@example.com"
            async with resources.db.system_transaction() as tx:
                user_id = await create_user(tx, email, "Mira", PASSWORD)
                await add_member(tx, tenant_id, user_id, role)
            browser = await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app),
                    base_url="http://testserver",
                    headers={"Origin": "http://testserver"},
                )
            )
            body = {"email": email, "password": PASSWORD}
            assert (await browser.post("/api/v1/auth/sign-in", json=body)).status_code == 200
            return browser

        yield open_browser
