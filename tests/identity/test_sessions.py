"""Staying signed in: what a cookie is worth, how it is renewed, and what ends it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import pytest
from tests.identity.people import PASSWORD, Browse, Company, MakePerson

from frontdesk.core.callers import Principal, Role
from frontdesk.core.errors import Unauthenticated
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings
from frontdesk.identity import prune_sign_ins, recheck
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.subscriptions import SUBSCRIPTIONS


def claims_of(browser: httpx.AsyncClient) -> dict[str, Any]:
    token = browser.cookies["frontdesk"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def present(browser: httpx.AsyncClient, token: str) -> None:
    browser.cookies.clear()
    browser.cookies.set("frontdesk", token)


@pytest.fixture
async def other_process(settings: Settings) -> AsyncIterator[Resources]:
    """What another web process holds: its own caches on the same database."""
    async with open_resources(settings, SUBSCRIPTIONS) as opened:
        yield opened


async def test_nobody_is_let_in_without_a_cookie(browse: Browse) -> None:
    browser = await browse()
    answer = await browser.get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_the_cookie_names_the_session_and_holds_no_role(
    browse: Browse, company: Company
) -> None:
    claims = claims_of(await browse(company.admin))
    assert set(claims) == {"exp", "iat", "sub", "tenant", "sid", "typ", "aud", "iss"}
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert claims["sub"] == str(company.admin.id)


FORGED = {
    "no signature": {"algorithm": "none"},
    "another algorithm": {"algorithm": "HS512"},
    "another key": {"key": "another key of at least 64 bytes, long enough for any algorithm...."},
    "an unknown key id": {"headers": {"kid": "0123456789ab"}},
    "no key id": {"headers": {}},
    "expired": {"exp": -1},
    "no end": {"exp": None},
    "no beginning": {"iat": None},
    "no session": {"sid": None},
    "no tenant": {"tenant": None},
    "no purpose": {"typ": None},
    "another purpose": {"typ": "invite"},
    "another audience": {"aud": "someone-else"},
    "another issuer": {"iss": "someone-else"},
    "a session that is no id": {"sid": "1"},
    "a session that is a number": {"sid": 1},
    "a session nobody has": {"sid": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"},
    "another user": {"sub": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"},
    "another tenant": {"tenant": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_cookie_is_refused(
    browse: Browse, company: Company, settings: Settings, change: dict[str, Any]
) -> None:
    browser = await browse(company.admin)
    good = browser.cookies["frontdesk"]
    claims = claims_of(browser)
    headers = {"kid": jwt.get_unverified_header(good)["kid"]}
    key: str = settings.security.session_secret.get_secret_value()
    algorithm = change.get("algorithm", "HS256")
    for name, value in change.items():
        if name == "exp" and value is not None:
            claims["exp"] = int(datetime.now(UTC).timestamp()) + value
        elif value is None:
            claims.pop(name)
        elif name in claims:
            claims[name] = value
    # PyJWT warns about keys shorter than the algorithm's: that is this forger's business.
    signing_key = "" if algorithm == "none" else change.get("key", key)
    encoder = jwt.PyJWT(options={"enforce_minimum_key_length": False})
    with pytest.warns(jwt.InsecureKeyLengthWarning) if algorithm == "HS512" else _quiet():
        token = encoder.encode(
            claims, signing_key, algorithm, headers=change.get("headers", headers)
        )
    present(browser, token)
    answer = await browser.get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.json()["detail"] == "Sign in first"
    present(browser, good)
    assert (await browser.get("/api/v1/me")).status_code == 200


class _quiet:  # noqa: N801  # Reads as a word at its use.
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "e30.e30.e30", "%00", "a" * 5000])
async def test_rubbish_for_a_cookie_is_refused(browse: Browse, cookie: str) -> None:
    browser = await browse()
    answer = await browser.get("/api/v1/me", headers={"Cookie": f"frontdesk={cookie}"})
    assert answer.status_code == 401


async def test_signing_out_ends_the_session_and_not_just_the_cookie(
    browse: Browse, company: Company
) -> None:
    browser = await browse(company.human)
    other = await browse(company.human)
    token = browser.cookies["frontdesk"]
    answer = await browser.post("/api/v1/auth/sign-out")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    present(browser, token)
    assert (await browser.get("/api/v1/me")).status_code == 401
    # Another sign-in of the same person goes on.
    assert (await other.get("/api/v1/me")).status_code == 200


async def test_signing_out_with_an_aging_cookie_takes_both_away_for_good(
    browse: Browse, company: Company
) -> None:
    browser = await browse(company.human)
    browser.cookies.delete("frontdesk")
    answer = await browser.post("/api/v1/auth/sign-out")
    handed_out = answer.headers.get_list("set-cookie")
    assert len(handed_out) == 2
    assert all("Max-Age=0" in item for item in handed_out)
    assert not browser.cookies


async def test_a_session_ends_by_itself(
    browse: Browse, company: Company, resources: Resources, admin_sql: asyncpg.Connection
) -> None:
    browser = await browse(company.human)
    session_id = UUID(claims_of(browser)["sid"])
    await admin_sql.execute("UPDATE user_session SET expires_at = now() WHERE id = $1", session_id)
    resources.keep(LiveSessions).forget(session_id)
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_another_process_notices_a_sign_out_once_it_asks_again(
    browse: Browse, company: Company, other_process: Resources
) -> None:
    browser = await browse(company.human)
    claims = claims_of(browser)
    principal = Principal(
        UUID(claims["sub"]), company.id, Role.HUMAN_AGENT, UUID(claims["sid"]), "request-1"
    )
    assert (await recheck(other_process, principal)).role is Role.HUMAN_AGENT
    await browser.post("/api/v1/auth/sign-out")
    # Within ten seconds it may still answer from memory; afterwards it asks.
    other_process.keep(LiveSessions)._kept.clear()
    with pytest.raises(Unauthenticated):
        await recheck(other_process, principal)


async def test_what_was_read_before_a_sign_out_is_not_remembered_after_it(
    browse: Browse, company: Company, other_process: Resources
) -> None:
    browser = await browse(company.human)
    session_id = UUID(claims_of(browser)["sid"])
    sessions = LiveSessions(other_process)
    finding = sessions.find(session_id)
    step = finding.__await__()
    next(step)  # It is asking the database; meanwhile the session ends here.
    sessions.forget(session_id)
    finding.close()
    assert sessions._kept == {}


async def test_a_changed_role_counts_at_once(
    browse: Browse, company: Company, make_person: MakePerson
) -> None:
    second = await make_person(company.id, role=Role.ADMIN)
    boss = await browse(company.admin)
    demoted = await browse(second)
    assert (await demoted.get("/api/v1/audit-entries")).status_code == 200
    answer = await boss.patch(f"/api/v1/users/{second.id}", json={"role": "HUMAN_AGENT"})
    assert answer.status_code == 200
    answer = await demoted.get("/api/v1/audit-entries")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await demoted.get("/api/v1/me")).json()["role"] == "HUMAN_AGENT"


async def test_a_disabled_member_is_out_and_must_sign_in_again_when_let_back_in(
    browse: Browse, company: Company
) -> None:
    boss = await browse(company.admin)
    browser = await browse(company.human)
    path = f"/api/v1/users/{company.human.id}"
    assert (await boss.patch(path, json={"disabled": True})).json()["disabled"] is True
    assert (await browser.get("/api/v1/me")).status_code == 401
    assert (await boss.patch(path, json={"disabled": False})).json()["disabled"] is False
    assert (await browser.get("/api/v1/me")).status_code == 401
    assert (await (await browse(company.human)).get("/api/v1/me")).status_code == 200


async def test_a_new_password_ends_all_other_sessions(browse: Browse, company: Company) -> None:
    here, there = await browse(company.human), await browse(company.human)
    change = {"current_password": PASSWORD, "new_password": "seven orange kites hum"}
    wrong = await here.post("/api/v1/me/password", json={**change, "current_password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    weak = await here.post("/api/v1/me/password", json={**change, "new_password": "password1234"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert (await here.post("/api/v1/me/password", json=change)).status_code == 204
    assert (await here.get("/api/v1/me")).status_code == 200
    assert (await there.get("/api/v1/me")).status_code == 401
    assert await browse(company.human, password="seven orange kites hum")


async def test_what_ended_long_ago_is_deleted(
    browse: Browse, company: Company, resources: Resources, admin_sql: asyncpg.Connection
) -> None:
    old = UUID(claims_of(await browse(company.human))["sid"])
    await admin_sql.execute(
        "UPDATE user_session SET expires_at = now() - interval '31 days' WHERE id = $1", old
    )
    live = UUID(claims_of(await browse(company.human))["sid"])
    async with resources.db.system() as connection:
        assert await prune_sign_ins(connection) >= 1
    left = await admin_sql.fetch("SELECT id FROM user_session WHERE id = ANY($1)", [old, live])
    assert [row["id"] for row in left] == [live]
