"""A super admin in a tenant: not by default, with a reason, for a while, and for the tenant to see."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import pytest
from tests.identity.people import Browse, Company, MakeCompany, Person

from frontdesk.core.callers import Principal, Role
from frontdesk.core.errors import Unauthenticated
from frontdesk.core.resources import Resources
from frontdesk.identity import recheck
from frontdesk.identity.live_sessions import LiveSessions

WHY = {"reason": "Ticket 311", "minutes": 20}


def way_in(company: Company) -> str:
    return f"/api/v1/tenants/{company.id}/act-as"


def acting_session(browser: httpx.AsyncClient) -> str:
    claims = jwt.decode(browser.cookies["frontdesk"], options={"verify_signature": False})
    return str(claims["sid"])


async def entries_of(browser: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await browser.get("/api/v1/audit-entries", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_super_admin_sees_no_tenants_data_by_default(
    browse: Browse, super_admin: Person, company: Company
) -> None:
    platform = await browse(super_admin)
    for path in ("users", "conversations", "audit-entries", "agents", f"users/{company.human.id}"):
        answer = await platform.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "act_first"), path
    me = (await platform.get("/api/v1/me")).json()
    assert (me["role"], me["tenant"], me["acting_until"]) == ("SUPER_ADMIN", None, None)


async def test_acting_lets_a_super_admin_into_one_tenant_and_the_tenant_sees_it(
    browse: Browse, super_admin: Person, make_company: MakeCompany
) -> None:
    ours, other = await make_company(), await make_company()
    platform, boss = await browse(super_admin), await browse(ours.admin)
    answer = await platform.post(way_in(ours), json=WHY)
    assert answer.status_code == 201, answer.text
    acting = answer.json()
    me = (await platform.get("/api/v1/me")).json()
    assert (me["tenant"]["slug"], me["acting_until"]) == (ours.slug, acting["expires_at"])
    users = (await platform.get("/api/v1/users")).json()["items"]
    assert {user["id"] for user in users} == {str(ours.admin.id), str(ours.human.id)}
    assert (await platform.get(f"/api/v1/users/{other.human.id}")).status_code == 404

    path = f"/api/v1/users/{ours.human.id}"
    assert (await platform.patch(path, json={"role": "ADMIN"})).status_code == 200
    assert (await boss.patch(path, json={"role": "HUMAN_AGENT"})).status_code == 200
    changes = await entries_of(boss, action="member.role_changed")
    assert [(entry["user_id"], entry["acting_id"]) for entry in changes] == [
        (str(ours.admin.id), None),
        (str(super_admin.id), acting["id"]),
    ]
    (entered,) = await entries_of(boss, action="tenant.entered")
    assert entered["details"] == {
        "name": super_admin.name,
        "email": super_admin.email,
        "reason": WHY["reason"],
        "until": entered["details"]["until"],
    }
    assert await entries_of(await browse(other.admin), action="tenant.entered") == []


async def test_nothing_of_it_outlasts_its_time(
    browse: Browse, super_admin: Person, company: Company
) -> None:
    platform = await browse(super_admin)
    await platform.post(way_in(company), json=WHY)
    newcomer = {"name": "Sue", "role": "ADMIN", "password": "nine silver trains wait"}
    conversation = "/api/v1/conversations/0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"
    answers = [
        await platform.post("/api/v1/users", json={**newcomer, "email": super_admin.email}),
        await platform.put("/api/v1/me/availability", json={"presence": "online"}),
        await platform.post(f"{conversation}/take-over"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "forbidden")
    ] * 3
    assert (await platform.get("/api/v1/me/tenants")).json() == []


async def test_leaving_ends_it_at_once(
    browse: Browse, super_admin: Person, company: Company
) -> None:
    platform, boss = await browse(super_admin), await browse(company.admin)
    await platform.post(way_in(company), json=WHY)
    assert (await platform.get("/api/v1/users")).status_code == 200
    assert (await platform.delete(way_in(company))).status_code == 204
    assert (await platform.get("/api/v1/users")).status_code == 403
    assert (await platform.delete(way_in(company))).status_code == 404
    assert len(await entries_of(boss, action="tenant.left")) == 1


async def test_it_ends_by_itself_and_ends_its_streams(
    browse: Browse,
    super_admin: Person,
    company: Company,
    resources: Resources,
    admin_sql: asyncpg.Connection,
) -> None:
    platform = await browse(super_admin)
    acting = (await platform.post(way_in(company), json=WHY)).json()
    assert (await platform.get("/api/v1/users")).status_code == 200
    sessions = resources.keep(LiveSessions)
    session_id = UUID(acting_session(platform))
    streaming = Principal(
        super_admin.id, company.id, Role.ADMIN, session_id, "request-1", UUID(acting["id"])
    )
    assert await recheck(resources, streaming) == streaming
    await admin_sql.execute(
        "UPDATE acting SET expires_at = now() WHERE id = $1", UUID(acting["id"])
    )
    sessions.forget(session_id)
    assert (await platform.get("/api/v1/users")).status_code == 403
    with pytest.raises(Unauthenticated):
        await recheck(resources, streaming)
    assert (await platform.get("/api/v1/tenants")).status_code == 200


async def test_a_session_acts_in_one_tenant_at_a_time(
    browse: Browse, super_admin: Person, make_company: MakeCompany
) -> None:
    one, two = await make_company(), await make_company()
    platform = await browse(super_admin)
    elsewhere = await browse(super_admin)
    await platform.post(way_in(one), json=WHY)
    await platform.post(way_in(two), json=WHY)
    assert (await platform.get("/api/v1/me")).json()["tenant"]["slug"] == two.slug
    assert len(await entries_of(await browse(one.admin), action="tenant.left")) == 1
    # Another session of theirs is where it was: nowhere.
    assert (await elsewhere.get("/api/v1/users")).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": " "},
        {"reason": "x", "minutes": 61},
        {"reason": "x", "minutes": 0},
        {"reason": "x", "tenant_id": "y"},
    ],
)
async def test_it_takes_a_reason_and_an_hour_at_most(
    browse: Browse, super_admin: Person, company: Company, body: dict[str, Any]
) -> None:
    platform = await browse(super_admin)
    assert (await platform.post(way_in(company), json=body)).status_code == 422


async def test_the_application_may_not_let_anybody_in_nor_change_a_plan(
    resources: Resources, company: Company
) -> None:
    for statement in (
        "UPDATE tenant SET max_users = NULL",
        "UPDATE acting SET expires_at = now()",
        "DELETE FROM acting",
        "INSERT INTO acting (id, user_id, session_id, reason, expires_at) "
        "VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x', now())",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with resources.db.hot(company.id) as tx:
                await tx.sql.execute(statement)


async def test_who_is_no_super_admin_any_more_is_out(
    browse: Browse,
    super_admin: Person,
    company: Company,
    resources: Resources,
    admin_sql: asyncpg.Connection,
) -> None:
    platform = await browse(super_admin)
    await platform.post(way_in(company), json=WHY)
    await admin_sql.execute(
        "UPDATE app_user SET is_super_admin = false WHERE id = $1", super_admin.id
    )
    resources.keep(LiveSessions).forget_user(super_admin.id)
    assert (await platform.get("/api/v1/users")).status_code == 401
    assert (await platform.get("/api/v1/tenants")).status_code == 401
