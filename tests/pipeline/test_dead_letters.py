"""Poison and dead letters: what fails each time ends in front of a person, and others go on."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from tests.desk import Desk
from tests.pipeline.test_receive import _post_signed

from frontdesk.pipeline import (
    OPERATOR,
    Caller,
    Kind,
    discard_letter,
    find_number,
    get_letter,
    list_letters,
    replay_letter,
)
from frontdesk.pipeline.load import claim_burst
from frontdesk.simulator import SendFault, SendFaultKind

QUESTION = "How long does delivery take?"


@asynccontextmanager
async def _poisonous(admin_sql: Any, text: str) -> AsyncIterator[None]:
    """As long as this lasts, a message with this text can't be stored: a bug of ours, in effect."""
    await admin_sql.execute(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF NEW.text = '{text}' THEN RAISE 'poison'; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER poison BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION poison()"
    )
    try:
        # Drawing the tracebacks for the terminal takes seconds.
        with capture_logs():
            yield
    finally:
        await admin_sql.execute("DROP FUNCTION poison CASCADE")


async def _try_again_until_dead(desk: Desk, admin_sql: Any) -> None:
    """The pauses between attempts pass without the wait."""
    for _ in range(4):
        await admin_sql.execute("UPDATE webhook_event SET due_at = now() WHERE state = 'pending'")
        await desk.work_until_idle()


async def _dead_webhook(admin_sql: Any, *parts: dict[str, Any] | bytes) -> int:
    """A webhook that was given up; its number."""
    body = json.dumps({"object": "whatsapp_business_account", "entry": list(parts)}).encode()
    number: int = await admin_sql.fetchval(
        "INSERT INTO webhook_event (source, body, state, attempts, last_error) VALUES "
        "('whatsapp', $1, 'dead', 3, 'UniqueViolation: of some tenant') RETURNING id",
        body,
    )
    return number


def _news(desk: Desk, text: str, number: str = "4915550001") -> dict[str, Any]:
    """A message for a desk, as an entry of a webhook."""
    message = {
        "from": number,
        "id": f"wamid.{uuid4().hex}",
        "timestamp": "1795241416",
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550001111",
            "phone_number_id": desk.phone_number_id,
        },
        "contacts": [{"wa_id": number, "profile": {"name": "Mira"}}],
        "messages": [message],
    }
    return {"id": desk.waba_id, "changes": [{"field": "messages", "value": value}]}


@pytest.fixture
async def neighbour(desk: Desk) -> AsyncIterator[Desk]:
    """Another tenant on the same deployment."""
    made = await Desk.make(desk.app, desk.resources, desk.dispatcher, desk.simulator)
    yield made
    await made.aclose()


async def _letters(desk: Desk, **params: Any) -> list[Any]:
    items: list[Any] = (await (await desk.admin()).get("/dead-letters", **params))["items"]
    return items


async def _audited(desk: Desk) -> list[str]:
    rows = await desk.sql(
        "SELECT action FROM audit_entry WHERE action LIKE 'dead_letter.%' ORDER BY id"
    )
    return [row["action"] for row in rows]


async def test_an_item_that_fails_each_time_is_tried_alone_three_times_then_dead_and_replayable(
    desk: Desk, admin_sql: Any
) -> None:
    async with _poisonous(admin_sql, "Poison!"):
        desk.phone().say("Poison!")
        assert len(await desk.say(QUESTION, number="4915550002")) == 1
        await _try_again_until_dead(desk, admin_sql)
        assert len(await desk.say(QUESTION, number="4915550003")) == 1
        (letter,) = await _letters(desk)
        assert (letter["kind"], letter["state"], letter["attempts"]) == ("webhook", "dead", 3)
    admin = await desk.admin()
    shown = await admin.get(f"/dead-letters/{letter['id']}")
    assert shown["contents"][0]["raw"]["text"]["body"] == "Poison!"

    replayed = await admin.post(f"/dead-letters/{letter['id']}/replay")
    assert replayed["changed"] is True
    await desk.work_until_idle()
    rows = await desk.sql("SELECT seq FROM message WHERE text = 'Poison!'")
    assert [row["seq"] for row in rows] == [1]
    again = await admin.post(f"/dead-letters/{letter['id']}/replay")
    assert (again["changed"], again["message"]) == (False, "It was received already.")
    assert await _letters(desk) == []
    assert await _audited(desk) == ["dead_letter.replayed"]


