"""People with accounts, and browsers of theirs."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from tests.identity.people import PASSWORD, Browse, Company, MakeCompany, MakePerson, Person

from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.identity import add_member, create_tenant, create_user


@pytest.fixture
def make_person(resources: Resources) -> MakePerson:
    """Makes an account, as a member of the given tenants."""

    async def make(
        *tenants: UUID,
        role: Role = Role.HUMAN_AGENT,
        name: str = "Mira",
        is_super_admin: bool = False,
    ) -> Person:
        email = f"{name.lower()}-{secrets.token_hex(6)}@example.com"
        async with resources.db.system_transaction() as tx:
            user_id = await create_user(tx, email, name, PASSWORD, is_super_admin=is_super_admin)
            for tenant_id in tenants:
                await add_member(tx, tenant_id, user_id, role)
        return Person(user_id, email, name)

    return make


@pytest.fixture
def make_company(resources: Resources, make_person: MakePerson) -> MakeCompany:
    """Makes a tenant with its people."""

    async def make() -> Company:
        slug = f"green-leaf-{secrets.token_hex(6)}"
        async with resources.db.system_transaction() as tx:
            tenant = await create_tenant(tx, "Green Leaf", slug)
        return Company(
            id=tenant.id,
            slug=slug,
            admin=await make_person(tenant.id, role=Role.ADMIN, name="Ada"),
            human=await make_person(tenant.id, name="Hugo"),
        )

    return make


@pytest.fixture
async def company(make_company: MakeCompany) -> Company:
    """A fresh tenant."""
    return await make_company()


@pytest.fixture
async def super_admin(make_person: MakePerson) -> Person:
    """Someone who looks after the platform and belongs to no tenant."""
    return await make_person(name="Sue", is_super_admin=True)


@pytest.fixture
async def browse(app: FastAPI) -> AsyncIterator[Browse]:
    """Opens a browser at an address of its own, signed in when given somebody."""
    async with AsyncExitStack() as stack:

        async def open_browser(person: Person | None = None, **sign_in: Any) -> httpx.AsyncClient:
            host = ".".join(["10", *(str(number) for number in secrets.token_bytes(3))])
            browser = await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app, client=(host, 50_000)),
                    base_url="http://testserver",
                    headers={"Origin": "http://testserver"},
                )
            )
            if person is not None:
                body = {"email": person.email, "password": PASSWORD, **sign_in}
                answer = await browser.post("/api/v1/auth/sign-in", json=body)
                assert answer.status_code == 200, answer.text
            return browser

        yield open_browser
