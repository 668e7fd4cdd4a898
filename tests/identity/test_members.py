"""The members of a tenant: letting people in, changing what they may do, and keeping an admin."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from tests.identity.people import PASSWORD, Browse, Company, MakeCompany, MakePerson

from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Transaction
from frontdesk.core.events import Event
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings
from frontdesk.identity import (
    EmailTaken,
    LastAdmin,
    MemberDisabled,
    RoleChanged,
    SlugTaken,
    WeakPassword,
    create_tenant,
    create_user,
    get_user_names,
)
from frontdesk.identity import members as service
from frontdesk.identity.schemas import MemberUpdate

NEW = {
    "name": "Nora",
    "role": "HUMAN_AGENT",
    "password": "nine silver trains wait",
}


async def test_an_admin_lets_somebody_in(browse: Browse, company: Company) -> None:
    boss = await browse(company.admin)
    email = f"Nora.{company.slug}@Example.com"
    answer = await boss.post("/api/v1/users", json={**NEW, "email": f" {email} "})
    assert answer.status_code == 201
    assert answer.json()["email"] == email.lower()
    assert set(answer.json()) == {"id", "email", "name", "role", "disabled", "member_since"}
    newcomer = await browse()
    signed_in = await newcomer.post(
        "/api/v1/auth/sign-in", json={"email": email, "password": NEW["password"]}
    )
    assert (signed_in.status_code, signed_in.json()["role"]) == (200, "HUMAN_AGENT")
    entries = (await boss.get("/api/v1/audit-entries?action=member.added")).json()["items"]
    assert [(item["user_id"], item["subject_id"]) for item in entries] == [
        (str(company.admin.id), answer.json()["id"])
    ]


async def test_someone_with_an_account_keeps_it_and_nothing_tells(
    browse: Browse, make_company: MakeCompany, resources: Resources
) -> None:
    theirs, ours = await make_company(), await make_company()
    boss = await browse(ours.admin)
    known = await boss.post("/api/v1/users", json={**NEW, "email": theirs.human.email})
    fresh = await boss.post("/api/v1/users", json={**NEW, "email": f"{ours.slug}@example.com"})
    assert known.status_code == fresh.status_code == 201
    assert set(known.json()) == set(fresh.json())
    assert known.json()["name"] == NEW["name"]
    # Nor does the list, afterwards: what they call themselves elsewhere is not this tenant's.
    listed = (await boss.get("/api/v1/users")).json()["items"]
    assert sorted(user["name"] for user in listed) == ["Ada", "Hugo", "Nora", "Nora"]
    async with resources.db.hot(ours.id) as tx:
        user_id = UUID(known.json()["id"])
        assert await get_user_names(tx, [user_id]) == {user_id: "Nora"}
    # Their own password still works, in both tenants, and the one we made up does not.
    await browse(theirs.human, tenant=theirs.slug)
    await browse(theirs.human, tenant=ours.slug)
    guess = {"email": theirs.human.email, "password": NEW["password"]}
    outsider = await browse()
    assert (await outsider.post("/api/v1/auth/sign-in", json=guess)).status_code == 401


async def test_a_member_can_not_be_added_twice(browse: Browse, company: Company) -> None:
    boss = await browse(company.admin)
    answer = await boss.post("/api/v1/users", json={**NEW, "email": company.human.email})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_member")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "short"}, "weak_password"),
        ({"password": "qwertyuiop123"}, "weak_password"),
        ({"role": "SUPER_ADMIN"}, "invalid"),
        ({"email": "nobody"}, "invalid"),
        ({"name": " \x00 "}, "invalid"),
        ({"tenant_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"}, "invalid"),
        ({"id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"}, "invalid"),
        ({"is_super_admin": True}, "invalid"),
    ],
)
async def test_a_member_is_not_added_against_the_rules(
    browse: Browse, company: Company, change: dict[str, Any], code: str
) -> None:
    boss = await browse(company.admin)
    body = {**NEW, "email": f"new-{company.slug}@example.com", **change}
    answer = await boss.post("/api/v1/users", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert len((await boss.get("/api/v1/users")).json()["items"]) == 2


async def test_human_agents_see_their_colleagues_and_change_nothing(
    browse: Browse, company: Company
) -> None:
    browser = await browse(company.human)
    assert len((await browser.get("/api/v1/users")).json()["items"]) == 2
    answers: list[httpx.Response] = [
        await browser.post("/api/v1/users", json={**NEW, "email": "new@example.com"}),
        await browser.patch(f"/api/v1/users/{company.human.id}", json={"role": "ADMIN"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]


async def test_members_come_in_pages_by_name(
    browse: Browse, company: Company, make_person: MakePerson
) -> None:
    for name in ("Zoe", "Bea", "Bea"):
        await make_person(company.id, name=name)
    browser = await browse(company.human)
    names, path = [], "/api/v1/users?limit=2"
    for _ in range(3):
        page = (await browser.get(path)).json()
        names += [item["name"] for item in page["items"]]
        path = f"/api/v1/users?limit=2&cursor={page['next_cursor']}"
    assert names == ["Ada", "Bea", "Bea", "Hugo", "Zoe"]
    assert page["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhIiwgImIiXQ", "WyJcdTAwMDAiLCAiYiJd", "%00"])
async def test_a_cursor_that_is_not_ours_is_refused(
    browse: Browse, company: Company, cursor: str
) -> None:
    browser = await browse(company.human)
    answer = await browser.get(f"/api/v1/users?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_people_of_other_tenants_do_not_exist(
    browse: Browse, make_company: MakeCompany, resources: Resources
) -> None:
    ours, theirs = await make_company(), await make_company()
    boss = await browse(ours.admin)
    path = f"/api/v1/users/{theirs.human.id}"
    missing = await boss.get("/api/v1/users/0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001")
    for answer in (await boss.get(path), await boss.patch(path, json={"disabled": True})):
        assert answer.status_code == missing.status_code == 404
        assert answer.json()["code"] == missing.json()["code"]
    assert (await (await browse(theirs.human)).get("/api/v1/me")).status_code == 200
    async with resources.db.hot(ours.id) as tx:
        names = await get_user_names(tx, [ours.human.id, theirs.human.id])
    assert names == {ours.human.id: "Hugo"}


async def test_the_application_may_not_read_password_hashes(
    resources: Resources, company: Company
) -> None:
    for statement in (
        "SELECT password_hash FROM app_user",
        "UPDATE app_user SET name = 'x'",
        "SELECT * FROM user_session",
        "SELECT * FROM login_throttle",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with resources.db.hot(company.id) as tx:
                await tx.sql.execute(statement)


@pytest.mark.parametrize("change", [{"role": "HUMAN_AGENT"}, {"disabled": True}])
async def test_the_last_admin_stays_one(
    browse: Browse, company: Company, change: dict[str, Any]
) -> None:
    boss = await browse(company.admin)
    answer = await boss.patch(f"/api/v1/users/{company.admin.id}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await boss.get("/api/v1/me")).json()["role"] == "ADMIN"


async def test_an_admin_who_can_not_sign_in_does_not_count_as_one(
    browse: Browse, company: Company, make_person: MakePerson, admin_sql: asyncpg.Connection
) -> None:
    gone = await make_person(company.id, role=Role.ADMIN)
    await admin_sql.execute("UPDATE app_user SET disabled_at = now() WHERE id = $1", gone.id)
    boss = await browse(company.admin)
    answer = await boss.patch(f"/api/v1/users/{company.admin.id}", json={"role": "HUMAN_AGENT"})
    assert answer.json()["code"] == "last_admin"


async def test_two_admins_who_demote_each_other_leave_one(
    resources: Resources, company: Company, make_person: MakePerson
) -> None:
    second = await make_person(company.id, role=Role.ADMIN)
    change = MemberUpdate(role=Role.HUMAN_AGENT)
    first_has_changed = asyncio.Event()

    async def demote(user_id: UUID, by: UUID) -> None:
        who = Principal(by, company.id, Role.ADMIN, UUID(int=1), "request-1")
        async with resources.db.transaction(company.id) as session:
            await service.update_member(
                session, resources, user_id, change, by=who, now=datetime.now(UTC)
            )
            first_has_changed.set()
            await asyncio.sleep(0.2)

    async def demote_meanwhile(user_id: UUID, by: UUID) -> None:
        await first_has_changed.wait()
        with pytest.raises(LastAdmin):
            await demote(user_id, by)

    await asyncio.gather(
        demote(second.id, company.admin.id), demote_meanwhile(company.admin.id, second.id)
    )


async def test_a_change_says_something_and_names_only_what_may_change(
    browse: Browse, company: Company
) -> None:
    boss = await browse(company.admin)
    for body in ({}, {"role": None}, {"email": "x@example.com"}, {"role": "OWNER"}):
        answer = await boss.patch(f"/api/v1/users/{company.human.id}", json=body)
        assert answer.status_code == 422
    assert (await boss.patch("/api/v1/users/me", json={"disabled": True})).status_code == 422


async def test_changes_are_told_to_other_contexts_and_written_down(
    settings: Settings, company: Company, browse: Browse
) -> None:
    heard: list[Event] = []

    async def hear(tx: Transaction, event: Event) -> None:
        heard.append(event)

    by = Principal(company.admin.id, company.id, Role.ADMIN, UUID(int=1), "request-1")
    change = MemberUpdate(role=Role.ADMIN, disabled=True)
    now = datetime.now(UTC)
    async with open_resources(settings, {MemberDisabled: [hear], RoleChanged: [hear]}) as opened:
        for _ in range(2):  # The second time nothing changes, so nothing is told.
            async with opened.db.transaction(company.id) as session:
                await service.update_member(
                    session, opened, company.human.id, change, by=by, now=now
                )
    assert heard == [
        RoleChanged(tenant_id=company.id, user_id=company.human.id, role=Role.ADMIN),
        MemberDisabled(tenant_id=company.id, user_id=company.human.id),
    ]
    boss = await browse(company.admin)
    entries = (await boss.get(f"/api/v1/audit-entries?subject_id={company.human.id}")).json()
    assert [(item["action"], item["details"]) for item in entries["items"]] == [
        ("member.disabled", {}),
        ("member.role_changed", {"from": "HUMAN_AGENT", "to": "ADMIN"}),
    ]


async def test_emails_and_slugs_are_taken_once(resources: Resources, company: Company) -> None:
    with pytest.raises(EmailTaken):
        async with resources.db.system_transaction() as tx:
            await create_user(tx, company.admin.email.upper(), "Someone", PASSWORD)
    with pytest.raises(WeakPassword):
        async with resources.db.system_transaction() as tx:
            await create_user(tx, "someone@example.com", "Someone", "short")
    with pytest.raises(SlugTaken):
        async with resources.db.system_transaction() as tx:
            await create_tenant(tx, "Another", company.slug)
