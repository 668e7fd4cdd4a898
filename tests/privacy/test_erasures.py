"""Erasure: what a contact said and is known by is nowhere any more, and does not come back."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.desk import Desk, Person, eventually, held_up_here, wait_for_somebody_held_up
from tests.forked import frontdesk
from tests.pipeline.test_dead_letters import _news
from tests.pipeline.test_receive import _post_signed

from frontdesk.core.resources import Resources
from frontdesk.privacy import reapply_erasures
from frontdesk.simulator import SendFault, SendFaultKind

NUMBER, OTHER = "4915550001", "4915550002"
SECRET = "my door code is 7391-quokka"
NAME = "Zebulon Quartermain"


async def _erase(desk: Desk, admin: Person, contact_id: str) -> Any:
    started = await admin.post("/erasures", {"contact_id": contact_id}, status=202)
    await desk.work_until_idle()
    return await admin.get(f"/erasures/{started['id']}")


async def _everywhere(admin_sql: Any, desk: Desk, text: str) -> list[str]:
    """Every table with a row of the tenant, or a raw webhook of its number, that holds a text."""
    tables = await admin_sql.fetch(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND a.attnum > 0"
    )
    found = []
    for table in tables:
        rows = await admin_sql.fetchval(
            f"SELECT count(*) FROM {table['name']} t WHERE tenant_id = $1 AND t::text LIKE $2",
            desk.id,
            f"%{text}%",
        )
        found += [table["name"]] * bool(rows)
    webhooks = await admin_sql.fetchval(
        "SELECT count(*) FROM webhook_event WHERE position($1 IN body) > 0 "
        "AND position($2 IN body) > 0",
        text.encode(),
        desk.phone_number_id.encode(),
    )
    return found + ["webhook_event"] * bool(webhooks)


async def test_an_erased_contact_is_nowhere_and_what_it_cost_stays(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    await desk.say(f"How long does delivery take? {SECRET}", number=NUMBER, name=NAME)
    await desk.say("I want to talk to a person", number=NUMBER, name=NAME)
    await desk.say(f"My neighbour has +49 155 50001, write to {NUMBER}", number=OTHER)
    contact = (await desk.conversation(NUMBER))["contact"]
    turns_before = await desk.sql(
        "SELECT id, outcome, input_tokens, cost_usd FROM turn ORDER BY id"
    )
    costs = "SELECT sum(amount_usd) AS usd, count(*) AS entries FROM usage_entry"
    costs_before = await desk.sql(costs)
    assert len(await _everywhere(admin_sql, desk, SECRET)) >= 5
    assert len(await _everywhere(admin_sql, desk, NAME)) >= 2

    receipt = await _erase(desk, admin, contact["id"])

    assert receipt["state"] == "done", receipt
    assert receipt["report"]["left"] == {}
    assert receipt["report"]["webhooks"] >= 2
    for trace in (SECRET, NAME, NUMBER, "quokka", "+49 155 50001"):
        assert await _everywhere(admin_sql, desk, trace) == [], trace
    turns = await desk.sql("SELECT id, outcome, input_tokens, cost_usd FROM turn ORDER BY id")
    assert [row for row in turns if row in turns_before] == turns_before
    assert await desk.sql(costs) == costs_before
    # Others keep what they wrote, but for the number.
    other = await desk.conversation(OTHER)
    messages = (await admin.get(f"/conversations/{other['id']}/messages"))["items"]
    assert "My neighbour has +[erased], write to [erased]" in [m["text"] for m in messages]
    webhooks = await admin_sql.fetch(
        "SELECT body FROM webhook_event WHERE position($1 IN body) > 0", b"My neighbour"
    )
    assert webhooks
    # What is shown of it still reads.
    page = await admin.get("/conversations", order="recent")
    for item in page["items"]:
        await admin.get(f"/conversations/{item['id']}/turns")
    await admin.get("/feed/events", after=0)


async def _frontdesk(resources: Resources, folder: Path, *arguments: str) -> str:
    """What a command prints, run on the test's database and folder."""
    settings = resources.settings
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE__URL": settings.database.app_dsn,
        "REDIS__URL": settings.redis.url.get_secret_value(),
        "SECURITY__SESSION_SECRET": settings.security.session_secret.get_secret_value(),
        "SECURITY__ENCRYPTION_KEYS": ",".join(
            f"{name}:{key.get_secret_value()}"
            for name, key in settings.security.encryption_keys.items()
        ),
        "WHATSAPP__APP_SECRETS": settings.whatsapp.app_secrets[0].get_secret_value(),
        "WHATSAPP__VERIFY_TOKEN": settings.whatsapp.verify_token.get_secret_value(),
        "PRIVACY__FOLDER": str(folder),
    }
    done = await asyncio.to_thread(frontdesk, *arguments, environment=environment, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
async def erased(desk: Desk, admin_sql: Any) -> Any:
    """A contact that has written and was erased; the raw webhooks from before it."""
    await desk.say(f"Hello {SECRET}", number=NUMBER, name=NAME)
    bodies = await admin_sql.fetch(
        "SELECT body FROM webhook_event WHERE position($1 IN body) > 0",
        desk.phone_number_id.encode(),
    )
    contact = (await desk.conversation(NUMBER))["contact"]
    receipt = await _erase(desk, await desk.admin(), contact["id"])
    assert receipt["state"] == "done", receipt
    return {"contact": contact, "bodies": [row["body"] for row in bodies], "receipt": receipt}


async def test_webhooks_that_come_again_do_not_bring_the_erased_back(
    desk: Desk, admin_sql: Any, erased: Any
) -> None:
    for body in erased["bodies"]:
        await _post_signed(desk, body)
    await desk.work_until_idle()
    contacts = await desk.sql("SELECT wa_id, bsuid FROM contact")
    assert [row["wa_id"] for row in contacts] == [None]
    for table in ("message", "contact", "contact_alias", "feed_event", "outbound"):
        rows = await desk.sql(f"SELECT 1 FROM {table} t WHERE t::text LIKE '%{NUMBER}%'")
        assert rows == [], table


async def test_a_dead_webhook_replayed_after_the_erasure_brings_nobody_back(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    await desk.say("Hello", number=NUMBER)
    dead = json.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [_news(desk, SECRET, NUMBER), _news(desk, "I am another", OTHER)],
        }
    ).encode()
    number = await admin_sql.fetchval(
        "INSERT INTO webhook_event (source, body, state, attempts, last_error) VALUES "
        "('whatsapp', $1, 'dead', 3, 'a bug') RETURNING id",
        dead,
    )
    contact = (await desk.conversation(NUMBER))["contact"]
    assert (await _erase(desk, admin, contact["id"]))["state"] == "done"
    body = await admin_sql.fetchval("SELECT body FROM webhook_event WHERE id = $1", number)
    assert SECRET.encode() not in body
    assert b"I am another" in body
    (letter,) = (await admin.get("/dead-letters", kind="webhook"))["items"]
    await admin.post(f"/dead-letters/{letter['id']}/replay")
    await desk.work_until_idle()
    known = await desk.sql("SELECT value FROM contact_alias")
    assert [row["value"] for row in known] == [OTHER]


