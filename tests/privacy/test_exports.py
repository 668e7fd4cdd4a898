"""Exports: complete by the database's own list of tables, one tenant's, fetched for a while."""

import io
import json
import os
import zipfile
from glob import glob
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from tests.desk import Desk, Person, eventually, wait_for_somebody_held_up

from frontdesk.core.resources import Resources
from frontdesk.privacy.catalogue import HOLDINGS, list_tables

NUMBER, OTHER = "4915550001", "4915550002"


async def _export(desk: Desk, admin: Person, **body: Any) -> tuple[Any, dict[str, list[Any]], Any]:
    """The export as shown, its rows by table, and its manifest."""
    started = await admin.post("/exports", body, status=202)
    await desk.work_until_idle()
    shown = await admin.get(f"/exports/{started['id']}")
    assert shown["state"] == "done", shown
    answer = await admin.http.get(f"/api/v1/exports/{shown['id']}/file")
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    manifest = json.loads(archive.read("manifest.json"))
    rows = {
        file["table"]: [json.loads(line) for line in archive.read(file["name"]).splitlines()]
        for file in manifest["files"]
    }
    assert {file["table"]: file["rows"] for file in manifest["files"]} == {
        table: len(found) for table, found in rows.items()
    }
    return shown, rows, manifest


async def test_a_tenants_export_holds_every_row_of_every_table_it_has(
    desk: Desk, admin_sql: Any
) -> None:
    await desk.say("How long does delivery take?", number=NUMBER)
    await desk.say("I want to talk to a person", number=NUMBER)
    admin = await desk.admin()
    shown, rows, _ = await _export(desk, admin)
    tables = await admin_sql.fetch(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND c.relnamespace = "
        "'public'::regnamespace AND has_table_privilege('frontdesk_app', c.oid, 'SELECT')"
    )
    assert {table["name"] for table in tables} <= set(rows)
    for name in rows.keys() - {"tenant", "app_user", "feed_event", "feed_counter", "audit_entry"}:
        there = await admin_sql.fetchval(
            f"SELECT count(*) FROM {name} WHERE tenant_id = $1", desk.id
        )
        assert len(rows[name]) == there, name
    assert rows["message"][0]["text"] == "How long does delivery take?"
    assert [row["id"] for row in rows["tenant"]] == [str(desk.id)]
    assert {row["email"].partition("@")[0] for row in rows["app_user"]} == {"admin", "ana", "ben"}
    assert shown["row_count"] == sum(len(found) for found in rows.values())
    text = json.dumps(rows)
    for secret in ("access_token_sealed", "password", "$argon2", "EAAB"):
        assert secret not in text, secret


async def test_an_export_that_an_erasure_overtakes_is_made_once_more(
    desk: Desk, admin_sql: Any
) -> None:
    admin, said = await desk.admin(), "My door code is 7391-quokka."
    await desk.say(said, number=NUMBER)
    contact = (await desk.conversation(NUMBER))["contact"]

    async def is_erased() -> bool:
        return [row["state"] for row in await desk.sql("SELECT state FROM erasure")] == ["done"]

    async with admin_sql.transaction():
        # What the contact said has been read by then, and no erasure needs this.
        await admin_sql.execute("LOCK TABLE team_member IN ACCESS EXCLUSIVE MODE")
        started = await admin.post("/exports", {}, status=202)
        await wait_for_somebody_held_up(admin_sql)
        await admin.post("/erasures", {"contact_id": contact["id"]}, status=202)
        await eventually(is_erased)
    await desk.work_until_idle()
    assert (await admin.get(f"/exports/{started['id']}"))["state"] == "queued"
    await desk.sql("UPDATE data_export SET due_at = now() RETURNING 1")
    await desk.work_until_idle()
    answer = await admin.http.get(f"/api/v1/exports/{started['id']}/file")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert not any(said.encode() in archive.read(name) for name in archive.namelist())


@pytest.mark.parametrize(
    ("erased", "stage", "exported", "waits"),
    [
        ("tenant", "scrub", None, True),
        ("tenant", "scrub", NUMBER, True),
        (OTHER, "scrub", None, True),
        (NUMBER, "verify", NUMBER, True),
        (OTHER, "scrub", NUMBER, False),
        # It takes the file along when it goes on.
        (OTHER, "waiting", None, False),
    ],
)
async def test_an_export_waits_while_somebody_it_holds_is_erased_and_for_nobody_else(
    desk: Desk, erased: str, stage: str, exported: str | None, waits: bool
) -> None:
    admin, contacts = await desk.admin(), {}
    for number in (NUMBER, OTHER):
        await desk.say("How long does delivery take?", number=number)
        contacts[number] = (await desk.conversation(number))["contact"]["id"]
    await desk.sql(
        "INSERT INTO erasure (tenant_id, id, contact_id, state, stage, due_at) VALUES ($1, "
        "gen_random_uuid(), $2::uuid, 'queued', $3, now() + interval '1 hour') RETURNING 1",
        desk.id,
        contacts.get(erased),
        stage,
    )
    body = {"contact_id": contacts[exported]} if exported else {}
    started = await admin.post("/exports", body, status=202)
    await desk.work_until_idle()
    shown = await admin.get(f"/exports/{started['id']}")
    assert shown["state"] == ("queued" if waits else "done")


