"""The platform: super admins make tenants, limit and suspend them, and people move between theirs."""

import asyncio
import secrets
from typing import Any

import asyncpg
import httpx
import pytest
from tests.desk import Desk, eventually
from tests.identity.people import PASSWORD, Browse, Company, MakeCompany, MakePerson, Person

from frontdesk.core.callers import Role
from frontdesk.messaging import WEBHOOK_EVENT
from frontdesk.pipeline.answer import answer

TENANTS = "/api/v1/tenants"
SIGN_IN = "/api/v1/auth/sign-in"
NEW = {"name": "Nora", "role": "HUMAN_AGENT", "password": "nine silver trains wait"}


async def test_a_super_admin_makes_a_tenant_with_its_first_admin(
    browse: Browse, super_admin: Person
) -> None:
    platform = await browse(super_admin)
    slug = f"new-{secrets.token_hex(6)}"
    admin = {"email": f"boss@{slug}.example", "name": "Bo", "password": "nine silver trains wait"}
    body = {"name": "New Shop", "slug": slug, "plan": "small", "max_users": 2, "admin": admin}
    answer = await platform.post(TENANTS, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["status"], made["plan"], made["max_users"]) == ("ACTIVE", "small", 2)
    assert (await platform.get(f"{TENANTS}/{made['id']}")).json() == made
    again = await platform.post(TENANTS, json={**body, "admin": None})
    assert (again.status_code, again.json()["code"]) == (409, "slug_taken")

    browser = await browse()
    signed_in = await browser.post(
        SIGN_IN, json={"email": admin["email"], "password": admin["password"]}
    )
    assert (signed_in.status_code, signed_in.json()["role"]) == (200, "ADMIN")
    entries = (await browser.get("/api/v1/audit-entries?action=tenant.created")).json()["items"]
    assert [entry["user_id"] for entry in entries] == [str(super_admin.id)]


async def test_all_tenants_are_listed_in_pages(
    browse: Browse, super_admin: Person, make_company: MakeCompany
) -> None:
    companies = [await make_company() for _ in range(3)]
    platform = await browse(super_admin)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await platform.get(TENANTS, params={"limit": "100", **cursor})).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert {str(company.id) for company in companies} <= set(seen)
    assert len(seen) == len(set(seen))