async def test_the_erased_may_write_again_as_somebody_new(
    desk: Desk, admin_sql: Any, erased: Any
) -> None:
    # WhatsApp's times are whole seconds; the erasure was a while ago.
    await desk.sql(
        "UPDATE erased_identity SET erased_at = erased_at - interval '1 hour' RETURNING 1"
    )
    replies = await desk.say("How long does delivery take?", number=NUMBER, name=NAME)
    assert replies
    fresh = (await desk.conversation(NUMBER))["contact"]
    assert fresh["id"] != erased["contact"]["id"]


async def test_a_status_that_comes_after_the_erasure_names_nobody(
    desk: Desk, admin_sql: Any
) -> None:
    await desk.say("How long does delivery take?", number=NUMBER)
    (sent,) = await desk.sql("SELECT id, wamid, delivery FROM outbound")
    assert sent["wamid"]
    contact = (await desk.conversation(NUMBER))["contact"]
    assert (await _erase(desk, await desk.admin(), contact["id"]))["state"] == "done"
    status = {
        "id": sent["wamid"],
        "status": "read",
        "timestamp": str(int(time.time()) + 60),
        "recipient_id": NUMBER,
        "biz_opaque_callback_data": f"{sent['id']}.1",
    }
    entry = _news(desk, "", NUMBER)
    value = entry["changes"][0]["value"]
    del value["messages"], value["contacts"]
    value["statuses"] = [status]
    body = {"object": "whatsapp_business_account", "entry": [entry]}
    await _post_signed(desk, json.dumps(body).encode())
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT wamid, delivery, content FROM outbound")
    assert (row["wamid"], row["delivery"], row["content"]) == (None, "read", "{}")
    assert set(await _everywhere(admin_sql, desk, sent["wamid"])) <= {"webhook_event"}


