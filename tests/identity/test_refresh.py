"""The refresh token: how a browser stays signed in, and what becomes of a stolen one."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import jwt
import pytest
from tests.identity.people import Browse, Company, MakePerson

from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.rules import REFRESH_GRACE_SECONDS, RefreshVerdict, judge_refresh
from frontdesk.identity.tokens import (
    cookie_headers,
    issue_token,
    issue_tokens,
    read_refresh_token,
)

REFRESH = "frontdesk-refresh"
ME = "/api/v1/me"


def held(browser: httpx.AsyncClient) -> str:
    return str(browser.cookies[REFRESH])


def session_of(browser: httpx.AsyncClient) -> UUID:
    claims = jwt.decode(held(browser), options={"verify_signature": False})
    return UUID(claims["sid"])


def hold_only(browser: httpx.AsyncClient, refresh: str) -> None:
    """What a browser has whose access cookie has run out."""
    browser.cookies.clear()
    # As a cookie that came with an answer, so that the next answer replaces it.
    browser.cookies.set(REFRESH, refresh, domain="testserver.local")


async def pass_grace(admin_sql: asyncpg.Connection, session_id: UUID) -> None:
    await admin_sql.execute(
        "UPDATE user_session SET renewed_at = renewed_at - make_interval(secs => $2) WHERE id = $1",
        session_id,
        REFRESH_GRACE_SECONDS + 1,
    )


async def test_whoever_keeps_working_stays_signed_in(browse: Browse, company: Company) -> None:
    browser = await browse(company.human)
    assert "set-cookie" not in (await browser.get(ME)).headers
    first = held(browser)
    hold_only(browser, first)
    # Even an answer that is an error carries the fresh cookies.
    answer = await browser.get("/api/v1/users/0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001")
    assert answer.status_code == 404
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["frontdesk", REFRESH]
    assert all("HttpOnly; SameSite=Lax" in cookie for cookie in cookies)
    assert held(browser) != first
    assert "set-cookie" not in (await browser.get(ME)).headers


async def test_an_expired_access_token_is_renewed_too(
    browse: Browse, company: Company, settings: Settings
) -> None:
    browser = await browse(company.human)
    expired = issue_token(
        settings,
        session_id=session_of(browser),
        user_id=company.human.id,
        tenant_id=company.id,
        now=datetime.now(UTC) - timedelta(minutes=16),
    )
    browser.cookies.set("frontdesk", expired)
    answer = await browser.get(ME)
    assert answer.status_code == 200
    assert len(answer.headers.get_list("set-cookie")) == 2


async def test_the_cookies_are_bound_to_the_host_and_to_https(settings: Settings) -> None:
    web = settings.web.model_copy(update={"insecure_cookies": False})
    secure = settings.model_copy(update={"web": web})
    now = datetime.now(UTC)
    tokens = issue_tokens(
        secure,
        session_id=UUID(int=1),
        user_id=UUID(int=2),
        tenant_id=UUID(int=3),
        generation=0,
        expires_at=now + timedelta(days=30),
        now=now,
    )
    for _, header in cookie_headers(secure, tokens, now):
        cookie = header.decode()
        assert cookie.startswith("__Host-frontdesk")
        assert cookie.endswith("HttpOnly; SameSite=Lax; Secure")
        assert "Path=/;" in cookie
        assert "Domain" not in cookie


async def test_a_used_refresh_token_ends_the_session_for_everybody(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    victim, thief = await browse(company.human), await browse()
    stolen = held(victim)
    hold_only(victim, stolen)
    assert (await victim.get(ME)).status_code == 200
    await pass_grace(admin_sql, session_of(victim))
    hold_only(thief, stolen)
    assert (await thief.get(ME)).status_code == 401
    # Nobody can tell the owner from the thief, so the newest token is worth nothing either.
    assert (await victim.get(ME)).status_code == 401
    hold_only(victim, held(victim))
    assert (await victim.get(ME)).status_code == 401
    boss = await browse(company.admin)
    entries = (await boss.get("/api/v1/audit-entries?action=session.reuse_detected")).json()
    assert [entry["user_id"] for entry in entries["items"]] == [str(company.human.id)]


async def test_a_token_from_two_renewals_ago_is_stolen_however_quick(
    browse: Browse, company: Company
) -> None:
    browser = await browse(company.human)
    oldest = held(browser)
    for _ in range(2):
        hold_only(browser, held(browser))
        assert (await browser.get(ME)).status_code == 200
    hold_only(browser, oldest)
    assert (await browser.get(ME)).status_code == 401


async def test_requests_at_once_with_one_token_all_pass_and_agree(
    browse: Browse, company: Company, settings: Settings
) -> None:
    browser = await browse(company.human)
    headers = {"Cookie": f"{REFRESH}={held(browser)}"}
    browser.cookies.clear()
    answers = await asyncio.gather(*(browser.get(ME, headers=headers) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    generations = {
        read_refresh_token(settings, answer.cookies[REFRESH]).generation for answer in answers
    }
    assert generations == {1}


async def test_an_access_token_gets_no_other_and_a_refresh_token_proves_nothing(
    browse: Browse, company: Company
) -> None:
    browser = await browse(company.human)
    access, refresh = browser.cookies["frontdesk"], held(browser)
    hold_only(browser, access)
    assert (await browser.get(ME)).status_code == 401
    browser.cookies.clear()
    browser.cookies.set("frontdesk", refresh)
    assert (await browser.get(ME)).status_code == 401


async def test_a_session_nobody_uses_for_a_day_ends(
    browse: Browse, company: Company, settings: Settings
) -> None:
    browser = await browse(company.human)
    token = read_refresh_token(settings, held(browser))
    left = token.expires_at - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE user_session SET revoked_at = now() WHERE user_id = $1",
        "UPDATE user_session SET expires_at = now() WHERE user_id = $1",
        "UPDATE membership SET disabled_at = now() WHERE user_id = $1",
        "UPDATE app_user SET disabled_at = now() WHERE id = $1",
    ],
)
async def test_a_refresh_token_does_not_outlive_its_session(
    browse: Browse,
    company: Company,
    resources: Resources,
    admin_sql: asyncpg.Connection,
    statement: str,
) -> None:
    browser = await browse(company.human)
    await admin_sql.execute(statement, company.human.id)
    resources.keep(LiveSessions).forget_user(company.human.id)
    hold_only(browser, held(browser))
    assert (await browser.get(ME)).status_code == 401


@pytest.mark.parametrize(
    ("shown", "present", "seconds", "verdict"),
    [
        (3, 3, 9_999, RefreshVerdict.NEXT),
        (2, 3, 0, RefreshVerdict.AGAIN),
        (2, 3, REFRESH_GRACE_SECONDS, RefreshVerdict.AGAIN),
        (2, 3, REFRESH_GRACE_SECONDS + 0.1, RefreshVerdict.STOLEN),
        (1, 3, 0, RefreshVerdict.STOLEN),
        (4, 3, 0, RefreshVerdict.STOLEN),
    ],
)
def test_only_the_present_token_and_for_a_while_the_one_before_count(
    shown: int, present: int, seconds: float, verdict: RefreshVerdict
) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert judge_refresh(shown, present, now - timedelta(seconds=seconds), now) is verdict


async def test_one_sees_ones_sessions_and_ends_one_or_all_others(
    browse: Browse, company: Company, make_person: MakePerson
) -> None:
    here = await browse(company.human)
    there, elsewhere = await browse(company.human), await browse(company.human)
    foreign = await browse(company.admin)
    listed = (await here.get("/api/v1/me/sessions")).json()
    assert len(listed) == 3
    assert [item["id"] for item in listed if item["current"]] == [str(session_of(here))]
    assert {item["tenant"]["slug"] for item in listed} == {company.slug}
    assert all(item["address"].startswith("10.") for item in listed)
    assert all(item["address"].endswith(".x") for item in listed)
    assert "python-httpx" in listed[0]["user_agent"]

    gone = await here.delete(f"/api/v1/me/sessions/{session_of(there)}")
    assert gone.status_code == 204
    assert (await there.get(ME)).status_code == 401
    for session_id in (session_of(there), session_of(foreign), UUID(int=1)):
        answer = await here.delete(f"/api/v1/me/sessions/{session_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await foreign.get(ME)).status_code == 200

    assert (await here.delete("/api/v1/me/sessions")).status_code == 204
    assert (await elsewhere.get(ME)).status_code == 401
    assert len((await here.get("/api/v1/me/sessions")).json()) == 1
