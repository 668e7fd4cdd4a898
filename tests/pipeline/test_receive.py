"""Webhooks at the door and behind it: signatures, batches, poison, limits, every documented body."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from tests.conftest import APP_SECRET
from tests.desk import ORIGIN, Desk, eventually

from frontdesk.messaging import signature

PAYLOADS = sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))


def _client(desk: Desk) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=desk.app), base_url=ORIGIN)


async def _post(desk: Desk, body: bytes, *signatures: str) -> httpx.Response:
    headers = [("x-hub-signature-256", value) for value in signatures]
    async with _client(desk) as client:
        return await client.post("/webhooks/whatsapp", content=body, headers=headers)


async def _post_signed(desk: Desk, body: bytes) -> httpx.Response:
    return await _post(desk, body, signature(body, APP_SECRET.encode()))


async def _event(admin_sql: Any, body: bytes) -> Any:
    return await admin_sql.fetchrow(
        "SELECT * FROM webhook_event WHERE body = $1 ORDER BY id DESC LIMIT 1", body
    )


async def _put_off(desk: Desk) -> list[Any]:
    """The webhooks for a desk that wait for a better moment."""
    async with desk.resources.db.system() as connection:
        return await connection.fetch(
            "SELECT attempts FROM webhook_event WHERE last_error LIKE 'put off%' "
            "AND strpos(convert_from(body, 'UTF8'), $1) > 0",
            desk.phone_number_id,
        )


async def _come_due(desk: Desk) -> None:
    """The pauses of webhooks pass without the wait."""
    async with desk.resources.db.system() as connection:
        await connection.execute("UPDATE webhook_event SET due_at = now() WHERE state = 'pending'")
    await desk.work_until_idle()


async def test_the_handshake_gives_the_challenge_back(desk: Desk) -> None:
    async with _client(desk) as client:
        asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
        good = await client.get(
            "/webhooks/whatsapp", params=asked | {"hub.verify_token": "verify-me"}
        )
        bad = await client.get("/webhooks/whatsapp", params=asked | {"hub.verify_token": "other"})
    assert (good.status_code, good.text) == (200, "1158201444")
    assert good.headers["content-type"].startswith("text/plain")
    assert bad.status_code == 403


@pytest.mark.parametrize(
    "how", ["missing", "truncated", "of another app", "sha1", "upper", "twice", "of another body"]
)
async def test_a_body_that_is_not_signed_by_our_app_is_refused(
    desk: Desk, admin_sql: Any, how: str
) -> None:
    body = json.dumps({"object": how, "entry": []}).encode()
    right = signature(body, APP_SECRET.encode())
    given = {
        "missing": (),
        "truncated": (right[:-2],),
        "of another app": (signature(body, b"another app"),),
        "sha1": (right.replace("sha256", "sha1"),),
        "upper": (right.upper(),),
        "twice": (right, right),
        "of another body": (signature(body + b" ", APP_SECRET.encode()),),
    }[how]
    answer = await _post(desk, body, *given)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert await _event(admin_sql, body) is None


async def test_a_body_over_the_limit_is_refused_while_it_streams(desk: Desk) -> None:
    body = b"x" * (desk.resources.settings.limits.webhook_body_bytes + 1)
    assert (await _post_signed(desk, body)).status_code == 413


async def test_three_megabytes_are_taken(desk: Desk) -> None:
    body = json.dumps({"object": "x", "entry": [], "pad": "y" * 3_000_000}).encode()
    assert (await _post_signed(desk, body)).status_code == 200
    await desk.work_until_idle()


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[" * 5000,
        b'{"object": NaN}',
        b'{"entry": ' + b"9" * 6000 + b"}",
        b"",
    ],
)
async def test_an_unreadable_body_is_stored_acknowledged_and_dead(
    desk: Desk, admin_sql: Any, body: bytes
) -> None:
    assert (await _post_signed(desk, body)).status_code == 200
    await desk.work_until_idle()
    event = await _event(admin_sql, body)
    assert event["state"] == "dead"
    assert "unreadable" in event["last_error"]


@pytest.mark.parametrize("payload", [pytest.param(p.read_bytes(), id=p.stem) for p in PAYLOADS])
async def test_every_kind_of_webhook_is_taken_and_worked_off(
    desk: Desk, admin_sql: Any, payload: bytes
) -> None:
    # The number in it becomes this tenant's, so that it goes all the way.
    body = re.sub(
        rb'("phone_number_id":\s*)"[^"]*"', rb'\1"%b"' % desk.phone_number_id.encode(), payload
    )
    body = re.sub(
        rb'(\{\s*"id":\s*)"[^"]*"(\s*,\s*"(?:time|changes)")',
        rb'\1"%b"\2' % desk.waba_id.encode(),
        body,
    )
    assert (await _post_signed(desk, body)).status_code == 200
    await desk.work_until_idle()
    event = await _event(admin_sql, body)
    assert event["state"] in ("done", "pending"), event["last_error"]
    assert event["attempts"] <= 1


async def test_a_number_nobody_connected_touches_no_tenant(desk: Desk, admin_sql: Any) -> None:
    body = PAYLOADS[0].read_bytes().replace(b'"phone_number_id"', b'"phone_number_id_x"')
    assert (await _post_signed(desk, body)).status_code == 200
    await desk.work_until_idle()
    assert await desk.sql("SELECT 1 FROM message") == []
    assert (await _event(admin_sql, body))["state"] == "done"


async def test_text_that_postgres_refuses_is_cleaned_and_answered(desk: Desk) -> None:
    replies = await desk.say("How long does delivery\x00 take? \ud83d")
    assert len(replies) == 1
    (row,) = await desk.sql("SELECT text FROM message WHERE direction = 'in'")
    assert "\x00" not in row["text"]


async def test_a_flood_of_one_contact_is_shown_and_mostly_not_answered(desk: Desk) -> None:
    limit = desk.resources.settings.limits.contact_messages_per_minute
    phone = desk.phone()
    # Looked at in one moment, as in two of them more are let through.
    phone.say_together(*(f"Message number {number}" for number in range(limit + 20)))
    await desk.work_until_idle()
    rows = await desk.sql("SELECT ignored_reason FROM message WHERE direction = 'in'")
    limited = [row for row in rows if row["ignored_reason"] == "rate_limited"]
    assert len(rows) == limit + 20
    assert len(limited) == 20


async def test_contacts_of_one_person_write_at_one_persons_rate(desk: Desk) -> None:
    numbers = ("4915550001", "4915550002")
    for number in numbers:
        await desk.say("Hello", number=number)
    ana = await desk.ana()
    kept, merged = [(await desk.conversation(each))["contact"]["id"] for each in numbers]
    await ana.post(f"/contacts/{kept}/merge", {"contact_id": merged})
    limit = desk.resources.settings.limits.contact_messages_per_minute
    desk.phone(numbers[0]).say_together(*(f"Message number {number}" for number in range(limit)))
    await desk.work_until_idle()

    async def is_limited(*texts: str) -> bool:
        """Whether the last of them is."""
        await desk.say(*texts, number=numbers[1])
        (row,) = await desk.sql("SELECT ignored_reason FROM message WHERE text = $1", texts[-1])
        return row["ignored_reason"] == "rate_limited"

    # Half of what one may write by oneself: it is refused, however long that took.
    assert await is_limited(*(f"And {number}?" for number in range(limit // 2)))
    await ana.http.delete(f"/api/v1/contacts/{merged}/merge")
    assert not await is_limited("On my own again?")


async def test_webhooks_are_taken_while_redis_is_down(desk: Desk) -> None:
    bell = desk.resources.db.bell

    class Dead:
        def ring(self, *_: Any, **__: Any) -> None:
            """Nobody hears it."""

    desk.resources.db.bell = Dead()
    try:
        phone = desk.phone()
        await phone.say("How long does delivery take?")
        await asyncio.sleep(0.1)
        assert phone.replies == []
    finally:
        desk.resources.db.bell = bell
    await desk.work_until_idle()
    assert len(phone.replies) == 1, "the sweep found it"


async def test_an_edit_replaces_the_text_and_a_revoke_forgets_it(
    desk: Desk,
) -> None:
    phone = desk.phone()
    await phone.say("How long does delivery take?")
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT wamid FROM message WHERE direction = 'in'")
    phone.edit(row["wamid"], "How long does shipping take?")
    await desk.work_until_idle()
    (edited,) = await desk.sql("SELECT text, edited_at FROM message WHERE seq = 1")
    assert edited["text"] == "How long does shipping take?"
    assert edited["edited_at"] is not None
    phone.revoke(row["wamid"])
    await desk.work_until_idle()
    (revoked,) = await desk.sql("SELECT text, revoked_at FROM message WHERE seq = 1")
    assert revoked["text"] == ""
    assert revoked["revoked_at"] is not None
    # Nor does the inbox show it, where it is the last word.
    thread = await desk.conversation()
    await (await desk.admin()).post(f"/conversations/{thread['id']}/take-over")
    posting = phone.say("My number is 4711.")
    await desk.work_until_idle()
    assert (await desk.conversation())["last_text"] == "My number is 4711."
    phone.revoke(posting.wamids[0])
    await desk.work_until_idle()
    assert (await desk.conversation())["last_text"] == "[text]"


async def test_an_edit_that_comes_before_its_message_is_applied_when_that_has_come(
    desk: Desk,
) -> None:
    phone = desk.phone()
    wamid = f"wamid.{uuid4().hex}"
    phone.edit(wamid, "How long does shipping take?")
    await desk.work_until_idle()
    phone.say("How long does it take?", wamid=wamid)
    await desk.work_until_idle()
    await _come_due(desk)  # It is looked at again after a moment.
    (row,) = await desk.sql("SELECT text, edited_at FROM message WHERE seq = 1")
    assert row["text"] == "How long does shipping take?"
    assert row["edited_at"] is not None


async def test_a_database_that_has_no_time_costs_a_message_nothing(desk: Desk) -> None:
    phone = desk.phone()
    await desk.say("How long does delivery take?")
    async with desk.resources.db.hot(desk.id) as tx:
        await tx.sql.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await tx.sql.fetch("SELECT id FROM conversation FOR UPDATE")
        phone.say("Can I return a lamp?")
        cancelled = (
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
            "WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        await eventually(lambda: tx.sql.fetch(cancelled))
        await eventually(lambda: _put_off(desk))
    await _come_due(desk)
    assert len(phone.replies) == 2


async def test_webhooks_are_put_off_and_lose_no_try_while_the_database_has_no_time(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    phone = desk.phone()
    async with admin_sql.transaction():
        await admin_sql.execute("LOCK TABLE contact_alias")
        phone.say("How long does delivery take?")
        await eventually(lambda: _put_off(desk), seconds=15)
    assert [row["attempts"] for row in await _put_off(desk)] == [0]
    await _come_due(desk)
    assert len(phone.replies) == 1
    assert await _put_off(desk) == []