async def test_after_a_restore_the_ledger_erases_again(
    desk: Desk, resources: Resources, admin_sql: Any, erased: Any, folder: Path
) -> None:
    ledger = (folder / "erasures.jsonl").read_text()
    assert NUMBER not in ledger
    # The backup was made before: the contact is back, and nobody knows of the erasure.
    contact_id = UUID(erased["contact"]["id"])
    await desk.sql(
        "UPDATE contact SET wa_id = $2, bsuid = NULL, name = $3 WHERE id = $1 RETURNING 1",
        contact_id,
        NUMBER,
        NAME,
    )
    await desk.sql(
        "INSERT INTO contact_alias (kind, value, contact_id) VALUES ('wa_id', $1, $2) RETURNING 1",
        NUMBER,
        contact_id,
    )
    await desk.sql("UPDATE message SET text = $1 RETURNING 1", SECRET)
    await desk.sql("DELETE FROM erased_identity RETURNING 1")
    await desk.sql("DELETE FROM erasure RETURNING 1")

    done = await _frontdesk(resources, folder, "erasures", "reapply", "--json")
    assert json.loads(done) == {"erasures": 1, "people": 1}
    await desk.work_until_idle()

    for trace in (SECRET, NUMBER, NAME):
        assert await _everywhere(admin_sql, desk, trace) == [], trace
    again = await reapply_erasures(resources)
    assert again.erasures == 0


async def test_another_tenants_contact_can_be_neither_erased_nor_seen(
    desk: Desk, resources: Resources, admin_sql: Any
) -> None:
    neighbour = await Desk.make(desk.app, resources, desk.dispatcher, desk.simulator)
    await neighbour.say(SECRET, number=NUMBER, name=NAME)
    await desk.say("Hello", number=NUMBER, name=NAME)
    theirs = (await neighbour.conversation(NUMBER))["contact"]
    admin = await desk.admin()
    told = await admin.post("/erasures", {"contact_id": theirs["id"]}, status=404)
    assert told["code"] == "contact_not_found"
    # The same person at two businesses: each erases its own part only.
    ours = (await desk.conversation(NUMBER))["contact"]
    assert (await _erase(desk, admin, ours["id"]))["state"] == "done"
    assert await _everywhere(admin_sql, neighbour, SECRET)
    assert "webhook_event" in await _everywhere(admin_sql, neighbour, NUMBER)
    receipts = await (await neighbour.admin()).get("/erasures")
    assert receipts["items"] == []
    await neighbour.aclose()


