"""Forgotten passwords: one answer for everybody, one link, one use."""

import asyncio

import asyncpg
import httpx
from tests.identity.onboarding.mailbox import Post
from tests.identity.people import PASSWORD, Browse, Company, MakePerson, hold_brake

FORGOT = "/api/v1/auth/forgot-password"
RESET = "/api/v1/auth/reset-password"
NEW_PASSWORD = "nine silver trains wait"


async def _forget(browser: httpx.AsyncClient, email: str) -> httpx.Response:
    return await browser.post(FORGOT, json={"email": email})


async def _reset(browser: httpx.AsyncClient, token: str, password: str) -> httpx.Response:
    return await browser.post(RESET, json={"token": token, "new_password": password})


async def test_a_reset_gives_a_new_password_and_ends_every_session(
    browse: Browse, company: Company, post: Post
) -> None:
    email = company.human.email
    running = [await browse(company.human) for _ in range(2)]
    boss, browser = await browse(company.admin), await browse()
    assert (await _forget(browser, email)).status_code == 202
    mail = (await post.to(email))[-1]
    assert "within 30 minutes" in mail.get_content()
    assert "http://testserver/reset-password#token=" in mail.get_content()
    assert (await _reset(browser, await post.token_for(email), NEW_PASSWORD)).status_code == 204
    for session in running:
        assert (await session.get("/api/v1/me")).status_code == 401
    for password, status in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
        answer = await browser.post(
            "/api/v1/auth/sign-in", json={"email": email, "password": password}
        )
        assert answer.status_code == status
    assert (await post.to(email))[-1]["Subject"] == "Your Frontdesk password was changed"
    path = "/api/v1/audit-entries?action=user.password_reset"
    assert len((await boss.get(path)).json()["items"]) == 1


async def test_whether_there_is_an_account_changes_nothing_but_the_mail(
    browse: Browse,
    company: Company,
    make_person: MakePerson,
    post: Post,
    admin_sql: asyncpg.Connection,
) -> None:
    browser, gone = await browse(), await make_person(company.id)
    await admin_sql.execute("UPDATE app_user SET disabled_at = now() WHERE id = $1", gone.id)
    unknown = f"nobody@{company.slug}.example"
    seen = []
    for email in (company.human.email, unknown, gone.email):
        answer = await _forget(browser, email)
        # The same statements run for each: the account is looked for when the e-mail is written.
        rows = await admin_sql.fetch(
            "SELECT kind, subject_id, attempts FROM outgoing_mail WHERE address = $1", email
        )
        seen.append((answer.status_code, answer.content, [dict(row) for row in rows]))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == 202
    assert len(await post.to(company.human.email)) == 1
    assert await post.to(unknown) == await post.to(gone.email) == []
    waiting = "SELECT count(*) FROM outgoing_mail WHERE address = $1"
    assert await admin_sql.fetchval(waiting, unknown) == 0


async def test_a_link_works_once_even_for_two_at_once(
    browse: Browse, company: Company, post: Post
) -> None:
    browser = await browse()
    await _forget(browser, company.human.email)
    token = await post.token_for(company.human.email)
    answers = await asyncio.gather(*(_reset(browser, token, NEW_PASSWORD) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
    again = await _reset(browser, token, NEW_PASSWORD)
    assert (again.status_code, again.json()["code"]) == (404, "link_not_found")


async def test_a_link_is_replaced_by_the_next_and_ends_after_thirty_minutes(
    browse: Browse, company: Company, post: Post, admin_sql: asyncpg.Connection
) -> None:
    browser, email = await browse(), company.human.email
    tokens = []
    for _ in range(2):
        await _forget(browser, email)
        tokens.append(await post.token_for(email))
    assert (await _reset(browser, tokens[0], NEW_PASSWORD)).status_code == 404
    row = await admin_sql.fetchrow(
        "SELECT *, extract(epoch FROM expires_at - now()) AS seconds FROM password_reset "
        "WHERE user_id = $1",
        company.human.id,
    )
    assert 1700 < row["seconds"] <= 1800
    assert tokens[1] not in str(dict(row))
    await admin_sql.execute(
        "UPDATE password_reset SET expires_at = now() WHERE user_id = $1", company.human.id
    )
    assert (await _reset(browser, tokens[1], NEW_PASSWORD)).status_code == 404


async def test_a_weak_password_leaves_the_link_good(
    browse: Browse, company: Company, post: Post
) -> None:
    browser, email = await browse(), company.human.email
    await _forget(browser, email)
    token = await post.token_for(email)
    for password in ("short", "qwertyuiop123", email):
        answer = await _reset(browser, token, password)
        assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert (await _reset(browser, token, NEW_PASSWORD)).status_code == 204


async def test_requests_are_slowed_down_per_account_known_or_not(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    for email in (company.human.email, f"nobody@{company.slug}.example"):
        # Each from another address: it is the account that is counted.
        answers = [await _forget(await browse(), email) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202] * 4
        assert await hold_brake(admin_sql) == 1
        answer = await _forget(await browse(), email)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
    # Asking for links does not keep their owner from signing in.
    await browse(company.human)


async def test_requests_are_slowed_down_per_address(
    browse: Browse, company: Company, admin_sql: asyncpg.Connection
) -> None:
    browser = await browse()
    codes = [
        (await _forget(browser, f"nobody{number}@{company.slug}.example")).status_code
        for number in range(20)
    ]
    assert codes == [202] * 20
    assert await hold_brake(admin_sql) == 1
    assert (await _forget(browser, f"nobody@{company.slug}.example")).status_code == 429


async def test_whoever_guessed_too_often_may_sign_in_after_a_reset(
    browse: Browse, company: Company, post: Post, admin_sql: asyncpg.Connection
) -> None:
    browser, email = await browse(), company.human.email
    body = {"email": email, "password": "wrong wrong wrong"}
    for _ in range(5):
        await browser.post("/api/v1/auth/sign-in", json=body)
    assert await hold_brake(admin_sql) == 1
    assert (await browser.post("/api/v1/auth/sign-in", json=body)).status_code == 429
    await _forget(browser, email)
    await _reset(browser, await post.token_for(email), NEW_PASSWORD)
    body = {"email": email, "password": NEW_PASSWORD}
    assert (await browser.post("/api/v1/auth/sign-in", json=body)).status_code == 200


async def test_a_link_ends_when_its_owner_remembers_and_changes_the_password(
    browse: Browse, company: Company, post: Post
) -> None:
    owner, email = await browse(company.human), company.human.email
    await _forget(owner, email)
    token = await post.token_for(email)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await owner.post("/api/v1/me/password", json=body)).status_code == 204
    assert (await _reset(owner, token, "seven green clocks tick")).status_code == 404
