"""Signing in: the cookie, one answer for every mistake, and the brake on guessing."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import asyncpg
import httpx
import pytest
from pwdlib import PasswordHash
from pydantic import SecretStr
from tests.conftest import app_on
from tests.identity.people import (
    PASSWORD,
    Browse,
    Company,
    MakeCompany,
    MakePerson,
    hold_brake,
    release_brake,
)

from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings
from frontdesk.identity import passwords
from frontdesk.identity.throttle import keys_of
from frontdesk.subscriptions import SUBSCRIPTIONS

SIGN_IN = "/api/v1/auth/sign-in"


async def test_signing_in_sets_a_cookie_no_script_can_read_and_tells_who_one_is(
    browse: Browse, company: Company
) -> None:
    browser = await browse()
    answer = await browser.post(SIGN_IN, json={"email": company.admin.email, "password": PASSWORD})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("frontdesk=")
    for flag in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=900"):
        assert flag in cookie
    assert answer.json() == {
        "id": str(company.admin.id),
        "email": company.admin.email,
        "name": "Ada",
        "role": "ADMIN",
        "tenant": {"id": str(company.id), "name": "Green Leaf", "slug": company.slug},
        "acting_until": None,
    }
    assert answer.headers["cache-control"] == "no-store"
    me = await browser.get("/api/v1/me")
    assert me.json() == answer.json()


async def test_the_cookie_is_bound_to_the_host_and_to_https(
    settings: Settings, resources: Resources, company: Company
) -> None:
    web = settings.web.model_copy(
        update={"insecure_cookies": False, "public_url": "https://desk.example.com"}
    )
    secure = settings.model_copy(update={"web": web})
    app = app_on(replace(resources, settings=secure))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://desk.example.com",
        headers={"Origin": "https://desk.example.com"},
    ) as browser:
        answer = await browser.post(
            SIGN_IN, json={"email": company.admin.email, "password": PASSWORD}
        )
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-frontdesk=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert (await browser.get("/api/v1/me")).status_code == 200


async def test_every_mistake_gets_the_same_answer(
    browse: Browse, company: Company, make_person: MakePerson, admin_sql: asyncpg.Connection
) -> None:
    belongs_nowhere = await make_person()
    barred = await make_person(company.id)
    await admin_sql.execute(
        "UPDATE membership SET disabled_at = now() WHERE user_id = $1", barred.id
    )
    gone = await make_person(company.id)
    await admin_sql.execute("UPDATE app_user SET disabled_at = now() WHERE id = $1", gone.id)
    browser = await browse()
    answers = []
    for body in (
        {"email": company.admin.email, "password": "wrong wrong wrong"},
        {"email": f"nobody-{company.slug}@example.com", "password": PASSWORD},
        {"email": belongs_nowhere.email, "password": PASSWORD},
        {"email": barred.email, "password": PASSWORD},
        {"email": gone.email, "password": PASSWORD},
        {"email": company.admin.email, "password": PASSWORD, "tenant": "another-tenant"},
    ):
        answer = await browser.post(SIGN_IN, json=body)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        answers.append({**answer.json(), "request_id": ""})
    assert answers[0]["code"] == "wrong_credentials"
    assert all(answer == answers[0] for answer in answers)


async def test_an_unknown_account_takes_as_long_as_a_known_one(
    browse: Browse,
    make_company: MakeCompany,
    monkeypatch: pytest.MonkeyPatch,
    honest_hasher: PasswordHash,
) -> None:
    """All that takes long is a comparison with a hash: one each, of the same parameters."""
    compared: list[str] = []
    compare = honest_hasher.verify_and_update

    def watched(password: str, stored: str) -> tuple[bool, str | None]:
        compared.append(stored.rpartition("$")[0].rpartition("$")[0])
        return compare(password, stored)

    monkeypatch.setattr(passwords, "_HASHER", honest_hasher)
    monkeypatch.setattr(honest_hasher, "verify_and_update", watched)
    passwords._nobodys_hash.cache_clear()
    company = await make_company()
    browser = await browse()
    for email in (company.admin.email, f"nobody-{company.slug}@example.com"):
        await browser.post(SIGN_IN, json={"email": email, "password": "wrong wrong wrong"})
    assert compared == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2
    passwords._nobodys_hash.cache_clear()


async def test_who_belongs_to_several_tenants_says_which(
    browse: Browse, make_company: MakeCompany, make_person: MakePerson
) -> None:
    one, two, foreign = [await make_company() for _ in range(3)]
    person = await make_person(one.id, two.id)
    browser = await browse()
    body = {"email": person.email, "password": PASSWORD}
    answer = await browser.post(SIGN_IN, json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "choose_tenant"
    assert {item["slug"] for item in answer.json()["tenants"]} == {one.slug, two.slug}
    answer = await browser.post(SIGN_IN, json={**body, "tenant": two.slug})
    assert answer.json()["tenant"]["slug"] == two.slug
    answer = await browser.post(SIGN_IN, json={**body, "tenant": foreign.slug})
    assert answer.status_code == 401


async def test_only_the_right_password_is_told_about_tenants(
    browse: Browse, make_company: MakeCompany, make_person: MakePerson
) -> None:
    person = await make_person((await make_company()).id, (await make_company()).id)
    browser = await browse()
    answer = await browser.post(SIGN_IN, json={"email": person.email, "password": "wrong" * 4})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")


async def test_a_suspended_tenant_lets_nobody_in_and_puts_everybody_out(
    browse: Browse, company: Company, resources: Resources, admin_sql: asyncpg.Connection
) -> None:
    inside = await browse(company.human)
    await admin_sql.execute("UPDATE tenant SET status = 'SUSPENDED' WHERE id = $1", company.id)
    outside = await browse()
    answer = await outside.post(SIGN_IN, json={"email": company.admin.email, "password": PASSWORD})
    assert answer.status_code == 401
    assert (await inside.get("/api/v1/me")).status_code == 401


async def test_the_sixth_guess_waits_and_so_does_the_right_password(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    browser = await browse()
    guess = {"email": company.admin.email, "password": "wrong wrong wrong"}
    for _ in range(5):
        assert (await browser.post(SIGN_IN, json=guess)).status_code == 401
    assert await hold_brake(admin_sql) == 1
    answer = await browser.post(SIGN_IN, json={**guess, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_sign_ins")
    assert 0 < int(answer.headers["retry-after"]) <= 3_600
    await release_brake(admin_sql)
    assert (await browser.post(SIGN_IN, json={**guess, "password": PASSWORD})).status_code == 200
    # Being right forgives the account.
    assert (await browser.post(SIGN_IN, json=guess)).status_code == 401


async def test_guesses_at_once_are_counted_each(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    browsers = [await browse() for _ in range(15)]
    guess = {"email": company.admin.email, "password": "wrong wrong wrong"}
    began = time.monotonic()
    answers = await asyncio.gather(*(browser.post(SIGN_IN, json=guess) for browser in browsers))
    # After each second, and two, and four, one more may have been let through meanwhile.
    more = math.log2(1 + time.monotonic() - began)
    codes = Counter(answer.status_code for answer in answers)
    assert 5 <= codes[401] <= 5 + more
    assert codes[429] == 15 - codes[401]
    (account, _), _ = keys_of(company.admin.email, "")
    counted = "SELECT failures FROM login_throttle WHERE key = $1"
    assert await admin_sql.fetchval(counted, account) == codes[401]


async def test_an_address_that_tries_many_accounts_waits(browse: Browse, company: Company) -> None:
    browser = await browse()
    codes = []
    for number in range(32):
        email = f"person-{number}-{company.slug}@example.com"
        body = {"email": email, "password": "spring is here again"}
        codes.append((await browser.post(SIGN_IN, json=body)).status_code)
    assert codes[:30] == [401] * 30
    assert 429 in codes[30:]
    elsewhere = await browse()
    assert (await elsewhere.post(SIGN_IN, json=body)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda body: {**body, "email": "no address"},
        lambda body: {**body, "email": "nul\x00@example.com"},
        lambda body: {**body, "password": ""},
        lambda body: {**body, "password": "x" * 129},
        lambda body: {**body, "tenant_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"},
        lambda body: {"email": body["email"]},
        lambda body: [],
    ],
)
async def test_a_malformed_sign_in_is_refused_without_repeating_it(
    browse: Browse, change: Callable[[dict[str, str]], object]
) -> None:
    browser = await browse()
    body = change({"email": "mira@example.com", "password": "a secret that stays one"})
    answer = await browser.post(SIGN_IN, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "a secret that stays one" not in answer.text


async def test_signing_in_is_written_to_the_audit_log(browse: Browse, company: Company) -> None:
    browser = await browse(company.admin)
    entries = (await browser.get("/api/v1/audit-entries?action=session.opened")).json()["items"]
    assert [entry["user_id"] for entry in entries] == [str(company.admin.id)]
    assert PASSWORD not in str(entries)


async def test_the_brake_on_guessing_holds_without_redis(
    settings: Settings, company: Company, admin_sql: asyncpg.Connection
) -> None:
    nowhere = settings.redis.model_copy(update={"url": SecretStr("redis://127.0.0.1:1/0")})
    without = settings.model_copy(update={"redis": nowhere})
    guess = {"email": company.admin.email, "password": "wrong wrong wrong"}
    async with open_resources(without, SUBSCRIPTIONS) as resources:
        transport = httpx.ASGITransport(app_on(resources), client=("10.9.8.7", 1))
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://testserver",
            headers={"Origin": "http://testserver"},
        ) as browser:
            codes = [(await browser.post(SIGN_IN, json=guess)).status_code for _ in range(5)]
            assert codes == [401] * 5
            await hold_brake(admin_sql)
            assert (await browser.post(SIGN_IN, json=guess)).status_code == 429
            await release_brake(admin_sql)
            right = await browser.post(SIGN_IN, json={**guess, "password": PASSWORD})
            assert right.status_code == 200
            assert (await browser.get("/api/v1/me")).status_code == 200