async def test_work_in_hand_is_waited_for_before_anything_counts_as_gone(
    desk: Desk, admin_sql: Any
) -> None:
    await desk.say("Hello", number=NUMBER)
    conversation = await desk.conversation(NUMBER)
    # A worker has it: it writes down what was promised.
    await desk.sql(
        "INSERT INTO commitment (id, conversation_id, message_id, by, text, state, due_at, attempts) "
        "SELECT gen_random_uuid(), conversation_id, id, 'agent', '', 'noticed', "
        "now() + interval '1 minute', 1 FROM message LIMIT 1"
    )
    admin = await desk.admin()
    receipt = await _erase(desk, admin, conversation["contact"]["id"])
    assert (receipt["state"], receipt["stage"]) == ("queued", "waiting")
    # Meanwhile a model's answer, begun before, is written down.
    await desk.sql(
        "INSERT INTO llm_call (id, request_id, attempt, feature, conversation_id, model_asked, "
        "messages, parameters, outcome, latency_seconds, usage_known) SELECT gen_random_uuid(), "
        "gen_random_uuid(), 1, 'reply', $1, 'm', to_jsonb($2::text), '{}', 'ok', 1, true RETURNING 1",
        UUID(conversation["id"]),
        SECRET,
    )
    await desk.sql("UPDATE erasure SET due_at = now() RETURNING 1")
    await desk.work_until_idle()
    assert (await admin.get(f"/erasures/{receipt['id']}"))["state"] == "done"
    assert await _everywhere(admin_sql, desk, SECRET) == []


async def test_a_turn_that_is_begun_at_this_very_moment_is_waited_for_too(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    await desk.say(SECRET, number=NUMBER)
    contact_id = (await desk.conversation(NUMBER))["contact"]["id"]
    async with admin_sql.transaction():
        # As a claim does it.
        await admin_sql.execute(
            "UPDATE conversation SET lease_until = now() + interval '1 minute' WHERE tenant_id = $1",
            desk.id,
        )
        erasing = asyncio.create_task(_erase(desk, admin, contact_id))

        await wait_for_somebody_held_up(admin_sql)
    receipt = await erasing
    assert (receipt["state"], receipt["stage"]) == ("queued", "waiting")


async def test_what_a_model_is_about_to_be_asked_is_waited_for_too(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    await desk.say(SECRET, number=NUMBER)
    conversation = await desk.conversation(NUMBER)
    await desk.sql(
        "INSERT INTO suggestion (id, conversation_id, task, wish, state, due_at) VALUES "
        """(gen_random_uuid(), $1, 'draft', '{"task": "draft"}', 'queued', now()) RETURNING 1""",
        UUID(conversation["id"]),
    )
    answered = len(desk.simulator.model.asked("reply"))
    desk.simulator.configure(model_latency_seconds=(0.5, 0.5))
    async with admin_sql.transaction():
        # What is much takes long to erase.
        await admin_sql.execute("LOCK TABLE message IN SHARE ROW EXCLUSIVE MODE")
        erasing = asyncio.create_task(_erase(desk, admin, conversation["contact"]["id"]))

        async def has_got_so_far() -> bool:
            rows = await desk.sql("SELECT stage FROM erasure")
            return await held_up_here(admin_sql) == 1 or [row["stage"] for row in rows] == [
                "waiting"
            ]

        await eventually(has_got_so_far)
        assert desk.dispatcher is not None
        await desk.dispatcher.sweep("escalation.suggestion")
        await eventually(lambda: len(desk.simulator.model.asked("reply")) > answered)
    receipt = await erasing
    desk.simulator.configure(model_latency_seconds=(0, 0))
    assert (receipt["state"], receipt["stage"]) == ("queued", "waiting")
    await desk.sql("UPDATE erasure SET due_at = now() RETURNING 1")
    await desk.work_until_idle()
    assert (await admin.get(f"/erasures/{receipt['id']}"))["state"] == "done"
    assert await _everywhere(admin_sql, desk, SECRET) == []


async def test_a_message_that_is_on_the_wire_when_it_is_erased_learns_no_number(
    desk: Desk, admin_sql: Any
) -> None:
    admin = await desk.admin()
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.LOSE_STATUS))
    desk.simulator.configure(send_latency_seconds=(15, 15))
    desk.phone(NUMBER).say("How long does delivery take?")
    await eventually(lambda: desk.sql("SELECT 1 FROM outbound WHERE state = 'sending'"))
    contact_id = (await desk.conversation(NUMBER))["contact"]["id"]
    await admin.post("/erasures", {"contact_id": contact_id}, status=202)
    # What a person wrote may set out after the erasure has looked for what is in hand.
    await eventually(lambda: desk.sql("SELECT 1 FROM erasure WHERE stage = 'waiting'"))
    await desk.sql("UPDATE erasure SET due_at = now() RETURNING 1")
    assert desk.dispatcher is not None
    await desk.dispatcher.sweep("privacy.erasure")
    await eventually(lambda: desk.sql("SELECT 1 FROM erasure WHERE state = 'done'"))
    desk.simulator.configure(send_latency_seconds=(0, 0))
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT state, wamid FROM outbound")
    assert tuple(row) == ("sent", None)