async def test_a_webhook_that_ends_its_worker_each_time_is_dead_and_others_are_received(
    desk: Desk, admin_sql: Any
) -> None:
    body = json.dumps(
        {"object": "whatsapp_business_account", "entry": [_news(desk, "It ends you")]}
    ).encode()
    # Three workers have claimed it and were never heard of again; its lease is over.
    await admin_sql.execute(
        "INSERT INTO webhook_event (source, body, state, attempts) "
        "VALUES ('whatsapp', $1, 'pending', 3)",
        body,
    )
    assert len(await desk.say(QUESTION, number="4915550002")) == 1
    (letter,) = await _letters(desk)
    assert (letter["kind"], letter["state"]) == ("webhook", "dead")
    error = await admin_sql.fetchval("SELECT last_error FROM webhook_event WHERE body = $1", body)
    assert "a worker may have died of it" in error
    assert await desk.sql("SELECT 1 FROM message WHERE text = 'It ends you'") == []


async def test_a_burst_that_ends_its_worker_each_time_goes_to_a_person_and_others_are_answered(
    desk: Desk,
) -> None:
    bell = desk.resources.db.bell
    phone = desk.phone()
    await desk.say(QUESTION)
    await desk.sql(
        "UPDATE conversation SET inbound_seq = inbound_seq + 1, due_at = now() RETURNING id"
    )
    await desk.sql(
        "INSERT INTO message (id, conversation_id, channel_id, direction, author, seq, wamid, type,"
        " text) SELECT gen_random_uuid(), id, channel_id, 'in', 'contact', 2, 'wamid.p', 'text', "
        "'And to Spain?' FROM conversation RETURNING id"
    )
    (thread,) = await desk.sql("SELECT id FROM conversation")
    for _ in range(desk.resources.settings.worker.max_attempts):
        # A worker claims it and is never heard of again.
        assert await claim_burst(desk.resources, desk.id, thread["id"]) is not None
        assert len(await desk.say(QUESTION, number="4915550002")) >= 1
        await desk.sql(
            "UPDATE conversation SET lease_until = now() - interval '1 second' "
            "WHERE lease_until IS NOT NULL RETURNING id"
        )
        desk.resources.db.bell = bell
    await desk.work_until_idle()
    (burst,) = await _letters(desk, kind="burst")
    assert (burst["state"], burst["conversation_id"]) == ("with_person", str(thread["id"]))
    assert phone.replies[-1] != phone.replies[0]
    admin = await desk.admin()
    for deed in ("replay", "discard"):
        refused = await admin.post(f"/dead-letters/{burst['id']}/{deed}", status=409)
        assert refused["code"] == "with_a_person"
    await admin.post(f"/conversations/{thread['id']}/take-over")
    await admin.post(f"/conversations/{thread['id']}/close", {"reason": "resolved"})
    assert await _letters(desk) == []
    done = await admin.post(f"/dead-letters/{burst['id']}/replay")
    assert done["changed"] is False


async def test_a_tenant_sees_only_its_own_part_of_a_dead_webhook(
    desk: Desk, neighbour: Desk, admin_sql: Any
) -> None:
    await _dead_webhook(admin_sql, _news(desk, "Mine"), _news(neighbour, "Theirs"))
    await _dead_webhook(admin_sql, _news(neighbour, "Theirs alone"))
    (mine,) = await _letters(desk)
    assert len(await _letters(neighbour)) == 2
    shown = json.dumps(await (await desk.admin()).get(f"/dead-letters/{mine['id']}"))
    assert "Mine" in shown
    for theirs in ("Theirs", neighbour.phone_number_id, str(neighbour.id), "UniqueViolation"):
        assert theirs not in shown