async def test_a_contacts_export_holds_theirs_and_nobody_elses(desk: Desk) -> None:
    await desk.say("How long does delivery take?", number=NUMBER)
    await desk.say("This is of another", number="4915550002")
    contact = (await desk.conversation(NUMBER))["contact"]
    _, rows, manifest = await _export(desk, await desk.admin(), contact_id=contact["id"])
    assert manifest["contact_id"] == contact["id"]
    assert [row["id"] for row in rows["contact"]] == [contact["id"]]
    for table in (
        "conversation",
        "message",
        "turn",
        "outbound",
        "llm_call",
        "usage_entry",
        "feed_event",
    ):
        assert rows[table], table
    text = json.dumps(rows)
    assert "This is of another" not in text
    assert "4915550002" not in text


async def test_every_table_that_can_name_a_contact_says_what_it_holds(resources: Resources) -> None:
    async with resources.db.system() as connection:
        tables = await list_tables(connection)
    assert set(HOLDINGS) <= {table.name for table in tables}
    for table in tables:
        if {"contact_id", "conversation_id", "wamid", "wa_id"} & set(table.columns):
            assert table.holding.of_contact is not None, f"{table.name} says nothing of contacts"


async def test_the_file_is_for_the_tenants_admins_an_attachment_and_never_stored(
    desk: Desk, resources: Resources
) -> None:
    shown, _, _ = await _export(desk, await desk.admin())
    path = f"/api/v1/exports/{shown['id']}/file"
    answer = await (await desk.admin()).http.get(path)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/zip"
    assert (await (await desk.ana()).http.get(path)).status_code == 403
    neighbour = await Desk.make(desk.app, resources, desk.dispatcher, desk.simulator)
    stranger = await neighbour.admin()
    assert (await stranger.http.get(path)).status_code == 404
    assert (await stranger.get("/exports"))["items"] == []
    await neighbour.aclose()
    audited = await (await desk.admin()).get("/audit-entries", subject_id=shown["id"])
    assert [entry["action"] for entry in audited["items"]] == [
        "request.refused",
        "export.downloaded",
        "export.downloaded",
        "export.requested",
    ]


async def test_an_expired_export_is_deleted_and_refused(desk: Desk, folder: Path) -> None:
    admin = await desk.admin()
    shown, _, _ = await _export(desk, admin)
    (file,) = glob(f"{folder}/exports/*/*.zip")
    assert os.stat(file).st_mode & 0o077 == 0
    await desk.sql(
        "UPDATE data_export SET due_at = now(), expires_at = now() WHERE id = $1 RETURNING 1",
        shown["id"],
    )
    gone = await admin.http.get(f"/api/v1/exports/{shown['id']}/file")
    assert (gone.status_code, gone.json()["code"]) == (404, "export_not_there")
    await desk.work_until_idle()
    assert glob(f"{folder}/exports/*/*") == []
    assert (await admin.get(f"/exports/{shown['id']}"))["state"] == "expired"


async def test_one_export_of_a_tenant_is_made_at_a_time(desk: Desk) -> None:
    admin = await desk.admin()
    await desk.sql(
        "INSERT INTO data_export (id, state, due_at) VALUES (gen_random_uuid(), 'queued', "
        "now() + interval '1 hour') RETURNING 1"
    )
    refused = await admin.post("/exports", {}, status=409)
    assert refused["code"] == "already_running"
    await desk.sql("UPDATE data_export SET due_at = now() RETURNING 1")
    await desk.work_until_idle()
    await admin.post("/exports", {}, status=202)


async def test_an_unknown_contact_is_refused(desk: Desk) -> None:
    admin = await desk.admin()
    told = await admin.post("/exports", {"contact_id": str(uuid4())}, status=404)
    assert told["code"] == "contact_not_found"
    await admin.post("/exports", {"tenant_id": str(uuid4())}, status=422)


async def test_an_export_tells_how_far_it_is_and_gives_up_after_three_attempts(
    desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await desk.admin()
    await _export(desk, admin)
    stages = [payload for kind, payload in await desk.events() if kind == "export.changed"]
    assert "message" in {payload["stage"] for payload in stages}
    assert stages[-1]["state"] == "done"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    failing = await admin.post("/exports", {}, status=202)
    for _ in range(4):
        with capture_logs():  # Drawing the tracebacks takes seconds.
            await desk.work_until_idle()
        await desk.sql(
            "UPDATE data_export SET due_at = now() WHERE due_at IS NOT NULL AND state = 'queued' RETURNING 1"
        )
    told = await admin.get(f"/exports/{failing['id']}")
    assert told["state"] == "failed"
    assert "No space left" in told["last_error"]
    assert glob(f"{folder}/exports/*/*.partial") == []
