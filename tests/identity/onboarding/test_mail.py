"""E-mails as due work: sent by SMTP, tried again, given up and shown, and never logged."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from tests.certificates import self_signed
from tests.conftest import app_on
from tests.identity.onboarding.mailbox import Post, mail_server, token_in
from tests.identity.people import Browse, Company

from frontdesk.core.resources import Resources
from frontdesk.core.settings import MailSettings
from frontdesk.identity.outbox import MAX_ATTEMPTS
from frontdesk.identity.work import SEND_MAIL

INVITES = "/api/v1/invites"


def _by_smtp(mailing: Resources, port: int, **settings: Any) -> Post:
    mail = MailSettings(
        smtp_host="localhost",
        smtp_port=port,
        smtp_timeout_seconds=5,
        sender="Frontdesk <desk@frontdesk.example>",
        **{"smtp_security": "none", **settings},
    )
    changed = mailing.settings.model_copy(update={"mail": mail})
    return Post(replace(mailing, settings=changed), Path())


async def _invite(browse: Browse, company: Company, email: str) -> Any:
    boss = await browse(company.admin)
    answer = await boss.post(INVITES, json={"email": email, "role": "ADMIN"})
    assert answer.status_code == 201
    return boss


@pytest.fixture
def email(company: Company) -> str:
    """An address nobody else writes to."""
    return f"nora@{company.slug}.example"


async def _row(admin_sql: asyncpg.Connection, email: str) -> Any:
    return await admin_sql.fetchrow("SELECT * FROM outgoing_mail WHERE address = $1", email)


async def _due_now(admin_sql: asyncpg.Connection, email: str) -> None:
    await admin_sql.execute("UPDATE outgoing_mail SET due_at = now() WHERE address = $1", email)


async def test_an_email_goes_out_by_smtp_to_its_one_recipient(
    browse: Browse, company: Company, email: str, mailing: Resources
) -> None:
    boss = await _invite(browse, company, email)
    async with mail_server() as server:
        await _by_smtp(mailing, server.port).deliver(email)
    assert server.envelopes == [f"rcpt TO:<{email}>"]
    (mail,) = server.mails
    assert (mail["To"], mail["From"]) == (email, "Frontdesk <desk@frontdesk.example>")
    offer = await boss.post(f"{INVITES}/open", json={"token": token_in(mail)})
    assert offer.json()["email"] == email


async def test_a_server_that_is_down_or_says_not_now_delays_and_the_newest_link_works(
    browse: Browse,
    company: Company,
    email: str,
    mailing: Resources,
    post: Post,
    admin_sql: asyncpg.Connection,
) -> None:
    boss = await _invite(browse, company, email)
    async with mail_server() as server:
        server.recipient_answer = "451 later"
        await _by_smtp(mailing, server.port).deliver(email)
    await _due_now(admin_sql, email)
    await _by_smtp(mailing, server.port).deliver(email)
    row = await _row(admin_sql, email)
    assert (row["attempts"], row["dead_at"]) == (2, None)
    assert row["due_at"] > datetime.now(UTC) + timedelta(seconds=100)
    assert (await boss.get(INVITES)).json()["items"][0]["delivery"] == "queued"
    await _due_now(admin_sql, email)
    token = await post.token_for(email)
    assert (await boss.post(f"{INVITES}/open", json={"token": token})).status_code == 200
    assert (await boss.get(INVITES)).json()["items"][0]["delivery"] == "sent"
    assert await _row(admin_sql, email) is None


@pytest.mark.parametrize("how", ["refused", "worn_out", "deadly", "no_address"])
async def test_an_email_that_can_not_arrive_is_given_up_and_its_inviter_sees_it(
    browse: Browse,
    company: Company,
    email: str,
    mailing: Resources,
    post: Post,
    admin_sql: asyncpg.Connection,
    how: str,
) -> None:
    email = f"a,b@{company.slug}.example" if how == "no_address" else email
    boss = await _invite(browse, company, email)
    if how == "worn_out":
        await admin_sql.execute(
            "UPDATE outgoing_mail SET attempts = $2 WHERE address = $1", email, MAX_ATTEMPTS - 1
        )
    if how == "deadly":  # No worker lived to say how an attempt ended.
        await admin_sql.execute(
            "UPDATE outgoing_mail SET attempts = $2 WHERE address = $1", email, MAX_ATTEMPTS
        )
    async with mail_server() as server:
        server.recipient_answer = "451 later" if how == "worn_out" else "550 nobody here"
        with structlog.testing.capture_logs() as logs:
            await _by_smtp(mailing, server.port).deliver(email)
    assert [line["event"] for line in logs] == ["mail_given_up"]
    row = await _row(admin_sql, email)
    assert row["dead_at"] is not None
    (invite,) = (await boss.get(INVITES)).json()["items"]
    assert (invite["state"], invite["delivery"]) == ("pending", "failed")
    # It stays dead, until somebody sends it again.
    assert email not in [mail["To"] for mail in await post.to(email)]
    if how != "no_address":
        await boss.post(f"{INVITES}/{invite['id']}/resend")
        assert len(await post.to(email)) == 1
        assert (await boss.get(INVITES)).json()["items"][0]["delivery"] == "sent"


async def test_a_crash_while_sending_leaves_the_email_due_and_two_workers_send_it_once(
    browse: Browse, company: Company, email: str, post: Post, admin_sql: asyncpg.Connection
) -> None:
    await _invite(browse, company, email)
    # As a worker leaves it that died between its claim and the answer: leased for ten minutes.
    await admin_sql.execute(
        "UPDATE outgoing_mail SET attempts = 1, due_at = now() + interval '10 minutes' "
        "WHERE address = $1",
        email,
    )
    assert await post.to(email) == []
    await _due_now(admin_sql, email)
    async with post.resources.db.system() as connection:
        mail_id = await connection.fetchval(
            "SELECT id FROM outgoing_mail WHERE address = $1", email
        )
    for _ in range(2):
        await SEND_MAIL.handle(post.resources, company.id, mail_id)
    assert len(await post.to(email)) == 1


async def test_no_server_is_trusted_without_a_good_certificate_and_none_in_the_clear(
    browse: Browse,
    company: Company,
    email: str,
    mailing: Resources,
    admin_sql: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    await _invite(browse, company, email)
    pem = self_signed(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    async with mail_server(context) as sealed, mail_server() as plain:
        # Unknown authority; and a server that offers no STARTTLS.
        await _by_smtp(mailing, sealed.port, smtp_security="tls").deliver(email)
        await _due_now(admin_sql, email)
        await _by_smtp(mailing, plain.port, smtp_security="starttls").deliver(email)
        assert (sealed.mails, plain.mails) == ([], [])
        assert (await _row(admin_sql, email))["attempts"] == 2
        await _due_now(admin_sql, email)
        trusted = _by_smtp(mailing, sealed.port, smtp_security="tls", smtp_ca_file=str(pem))
        await trusted.deliver(email)
        assert len(sealed.mails) == 1


async def test_no_link_is_in_a_log_or_in_the_outbox(
    browse: Browse,
    company: Company,
    email: str,
    mailing: Resources,
    post: Post,
    admin_sql: asyncpg.Connection,
) -> None:
    with structlog.testing.capture_logs() as logs:
        await _invite(browse, company, email)
        async with mail_server() as server:
            server.recipient_answer = "451 later"
            await _by_smtp(mailing, server.port).deliver(email)
        row = await _row(admin_sql, email)
        await _due_now(admin_sql, email)
        token = await post.token_for(email)
        browser = await browse()
        await browser.post(f"{INVITES}/open", json={"token": token})
        body = {"token": token, "name": "Nora", "password": "short"}
        await browser.post(f"{INVITES}/accept", json=body)
    assert "mail_put_off" in [line["event"] for line in logs]
    assert token not in str(logs)
    assert "token=" not in str(logs) + str(dict(row))


async def test_without_a_way_to_send_nothing_pretends_to(
    browse: Browse, company: Company, resources: Resources
) -> None:
    app = app_on(resources)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://testserver",
        headers={"Origin": "http://testserver"},
        cookies=(await browse(company.admin)).cookies,
    ) as browser:
        answers = [
            await browser.post(INVITES, json={"email": "x@example.com", "role": "ADMIN"}),
            await browser.post("/api/v1/auth/forgot-password", json={"email": "x@example.com"}),
        ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "mail_not_set_up")


@pytest.mark.parametrize("sender", ["", "Frontdesk", "Frontdesk <>", "@"])
def test_a_sender_that_is_no_address_stops_the_process_and_not_each_email(sender: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        MailSettings(sender=sender)