async def test_another_tenants_dead_letters_are_not_there(desk: Desk, neighbour: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    await neighbour.say(QUESTION)
    (theirs,) = await _letters(neighbour)
    admin = await desk.admin()
    missing = str(uuid4())
    for path in ("", "/replay", "/discard"):
        answers = [
            await admin.http.request("POST" if path else "GET", f"/api/v1/dead-letters/{i}{path}")
            for i in (theirs["id"], missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert await _letters(neighbour) == [theirs]


async def test_an_unreadable_webhook_is_shown_to_operators_and_to_no_tenant(
    desk: Desk, admin_sql: Any
) -> None:
    body = b"not json " + uuid4().hex.encode()
    await _post_signed(desk, body)
    await desk.work_until_idle()
    assert await _letters(desk) == []
    number = await admin_sql.fetchval("SELECT id FROM webhook_event WHERE body = $1", body)
    letters = await list_letters(desk.resources, OPERATOR, kind=Kind.WEBHOOK)
    (letter,) = [each for each in letters if each.number == number]
    assert letter.tenant_ids == ()
    assert letter.reason.startswith("unreadable")
    shown = await get_letter(desk.resources, OPERATOR, letter.id)
    assert shown.contents == ({"what": "body", "raw": body.decode()},)
    first = await discard_letter(desk.resources, OPERATOR, letter.id)
    again = await discard_letter(desk.resources, OPERATOR, letter.id)
    assert (first.changed, again.changed) == (True, False)


async def test_what_an_operator_does_is_in_the_audit_log_of_each_tenant_it_concerns(
    desk: Desk, neighbour: Desk, admin_sql: Any
) -> None:
    number = await _dead_webhook(admin_sql, _news(desk, "Mine"), _news(neighbour, "Theirs"))
    letter_id = await find_number(desk.resources, number)
    assert (await replay_letter(desk.resources, OPERATOR, letter_id)).changed
    await desk.work_until_idle()
    for tenant, text in ((desk, "Mine"), (neighbour, "Theirs")):
        assert await _audited(tenant) == ["dead_letter.replayed"]
        told = [row["text"] for row in await tenant.sql("SELECT text FROM message ORDER BY seq")]
        assert told[0] == text


async def test_a_webhook_is_discarded_for_one_tenant_and_stays_for_the_other(
    desk: Desk, neighbour: Desk, admin_sql: Any
) -> None:
    number = await _dead_webhook(admin_sql, _news(desk, "Mine"), _news(neighbour, "Theirs"))
    for tenant, state in ((desk, "dead"), (neighbour, "discarded")):
        (letter,) = await _letters(tenant)
        admin = await tenant.admin()
        first = await admin.post(f"/dead-letters/{letter['id']}/discard")
        again = await admin.post(f"/dead-letters/{letter['id']}/discard")
        assert (first["changed"], again["changed"]) == (True, False)
        assert again["message"] == "It was discarded already."
        assert await _letters(tenant) == []
        assert await _audited(tenant) == ["dead_letter.discarded"]
        found = await admin_sql.fetchval("SELECT state FROM webhook_event WHERE id = $1", number)
        assert found == state


async def test_a_webhook_whose_reading_ended_a_process_is_not_read_again(
    desk: Desk, admin_sql: Any
) -> None:
    number = await _dead_webhook(admin_sql, _news(desk, "Deadly to read"))
    # What a process leaves that was ended while it read.
    await admin_sql.execute(
        "UPDATE webhook_event SET letter_id = $1 WHERE id = $2", uuid4(), number
    )
    assert await _letters(desk) == []
    found = await admin_sql.fetchval("SELECT concerns FROM webhook_event WHERE id = $1", number)
    assert found is None


async def test_a_failed_send_is_sent_again_once_however_often_it_is_replayed(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    await desk.say(QUESTION)
    (letter,) = await _letters(desk, kind="send")
    assert letter["state"] == "failed"
    admin = await desk.admin()
    phone = desk.phone()
    before = len(phone.replies)
    first = await admin.post(f"/dead-letters/{letter['id']}/replay")
    second = await admin.post(f"/dead-letters/{letter['id']}/replay")
    assert (first["changed"], second["changed"]) == (True, False)
    await desk.work_until_idle()
    assert len(phone.replies) == before + 1
    third = await admin.post(f"/dead-letters/{letter['id']}/replay")
    assert (third["changed"], third["message"]) == (False, "It was sent already.")
    assert third["letter"]["state"] == "sent"
    assert await _letters(desk) == []
    assert await _audited(desk) == ["dead_letter.replayed"]


async def test_what_would_be_refused_again_or_is_wanted_no_more_is_not_sent_again(
    desk: Desk,
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    await desk.say(QUESTION)
    (letter,) = await _letters(desk, kind="send")
    admin = await desk.admin()
    replay = f"/dead-letters/{letter['id']}/replay"
    await desk.sql("UPDATE outbound SET error_code = 131009 RETURNING id")
    refused = await admin.post(replay, status=409)
    assert refused["code"] == "retry_hopeless"
    await desk.sql(
        "UPDATE outbound SET error_code = 131026, "
        'content = content || \'{"type": "template"}\' RETURNING id'
    )
    await desk.sql("UPDATE contact SET opted_out_at = now() RETURNING id")
    refused = await admin.post(replay, status=409)
    assert refused["code"] == "opted_out"
    (found,) = await _letters(desk, kind="send")
    assert found["state"] == "failed"
    assert await _audited(desk) == []


async def test_a_send_nobody_knows_of_is_sent_again_or_let_go(desk: Desk) -> None:
    await desk.say(QUESTION)
    await desk.say(QUESTION, number="4915550002")
    await desk.sql(
        "UPDATE outbound SET state = 'needs_attention', delivery = NULL, finished_at = NULL "
        "RETURNING id"
    )
    newer, older = await _letters(desk)
    assert newer["state"] == older["state"] == "needs_attention"
    admin = await desk.admin()
    assert (await admin.post(f"/dead-letters/{older['id']}/replay"))["changed"] is True
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 2
    assert (await admin.post(f"/dead-letters/{newer['id']}/discard"))["changed"] is True
    assert (await admin.post(f"/dead-letters/{newer['id']}/discard"))["changed"] is False
    assert await _letters(desk) == []
    # Sent again by somebody who thinks better of it, it is let go no longer.
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    await admin.post(f"/messages/{newer['id']}/resolution", {"arrived": False})
    await desk.work_until_idle()
    (again,) = await _letters(desk, kind="send")
    assert (again["id"], again["state"]) == (newer["id"], "failed")


async def test_an_uncertain_send_that_arrived_counts_as_sent(desk: Desk) -> None:
    await desk.say(QUESTION)
    await desk.sql("UPDATE outbound SET state = 'needs_attention', delivery = NULL RETURNING id")
    (letter,) = await list_letters(desk.resources, Caller(tenant_id=desk.id), kind=Kind.SEND)
    for changed in (True, False):
        done = await discard_letter(desk.resources, OPERATOR, letter.id, arrived=True)
        assert (done.changed, done.letter.state) == (changed, "sent")
    assert len(desk.phone().replies) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE conversation SET last_inbound_at = now() - interval '2 days'", "window_closed"),
        ("UPDATE channel SET status = 'DISCONNECTED'", "channel_disconnected"),
    ],
)
async def test_a_send_that_can_not_leave_any_more_is_not_replayed(
    desk: Desk, change: str, code: str
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    await desk.say(QUESTION)
    (letter,) = await _letters(desk, kind="send")
    await desk.sql(f"{change} RETURNING id")
    refused = await (await desk.admin()).post(f"/dead-letters/{letter['id']}/replay", status=409)
    assert refused["code"] == code
    assert await _letters(desk, kind="send") == [letter]


async def test_dead_letters_come_in_pages_newest_first_and_to_admins_only(
    desk: Desk, admin_sql: Any
) -> None:
    for text in ("one", "two", "three"):
        await _dead_webhook(admin_sql, _news(desk, text))
    admin = await desk.admin()
    seen: list[str] = []
    cursor = None
    while True:
        page = await admin.get("/dead-letters", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)
    ana = await desk.ana()
    assert (await ana.http.get("/api/v1/dead-letters")).status_code == 403
    assert (await ana.http.post(f"/api/v1/dead-letters/{seen[0]}/replay")).status_code == 403
