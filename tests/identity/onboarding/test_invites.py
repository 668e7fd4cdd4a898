"""Invites: asked in by e-mail, let in once, and nobody's account is given away."""

import asyncio
from uuid import UUID

import asyncpg
import httpx
import pytest
from tests.identity.onboarding.mailbox import Post
from tests.identity.people import PASSWORD, Browse, Company, MakeCompany, MakePerson

from frontdesk.core.resources import Resources

INVITES = "/api/v1/invites"
NEW = {"name": "Nora", "password": "nine silver trains wait"}


async def _invite(boss: httpx.AsyncClient, email: str, role: str = "HUMAN_AGENT") -> str:
    answer = await boss.post(INVITES, json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _accept(browser: httpx.AsyncClient, token: str, **body: str) -> httpx.Response:
    return await browser.post(f"{INVITES}/accept", json={"token": token, **body})


async def test_somebody_new_accepts_with_a_name_and_a_password(
    browse: Browse, company: Company, post: Post
) -> None:
    boss, email = await browse(company.admin), f"nora@{company.slug}.example"
    await _invite(boss, f" {email.upper()} ")
    (mail,) = await post.to(email)
    assert mail["Subject"] == "Ada invites you to Green Leaf on Frontdesk"
    assert "as a human agent" in mail.get_content()
    assert "http://testserver/accept-invite#token=" in mail.get_content()
    token = await post.token_for(email)
    newcomer = await browse()
    offer = (await newcomer.post(f"{INVITES}/open", json={"token": token})).json()
    assert (offer["tenant"], offer["email"]) == ("Green Leaf", email)
    assert offer["has_account"] is False
    accepted = await _accept(newcomer, token, **NEW)
    assert accepted.json() == {"tenant": company.slug, "email": email, "role": "HUMAN_AGENT"}
    signed_in = await newcomer.post(
        "/api/v1/auth/sign-in", json={"email": email, "password": NEW["password"]}
    )
    assert (signed_in.status_code, signed_in.json()["name"]) == (200, "Nora")
    (listed,) = (await boss.get(INVITES)).json()["items"]
    assert (listed["state"], listed["delivery"]) == ("accepted", "sent")
    entries = (await boss.get("/api/v1/audit-entries?limit=100")).json()["items"]
    assert {"invite.created", "invite.accepted"} <= {item["action"] for item in entries}


async def test_an_account_joins_with_its_own_password_and_the_inviter_is_not_told(
    browse: Browse, make_company: MakeCompany, post: Post
) -> None:
    theirs, ours = await make_company(), await make_company()
    boss, email = await browse(ours.admin), theirs.human.email
    answers = [
        (await boss.post(INVITES, json={"email": address, "role": "ADMIN"})).json()
        for address in (email, f"nobody@{ours.slug}.example")
    ]
    varying = ("id", "email", "created_at", "expires_at")
    known, unknown = (
        {key: value for key, value in answer.items() if key not in varying} for answer in answers
    )
    assert known == unknown
    token = await post.token_for(email)
    browser = await browse()
    offer = (await browser.post(f"{INVITES}/open", json={"token": token})).json()
    assert offer["has_account"] is True
    wrong = await _accept(browser, token, name="Mallory", password="not their password")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert (await _accept(browser, token, password=PASSWORD)).status_code == 200
    me = (await (await browse(theirs.human, tenant=ours.slug)).get("/api/v1/me")).json()
    assert (me["name"], me["role"]) == ("Hugo", "ADMIN")


async def test_of_two_who_accept_at_once_one_is_let_in(
    browse: Browse, company: Company, post: Post
) -> None:
    boss, email = await browse(company.admin), f"nora@{company.slug}.example"
    await _invite(boss, email)
    token = await post.token_for(email)
    browsers = [await browse() for _ in range(4)]
    answers = await asyncio.gather(*(_accept(browser, token, **NEW) for browser in browsers))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert len((await boss.get("/api/v1/users")).json()["items"]) == 3
    again = await _accept(browsers[0], token, password=NEW["password"])
    assert (again.status_code, again.json()["code"]) == (404, "link_not_found")


async def test_a_link_is_good_for_three_days_and_known_by_its_hash_only(
    browse: Browse, company: Company, post: Post, admin_sql: asyncpg.Connection
) -> None:
    boss, email = await browse(company.admin), f"nora@{company.slug}.example"
    invite_id = UUID(await _invite(boss, email))
    token = await post.token_for(email)
    assert len(token) >= 43  # 256 bits in base64.
    row = await admin_sql.fetchrow("SELECT * FROM invite WHERE id = $1", invite_id)
    assert (row["expires_at"] - row["created_at"]).total_seconds() == pytest.approx(
        72 * 3600, abs=60
    )
    assert token not in str(dict(row))
    assert (
        await admin_sql.fetchval("SELECT count(*) FROM outgoing_mail WHERE address = $1", email)
        == 0
    )
    await admin_sql.execute("UPDATE invite SET expires_at = now() WHERE id = $1", invite_id)
    browser = await browse()
    assert (await _accept(browser, token, **NEW)).status_code == 404
    assert (await boss.get(INVITES)).json()["items"][0]["state"] == "expired"
    # An expired invite is in nobody's way.
    await _invite(boss, email)
    assert [item["state"] for item in (await boss.get(INVITES)).json()["items"]] == [
        "pending",
        "revoked",
    ]


async def test_an_invite_sent_again_has_another_link_and_a_revoked_one_none(
    browse: Browse, company: Company, post: Post
) -> None:
    boss, email = await browse(company.admin), f"nora@{company.slug}.example"
    invite_id = await _invite(boss, email)
    first = await post.token_for(email)
    twice = await boss.post(INVITES, json={"email": email, "role": "ADMIN"})
    assert (twice.status_code, twice.json()["code"]) == (409, "already_invited")
    assert (await boss.post(f"{INVITES}/{invite_id}/resend")).json()["delivery"] == "queued"
    second = await post.token_for(email)
    browser = await browse()
    assert first != second
    assert (await browser.post(f"{INVITES}/open", json={"token": first})).status_code == 404
    assert (await browser.post(f"{INVITES}/open", json={"token": second})).status_code == 200
    for _ in range(2):
        assert (await boss.delete(f"{INVITES}/{invite_id}")).status_code == 204
    assert (await _accept(browser, second, **NEW)).status_code == 404
    closed = await boss.post(f"{INVITES}/{invite_id}/resend")
    assert (closed.status_code, closed.json()["code"]) == (409, "invite_closed")


async def test_a_weak_password_or_a_missing_name_leaves_the_link_good(
    browse: Browse, company: Company, post: Post
) -> None:
    boss, email = await browse(company.admin), f"nora@{company.slug}.example"
    await _invite(boss, email)
    token, browser = await post.token_for(email), await browse()
    weak = await _accept(browser, token, name="Nora", password="qwertyuiop123")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    nameless = await _accept(browser, token, password=NEW["password"])
    assert (nameless.status_code, nameless.json()["code"]) == (422, "invalid")
    assert (await _accept(browser, token, **NEW)).status_code == 200


async def test_members_are_not_invited_and_plans_are_kept(
    browse: Browse, company: Company, post: Post, admin_sql: asyncpg.Connection
) -> None:
    boss, email = await browse(company.admin), f"nora@{company.slug}.example"
    member = await boss.post(INVITES, json={"email": company.human.email, "role": "ADMIN"})
    assert (member.status_code, member.json()["code"]) == (409, "already_member")
    await _invite(boss, email)
    token = await post.token_for(email)
    await admin_sql.execute("UPDATE tenant SET max_users = 2 WHERE id = $1", company.id)
    other = await boss.post(INVITES, json={"email": f"x{email}", "role": "ADMIN"})
    full = await _accept(await browse(), token, **NEW)
    assert [other.json()["code"], full.json()["code"]] == ["plan_limit_reached"] * 2
    assert len((await boss.get("/api/v1/users")).json()["items"]) == 2


async def test_only_admins_of_the_tenant_see_and_touch_its_invites(
    browse: Browse, make_company: MakeCompany
) -> None:
    ours, theirs = await make_company(), await make_company()
    boss, stranger, human = (
        await browse(ours.admin),
        await browse(theirs.admin),
        await browse(ours.human),
    )
    invite_id = await _invite(boss, f"nora@{ours.slug}.example")
    assert (await stranger.get(INVITES)).json()["items"] == []
    for answer in (
        await stranger.post(f"{INVITES}/{invite_id}/resend"),
        await stranger.delete(f"{INVITES}/{invite_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for answer in (
        await human.get(INVITES),
        await human.post(INVITES, json={"email": "x@example.com", "role": "ADMIN"}),
        await human.delete(f"{INVITES}/{invite_id}"),
    ):
        assert answer.status_code == 403
    assert (await boss.get(INVITES)).json()["items"][0]["state"] == "pending"
    for change in ({"role": "SUPER_ADMIN"}, {"tenant_id": str(theirs.id)}, {"email": "nobody"}):
        body = {"email": "x@example.com", "role": "ADMIN", **change}
        assert (await boss.post(INVITES, json=body)).status_code == 422


async def test_a_tenant_does_not_write_to_strangers_without_end(
    browse: Browse, company: Company, resources: Resources
) -> None:
    boss = await browse(company.admin)
    codes = [
        (
            await boss.post(
                INVITES, json={"email": f"n{number}@{company.slug}.example", "role": "ADMIN"}
            )
        ).status_code
        for number in range(31)
    ]
    assert codes == [201] * 30 + [429]


async def test_a_disabled_account_is_not_let_in_by_a_link(
    browse: Browse,
    company: Company,
    make_person: MakePerson,
    post: Post,
    admin_sql: asyncpg.Connection,
) -> None:
    boss, gone = await browse(company.admin), await make_person()
    await _invite(boss, gone.email)
    token = await post.token_for(gone.email)
    await admin_sql.execute("UPDATE app_user SET disabled_at = now() WHERE id = $1", gone.id)
    answer = await _accept(await browse(), token, password=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