async def test_a_human_agent_may_neither_erase_nor_export(desk: Desk) -> None:
    ana = await desk.ana()
    contact_id = str(desk.id)
    await ana.post("/erasures", {"contact_id": contact_id}, status=403)
    await ana.post("/exports", {}, status=403)


async def test_an_erased_tenant_keeps_its_costs_and_nothing_else(
    desk: Desk, resources: Resources, admin_sql: Any, folder: Path
) -> None:
    neighbour = await Desk.make(desk.app, resources, desk.dispatcher, desk.simulator)
    wamids = "SELECT wamid FROM message WHERE wamid IS NOT NULL"
    await neighbour.say(f"How long does delivery take? {SECRET}", number=NUMBER, name=NAME)
    await neighbour.say("I want to talk to a person", number=NUMBER)
    await desk.say(f"Hello {SECRET}", number=NUMBER)
    admin = await neighbour.admin()
    costs = "SELECT sum(amount_usd) AS usd, count(*) AS entries FROM usage_entry"
    outcomes = "SELECT outcome, cost_usd FROM turn ORDER BY id"
    known = [row["wamid"] for row in await neighbour.sql(wamids)]
    assert known
    before = await neighbour.sql(costs), await neighbour.sql(outcomes)
    command = (
        "erasures",
        "start",
        "--tenant",
        str(neighbour.id),
        "--everything",
        "--yes",
        "--json",
    )
    erasure_id = json.loads(await _frontdesk(resources, folder, *command))["id"]
    await neighbour.work_until_idle()
    # Nobody gets in from now on; what was begun before is waited for.
    assert (await admin.http.get("/api/v1/me")).status_code == 401
    await neighbour.sql("UPDATE erasure SET due_at = now() RETURNING 1")
    await neighbour.work_until_idle()
    (receipt,) = await neighbour.sql("SELECT * FROM erasure WHERE id = $1", erasure_id)
    assert (receipt["state"], receipt["last_error"]) == ("done", None)
    assert (await neighbour.sql(costs), await neighbour.sql(outcomes)) == before
    for trace in (SECRET, NAME, NUMBER, "Lumen & Oak", "Olive", neighbour.phone_number_id, *known):
        assert await _everywhere(admin_sql, neighbour, trace) == [], trace
    for table in ("knowledge_source", "prompt", "membership", "contact_alias", "timer"):
        assert await neighbour.sql(f"SELECT 1 FROM {table}") == [], table
    emails = await admin_sql.fetchval("SELECT count(*) FROM app_user WHERE email = $1", admin.email)
    assert emails == 0
    # The other tenant of the same person goes on as it was.
    assert await _everywhere(admin_sql, desk, SECRET)
    assert await desk.say("How long does delivery take?", number=NUMBER)
    await neighbour.aclose()
