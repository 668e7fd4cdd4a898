"""Second factors: the code after the password, once each, and what to do without the phone."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from tests.identity.onboarding.mailbox import Post
from tests.identity.people import (
    PASSWORD,
    Browse,
    Company,
    MakeCompany,
    MakePerson,
    Person,
    hold_brake,
)

from frontdesk.core.crypto import SealBroken
from frontdesk.core.resources import Resources
from frontdesk.identity import totp

SIGN_IN = "/api/v1/auth/sign-in"
MFA = "/api/v1/auth/mfa"
MINE = "/api/v1/me/mfa"
POLICY = "/api/v1/sign-in-policy"


def _code(secret: str, steps: int = 0) -> str:
    return totp.code_at(secret, totp.step_of(datetime.now(UTC)) + steps)


async def _enrol(browser: httpx.AsyncClient) -> tuple[str, list[str]]:
    started = await browser.post(MINE, json={"password": PASSWORD})
    assert started.status_code == 200, started.text
    secret = started.json()["secret"]
    # With the code before the present one, which is left for what comes; when a half minute ends
    # just then, that one is no longer good, and the next is.
    for _ in range(2):
        confirmed = await browser.post(f"{MINE}/confirm", json={"code": _code(secret, -1)})
        if confirmed.status_code == 200:
            break
    assert confirmed.status_code == 200, confirmed.text
    return secret, confirmed.json()["recovery_codes"]


async def _first_step(browser: httpx.AsyncClient, person: Person, **more: Any) -> httpx.Response:
    return await browser.post(SIGN_IN, json={"email": person.email, "password": PASSWORD, **more})


async def _second_step(browser: httpx.AsyncClient, challenge: str, code: str) -> httpx.Response:
    return await browser.post(MFA, json={"challenge": challenge, "code": code})


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(moment: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    step = totp.step_of(datetime.fromtimestamp(moment, UTC))
    assert totp.code_at(secret, step, digits=8) == code
    assert totp.code_at(secret, step) == code[2:]


def test_a_code_is_good_for_its_half_minute_and_its_neighbours() -> None:
    secret, now = totp.new_secret(), datetime(2026, 3, 2, 9, 0, 15, tzinfo=UTC)
    code = totp.code_at(secret, totp.step_of(now))
    found = [
        totp.find_step(secret, code, now + timedelta(seconds=30 * away)) is not None
        for away in (-2, -1, 0, 1, 2)
    ]
    assert found == [False, True, True, True, False]
    assert len(base64.b32decode(secret)) == 20


async def test_signing_in_takes_the_password_and_then_a_code(
    browse: Browse, company: Company, post: Post
) -> None:
    secret, recovery = await _enrol(await browse(company.human))
    assert len(set(recovery)) == 10
    browser = await browse()
    first = await _first_step(browser, company.human)
    assert (first.status_code, first.json()["code"]) == (401, "mfa_required")
    assert first.json()["expires_in_seconds"] == 300
    assert "set-cookie" not in first.headers
    assert (await browser.get("/api/v1/me")).status_code == 401
    second = await _second_step(browser, first.json()["challenge"], _code(secret))
    assert (second.status_code, second.json()["email"]) == (200, company.human.email)
    assert (await browser.get("/api/v1/me")).json() == second.json()
    assert (await browser.get(MINE)).json() == {
        "enrolled": True,
        "required": False,
        "recovery_codes_left": 10,
    }
    assert (await post.to(company.human.email))[-1]["Subject"].endswith("asks for a code now")
    boss = await browse(company.admin)
    path = "/api/v1/audit-entries?action=user.mfa_set_up"
    assert len((await boss.get(path)).json()["items"]) == 1


async def test_a_wrong_password_is_told_before_any_code(browse: Browse, company: Company) -> None:
    await _enrol(await browse(company.human))
    browser = await browse()
    answer = await browser.post(
        SIGN_IN, json={"email": company.human.email, "password": "wrong wrong wrong"}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
    assert "challenge" not in answer.json()


async def test_a_code_works_once_even_for_two_at_once_and_older_ones_not_after_it(
    browse: Browse, company: Company
) -> None:
    secret, _ = await _enrol(await browse(company.human))
    browsers = [await browse() for _ in range(3)]
    challenge = (await _first_step(browsers[0], company.human)).json()["challenge"]
    code, older = _code(secret), _code(secret, -1)
    answers = await asyncio.gather(*(_second_step(each, challenge, code) for each in browsers))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    again = await _second_step(browsers[1], challenge, older)
    assert (again.status_code, again.json()["code"]) == (401, "wrong_code")


async def test_a_recovery_code_works_once(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    owner = await browse(company.human)
    secret, recovery = await _enrol(owner)
    browser = await browse()
    challenge = (await _first_step(browser, company.human)).json()["challenge"]
    typed = recovery[3].upper().replace("-", " ")
    assert (await _second_step(browser, challenge, typed)).status_code == 200
    assert (await _second_step(browser, challenge, recovery[3])).status_code == 401
    assert (await browser.get(MINE)).json()["recovery_codes_left"] == 9
    hashes = await admin_sql.fetch(
        "SELECT code_hash FROM recovery_code WHERE user_id = $1", company.human.id
    )
    assert not set(recovery) & {row["code_hash"] for row in hashes}
    body = {"password": PASSWORD, "code": _code(secret)}
    renewed = (await browser.post(f"{MINE}/recovery-codes", json=body)).json()["recovery_codes"]
    assert len(renewed) == 10
    assert (await _second_step(await browse(), challenge, recovery[4])).status_code == 401
    assert (await _second_step(await browse(), challenge, renewed[4])).status_code == 200


async def test_guessing_codes_is_slowed_down_from_whatever_address(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    secret, _ = await _enrol(await browse(company.human))
    browser = await browse()
    challenge = (await _first_step(browser, company.human)).json()["challenge"]
    wrong = "000000" if _code(secret) != "000000" else "111111"
    codes = [(await _second_step(await browse(), challenge, wrong)).status_code for _ in range(5)]
    assert codes == [401] * 5
    assert await hold_brake(admin_sql) == 1
    assert (await _second_step(await browse(), challenge, wrong)).status_code == 429
    assert (await _second_step(browser, challenge, _code(secret))).status_code == 429


async def test_a_challenge_ends_with_its_time_or_a_new_password_and_is_no_session(
    browse: Browse, company: Company, mailing: Resources, admin_sql: asyncpg.Connection
) -> None:
    secret, _ = await _enrol(await browse(company.human))
    browser = await browse()
    challenge = (await _first_step(browser, company.human)).json()["challenge"]
    browser.cookies.set("frontdesk", challenge)
    assert (await browser.get("/api/v1/me")).status_code == 401
    claims = jwt.decode(challenge, options={"verify_signature": False})
    session_key = mailing.settings.security.session_secret.get_secret_value()
    forged = [
        jwt.encode(claims, session_key, "HS256"),
        jwt.encode(claims, "", "none"),
        challenge[:-2] + "xx",
        "x",
    ]
    for token in forged:
        answer = await _second_step(browser, token, _code(secret))
        assert (answer.status_code, answer.json()["code"]) == (401, "challenge_expired")
    assert 0 < claims["exp"] - datetime.now(UTC).timestamp() <= 300
    # One for a code does not set up an app.
    wrong_use = await browser.post(f"{MFA}/enrolment", json={"challenge": challenge})
    assert wrong_use.json()["code"] == "challenge_expired"
    await admin_sql.execute(
        "UPDATE app_user SET password_hash = password_hash || 'x' WHERE id = $1", company.human.id
    )
    answer = await _second_step(browser, challenge, _code(secret))
    assert answer.json()["code"] == "challenge_expired"


async def test_a_secret_is_sealed_for_its_user_and_place(
    browse: Browse, company: Company, mailing: Resources, admin_sql: asyncpg.Connection
) -> None:
    secret, _ = await _enrol(await browse(company.human))
    sealed = await admin_sql.fetchval(
        "SELECT secret_sealed FROM totp_factor WHERE user_id = $1", company.human.id
    )
    assert secret not in sealed
    mine, field = company.human.id, "totp_factor.secret"
    assert mailing.sealer.open(sealed, tenant_id=mine, field=field) == secret
    for owner, place in ((company.admin.id, field), (mine, "channel.access_token")):
        with pytest.raises(SealBroken):
            mailing.sealer.open(sealed, tenant_id=owner, field=place)


async def test_setting_up_and_removing_take_the_password_and_a_code(
    browse: Browse, company: Company
) -> None:
    owner, other = await browse(company.human), await browse(company.human)
    wrong = await owner.post(MINE, json={"password": "wrong wrong wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    unstarted = await owner.post(f"{MINE}/confirm", json={"code": "123456"})
    assert (unstarted.status_code, unstarted.json()["code"]) == (409, "not_enrolled")
    await owner.post(MINE, json={"password": PASSWORD})
    # Not confirmed, it asks for nothing.
    await browse(company.human)
    secret, recovery = await _enrol(owner)
    twice = await owner.post(MINE, json={"password": PASSWORD})
    assert (twice.status_code, twice.json()["code"]) == (409, "already_enrolled")
    for body in (
        {"password": "wrong wrong wrong", "code": recovery[0]},
        {"password": PASSWORD, "code": "nonsense"},
    ):
        assert (await owner.post(f"{MINE}/remove", json=body)).status_code == 401
    body = {"password": PASSWORD, "code": _code(secret)}
    assert (await owner.post(f"{MINE}/remove", json=body)).status_code == 204
    assert (await owner.get("/api/v1/me")).status_code == 200
    assert (await other.get("/api/v1/me")).status_code == 401
    await browse(company.human)


async def test_a_tenant_that_asks_for_it_lets_members_without_in_only_to_set_it_up(
    browse: Browse, company: Company
) -> None:
    boss, human = await browse(company.admin), await browse(company.human)
    assert (await human.put(POLICY, json={"mfa_required": True})).status_code == 403
    assert (await boss.get(POLICY)).json() == {"mfa_required": False}
    assert (await boss.put(POLICY, json={"mfa_required": True})).json() == {"mfa_required": True}
    # Who has none is signed out; whoever asked for it may go on and set theirs up.
    assert (await human.get("/api/v1/me")).status_code == 401
    assert (await boss.get(MINE)).json()["required"] is True
    first = await _first_step(human, company.human)
    assert (first.status_code, first.json()["code"]) == (401, "mfa_enrolment_required")
    challenge = first.json()["challenge"]
    assert (await _second_step(human, challenge, "123456")).json()["code"] == "challenge_expired"
    started = await human.post(f"{MFA}/enrolment", json={"challenge": challenge})
    secret = started.json()["secret"]
    assert started.json()["uri"].startswith("otpauth://totp/Frontdesk%3A")
    wrong = {"challenge": challenge, "code": "000000" if _code(secret) != "000000" else "111111"}
    refused = await human.post(f"{MFA}/enrolment/confirm", json=wrong)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_code")
    body = {"challenge": challenge, "code": _code(secret)}
    done = await human.post(f"{MFA}/enrolment/confirm", json=body)
    assert len(done.json()["recovery_codes"]) == 10
    assert (await human.get("/api/v1/me")).json()["email"] == company.human.email
    kept = await human.post(f"{MINE}/remove", json={"password": PASSWORD, "code": _code(secret, 1)})
    assert (kept.status_code, kept.json()["code"]) == (409, "factor_kept")
    again = await _first_step(await browse(), company.human)
    assert again.json()["code"] == "mfa_required"
    late = await human.post(f"{MFA}/enrolment", json={"challenge": challenge})
    assert late.json()["code"] == "already_enrolled"
    path = "/api/v1/audit-entries?action=tenant.mfa_required"
    assert len((await boss.get(path)).json()["items"]) == 1


async def test_nobody_switches_into_a_tenant_that_asks_for_more(
    browse: Browse, make_company: MakeCompany, make_person: MakePerson
) -> None:
    lax, strict = await make_company(), await make_company()
    person = await make_person(lax.id, strict.id)
    boss = await browse(strict.admin)
    await boss.put(POLICY, json={"mfa_required": True})
    browser = await browse(person, tenant=lax.slug)
    switch = {"tenant": strict.slug}
    refused = await browser.post("/api/v1/auth/switch", json=switch)
    assert (refused.status_code, refused.json()["code"]) == (409, "mfa_missing")
    await _enrol(browser)
    assert (await browser.post("/api/v1/auth/switch", json=switch)).status_code == 200


async def test_a_reset_password_does_not_replace_the_code(
    browse: Browse, company: Company, post: Post
) -> None:
    await _enrol(await browse(company.human))
    browser, email = await browse(), company.human.email
    await browser.post("/api/v1/auth/forgot-password", json={"email": email})
    token = await post.token_for(email)
    body = {"token": token, "new_password": "nine silver trains wait"}
    assert (await browser.post("/api/v1/auth/reset-password", json=body)).status_code == 204
    sign_in = {"email": email, "password": "nine silver trains wait"}
    answer = await browser.post(SIGN_IN, json=sign_in)
    assert (answer.status_code, answer.json()["code"]) == (401, "mfa_required")


async def test_whoever_was_disabled_between_the_steps_is_not_let_in(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    secret, _ = await _enrol(await browse(company.human))
    browser = await browse()
    challenge = (await _first_step(browser, company.human)).json()["challenge"]
    await admin_sql.execute(
        "UPDATE membership SET disabled_at = now() WHERE user_id = $1", company.human.id
    )
    answer = await _second_step(browser, challenge, _code(secret))
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
    assert "set-cookie" not in answer.headers


async def test_a_super_admin_is_asked_for_a_code_too(
    browse: Browse, make_person: MakePerson
) -> None:
    root = await make_person(is_super_admin=True, name="Root")
    secret, _ = await _enrol(await browse(root))
    browser = await browse()
    challenge = (await _first_step(browser, root)).json()["challenge"]
    answer = await _second_step(browser, challenge, _code(secret))
    assert (answer.status_code, answer.json()["role"]) == (200, "SUPER_ADMIN")


async def test_a_super_admin_acts_with_the_second_factor_the_tenants_members_need(
    browse: Browse, company: Company, make_person: MakePerson
) -> None:
    root = await browse(await make_person(is_super_admin=True, name="Root"))
    boss = await browse(company.admin)
    way_in, why = f"/api/v1/tenants/{company.id}/act-as", {"reason": "Ticket 311"}
    assert (await root.post(way_in, json=why)).status_code == 201
    assert (await root.get("/api/v1/users")).status_code == 200
    # From the moment the tenant asks for more, nobody is in it with less.
    await boss.put(POLICY, json={"mfa_required": True})
    thrown_out = await root.get("/api/v1/users")
    assert (thrown_out.status_code, thrown_out.json()["code"]) == (403, "act_first")
    refused = await root.post(way_in, json=why)
    assert (refused.status_code, refused.json()["code"]) == (409, "mfa_missing")
    secret, _ = await _enrol(root)
    assert (await root.post(way_in, json=why)).status_code == 201
    assert (await root.get("/api/v1/users")).status_code == 200
    without = {"password": PASSWORD, "code": _code(secret, 1)}
    assert (await root.post(f"{MINE}/remove", json=without)).status_code == 204
    assert (await root.get("/api/v1/users")).status_code == 403


async def test_a_super_admin_takes_a_lost_app_away_and_everybody_hears_of_it(
    browse: Browse, company: Company, make_person: MakePerson, post: Post
) -> None:
    owner, boss = await browse(company.human), await browse(company.admin)
    root = await browse(await make_person(is_super_admin=True, name="Root"))
    await _enrol(owner)
    body = {"email": company.human.email}
    assert (await boss.post(f"{MFA}/lost", json=body)).status_code == 403
    assert (await root.post(f"{MFA}/lost", json=body)).status_code == 204
    assert (await owner.get("/api/v1/me")).status_code == 401
    await browse(company.human)
    assert (await root.post(f"{MFA}/lost", json=body)).status_code == 404
    assert "no code any more" in (await post.to(company.human.email))[-1]["Subject"]
    path = "/api/v1/audit-entries?action=user.mfa_removed"
    assert len((await boss.get(path)).json()["items"]) == 1