async def test_only_super_admins_reach_the_platform(browse: Browse, company: Company) -> None:
    path = f"{TENANTS}/{company.id}"
    for person in (company.admin, company.human):
        browser = await browse(person)
        answers: list[httpx.Response] = [
            await browser.get(TENANTS),
            await browser.post(TENANTS, json={"name": "X", "slug": "x"}),
            await browser.get(path),
            await browser.patch(path, json={"plan": "huge"}),
            await browser.post(f"{path}/suspend", json={"reason": "x"}),
            await browser.post(f"{path}/resume"),
            await browser.post(f"{path}/act-as", json={"reason": "x"}),
            await browser.delete(f"{path}/act-as"),
            await browser.post("/api/v1/auth/switch", json={"platform": True}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 8 + [404]
    assert (await (await browse()).get(TENANTS)).status_code == 401


async def test_plan_and_limits_are_changed_and_taken_away(
    browse: Browse, super_admin: Person, company: Company
) -> None:
    platform = await browse(super_admin)
    path = f"{TENANTS}/{company.id}"
    changed = await platform.patch(path, json={"plan": "big", "max_agents": 4, "max_users": 9})
    assert (changed.json()["plan"], changed.json()["max_agents"]) == ("big", 4)
    cleared = (await platform.patch(path, json={"max_agents": None, "name": None})).json()
    assert (cleared["max_agents"], cleared["max_users"]) == (None, 9)
    assert cleared["name"] == "Green Leaf"
    for wrong in ({"id": str(company.id)}, {"slug": "x"}, {"status": "ACTIVE"}, {"max_users": -1}):
        assert (await platform.patch(path, json=wrong)).status_code == 422
    boss = await browse(company.admin)
    entries = (await boss.get("/api/v1/audit-entries?action=tenant.changed")).json()["items"]
    assert [entry["details"] for entry in entries] == [
        {"max_agents": None},
        {"plan": "big", "max_agents": 4, "max_users": 9},
    ]


async def test_a_tenant_that_is_not_there_is_not_found(browse: Browse, super_admin: Person) -> None:
    platform = await browse(super_admin)
    path = f"{TENANTS}/0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"
    answers = [
        await platform.get(path),
        await platform.patch(path, json={"plan": "x"}),
        await platform.post(f"{path}/suspend", json={"reason": "x"}),
        await platform.post(f"{path}/resume"),
        await platform.post(f"{path}/act-as", json={"reason": "x"}),
        await platform.delete(f"{path}/act-as"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6


async def limit(admin_sql: asyncpg.Connection, tenant: Any, **limits: int) -> None:
    for name, most in limits.items():
        await admin_sql.execute(f"UPDATE tenant SET {name} = $2 WHERE id = $1", tenant, most)


async def test_no_more_users_than_the_plan_allows_even_at_once(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    await limit(admin_sql, company.id, max_users=3)
    boss = await browse(company.admin)
    bodies = [{**NEW, "email": f"new-{n}-{company.slug}@example.com"} for n in range(3)]
    answers = await asyncio.gather(*(boss.post("/api/v1/users", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409).json()
    assert (refused["code"], refused["limit"]) == ("plan_limit_reached", 3)
    # A disabled member makes room, which they then lack when they are to come back.
    path = f"/api/v1/users/{company.human.id}"
    assert (await boss.patch(path, json={"disabled": True})).status_code == 200
    assert (await boss.post("/api/v1/users", json=bodies[0])).status_code in (201, 409)
    await limit(admin_sql, company.id, max_users=1)
    back = await boss.patch(path, json={"disabled": False})
    assert (back.status_code, back.json()["code"]) == (409, "plan_limit_reached")


async def test_no_more_agents_and_channels_than_the_plan_allows(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    await limit(admin_sql, desk.id, max_agents=1, max_channels=1)
    admin = await desk.admin()
    second = {"name": "Second", "config": {"company_name": "Lumen & Oak"}}
    agent = await admin.post("/agents", second, status=409)
    channel = await admin.post(
        "/channels",
        {
            "name": "Second",
            "agent_id": str(desk.agent_id),
            "phone_number_id": "900000000000001",
            "waba_id": "900000000000002",
            "display_phone_number": "+1 555 000 2222",
            "access_token": "EAAB-second",
        },
        status=409,
    )
    assert agent["code"] == channel["code"] == "plan_limit_reached"
    await limit(admin_sql, desk.id, max_agents=2)
    await admin.post("/agents", second, status=201)


async def test_a_suspended_tenant_is_silent_and_catches_up_when_it_is_resumed(
    desk: Desk, browse: Browse, super_admin: Person
) -> None:
    assert len(await desk.say("When are you open?")) == 1
    inside = await desk.ana()
    made = await (await desk.admin()).post(
        "/api-keys", {"name": "Export", "scopes": ["conversations:read"]}
    )
    program, key = await browse(), {"Authorization": f"Bearer {made['key']}"}
    assert (await program.get("/api/v1/conversations", headers=key)).status_code == 200
    platform = await browse(super_admin)
    path = f"{TENANTS}/{desk.id}"
    why = {"reason": "The invoice is unpaid."}
    assert (await platform.post(f"{path}/suspend", json=why)).json()["status"] == "SUSPENDED"

    assert (await inside.http.get("/api/v1/me")).status_code == 401
    assert (await program.get("/api/v1/conversations", headers=key)).status_code == 401
    outside = await browse()
    body = {"email": inside.email, "password": PASSWORD}
    assert (await outside.post(SIGN_IN, json=body)).status_code == 401
    # What contacts write is stored all the same, and nobody answers.
    assert len(await desk.say("How long does delivery take?")) == 1
    stored = await desk.sql("SELECT text FROM message WHERE author = 'contact' ORDER BY id")
    assert [row["text"] for row in stored][-1] == "How long does delivery take?"

    assert (await platform.post(f"{path}/resume")).json()["status"] == "ACTIVE"
    # A session of before stays ended; a key is good again.
    assert (await program.get("/api/v1/conversations", headers=key)).status_code == 200
    assert (await inside.http.get("/api/v1/me")).status_code == 401
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 2
    admin = await desk.admin()
    await admin.sign_in()
    entries = await admin.get("/audit-entries", subject_id=str(desk.id))
    assert [(entry["action"], entry["details"]) for entry in entries["items"]] == [
        ("tenant.resumed", {}),
        ("tenant.suspended", why),
    ]


async def test_the_ai_answers_no_more_at_once_than_the_plan_allows(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    await desk.say("When are you open?", number="4915550001")
    await limit(admin_sql, desk.id, max_conversations_at_once=1)
    # Another worker has one in hand.
    await admin_sql.execute(
        "UPDATE conversation SET lease_until = now() + interval '1 minute' WHERE tenant_id = $1",
        desk.id,
    )
    desk.phone("4915550002").say("How long does delivery take?")
    waiting = (
        "SELECT id, attempts FROM conversation "
        "WHERE due_at <= now() AND inbound_seq > handled_seq AND lease_until IS NULL"
    )

    async def came_due() -> Any:
        await desk.simulator.settle()
        assert desk.dispatcher is not None
        await desk.dispatcher.sweep(WEBHOOK_EVENT)
        return await desk.sql(waiting)

    (conversation,) = await eventually(came_due)
    await answer(desk.resources, desk.id, conversation["id"])
    assert [row["attempts"] for row in await desk.sql(waiting)] == [0]
    await admin_sql.execute(
        "UPDATE conversation SET lease_until = NULL WHERE id <> $1", conversation["id"]
    )
    await desk.work_until_idle()
    assert len(desk.phone("4915550002").replies) == 1


async def test_one_switches_between_ones_tenants_and_is_there_what_one_is_there(
    browse: Browse,
    make_company: MakeCompany,
    make_person: MakePerson,
    admin_sql: asyncpg.Connection,
) -> None:
    one, two, foreign = [await make_company() for _ in range(3)]
    person = await make_person(one.id, two.id)
    await admin_sql.execute(
        "UPDATE membership SET role = 'ADMIN' WHERE tenant_id = $1 AND user_id = $2",
        two.id,
        person.id,
    )
    browser = await browse(person, tenant=one.slug)
    before = browser.cookies["frontdesk"]
    mine = (await browser.get("/api/v1/me/tenants")).json()
    assert {item["tenant"]["slug"]: item["role"] for item in mine} == {
        one.slug: "HUMAN_AGENT",
        two.slug: "ADMIN",
    }
    for slug in (foreign.slug, "no-such-tenant"):
        answer = await browser.post("/api/v1/auth/switch", json={"tenant": slug})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await browser.post("/api/v1/auth/switch", json={"tenant": two.slug})
    assert (answer.status_code, answer.json()["role"]) == (200, "ADMIN")
    assert (await browser.get("/api/v1/me")).json()["tenant"]["slug"] == two.slug
    assert (await browser.get("/api/v1/audit-entries")).status_code == 200
    users = (await browser.get("/api/v1/users")).json()["items"]
    assert str(two.admin.id) in {user["id"] for user in users}
    assert str(one.admin.id) not in {user["id"] for user in users}
    # The session in the first tenant is over.
    browser.cookies.clear()
    browser.cookies.set("frontdesk", before)
    assert (await browser.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("body", [{}, {"tenant": "a", "platform": True}, {"tenant_id": "x"}])
async def test_a_switch_says_where_to(browse: Browse, company: Company, body: Any) -> None:
    browser = await browse(company.human)
    assert (await browser.post("/api/v1/auth/switch", json=body)).status_code == 422


async def test_a_super_admin_who_belongs_somewhere_says_where_to_sign_in(
    browse: Browse, company: Company, make_person: MakePerson
) -> None:
    person = await make_person(company.id, role=Role.ADMIN, is_super_admin=True)
    browser = await browse(person)
    assert (await browser.get("/api/v1/me")).json()["role"] == "ADMIN"
    assert (await browser.get(TENANTS)).status_code == 403
    answer = await browser.post("/api/v1/auth/switch", json={"platform": True})
    assert (answer.json()["role"], answer.json()["tenant"]) == ("SUPER_ADMIN", None)
    assert (await browser.get(TENANTS)).status_code == 200
    assert (await (await browse(person, platform=True)).get(TENANTS)).status_code == 200
    assert (await (await browse(person, tenant=company.slug)).get(TENANTS)).status_code == 403
