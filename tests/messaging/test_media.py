"""Files of contacts: fetched from WhatsApp, kept, shown so that nothing in them runs, and let go."""

import asyncio
import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.desk import Desk, Person, wait_for_somebody_held_up
from tests.messaging.test_graph import reply, serving

from frontdesk.conversation import lock
from frontdesk.core.http import HttpClient
from frontdesk.core.resources import Resources
from frontdesk.core.storage import NotKept, storage_of
from frontdesk.messaging.media_rules import digests_told, is_metas, pause_seconds
from frontdesk.messaging.media_types import type_by_head, type_of
from frontdesk.simulator.media import PIXEL_PNG

HTML = b"<html><script>steal()</script></html>"


async def _messages(desk: Desk) -> tuple[Person, list[Any]]:
    """An admin, and the messages with a file of the newest thread, oldest first."""
    admin = await desk.admin()
    thread = await desk.conversation()
    page = await admin.get(f"/conversations/{thread['id']}/messages")
    return admin, [message for message in page["items"][::-1] if message["file"]]


async def _bytes(person: Person, media_id: str, **headers: str) -> Any:
    return await person.http.get(f"/api/v1/media/{media_id}", headers=headers)


async def test_what_a_contact_sends_is_kept_and_shown_so_that_nothing_in_it_runs(
    desk: Desk,
) -> None:
    phone = desk.phone()
    phone.send_image("It came broken.")
    phone.send_image(content=HTML, mime_type="image/png")
    phone.send_document("../../bill\u202egpj.exe", b"%PDF-1.7 bill", caption="My bill")
    await desk.work_until_idle()
    admin, messages = await _messages(desk)
    picture, page, bill = [m["file"] for m in messages]
    assert [(f["state"], f["mime_type"], f["error"]) for f in (picture, page, bill)] == [
        ("stored", "image/png", None),
        ("stored", "application/octet-stream", None),
        ("stored", "application/pdf", None),
    ]
    assert bill["filename"] == "billgpj.exe"

    shown = await _bytes(admin, picture["id"])
    assert (shown.status_code, shown.content) == (200, PIXEL_PNG)
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"].startswith("inline")
    for answer in (shown, await _bytes(admin, page["id"]), await _bytes(admin, bill["id"])):
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    for saved, content in ((page, HTML), (bill, b"%PDF-1.7 bill")):
        answer = await _bytes(admin, saved["id"])
        assert answer.content == content
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")

    part = await _bytes(admin, bill["id"], Range="bytes=5-7")
    assert (part.status_code, part.content) == (206, b"1.7")
    assert part.headers["content-range"] == "bytes 5-7/13"
    whole = await _bytes(admin, bill["id"], Range="bytes=99-")
    assert (whole.status_code, len(whole.content)) == (200, 13)
    assert ("media.changed", "stored") in [
        (kind, payload.get("media", {}).get("state")) for kind, payload in await desk.events()
    ]


@pytest.mark.parametrize("due", ["state = 'pending'", "wants_words = true"])
async def test_what_became_of_a_file_takes_the_conversation_before_the_file(
    desk: Desk, due: str
) -> None:
    desk.phone().send_image("It came broken.")
    await desk.work_until_idle()
    conversation = await desk.conversation()
    await desk.sql(f"UPDATE media SET {due}, due_at = now(), attempts = 0 RETURNING 1")
    async with desk.resources.db.hot(desk.id) as tx:
        # As whoever takes a message back: the conversation, and then its file.
        await lock(tx, UUID(conversation["id"]))
        working = asyncio.create_task(desk.work_until_idle())

        await wait_for_somebody_held_up(tx.sql)
        await tx.sql.fetch("SELECT FROM media FOR UPDATE NOWAIT")
    await working
    _, (message,) = await _messages(desk)
    assert message["file"]["state"] == "stored"


async def test_a_file_that_does_not_come_says_why_and_can_be_asked_for_again(desk: Desk) -> None:
    phone, media = desk.phone(), desk.simulator.whatsapp.media
    gone, other = media.add(b"gone", "application/pdf"), media.add(b"other", "application/pdf")
    media.remove(gone.id)
    wrong = media.webhook(other) | {"sha256": media.webhook(gone)["sha256"]}
    for part in (media.webhook(gone), wrong):
        phone.write({"type": "document", "document": part})
    await desk.work_until_idle()
    admin, messages = await _messages(desk)
    lost, forged = [m["file"] for m in messages]
    assert lost["state"] == "failed"
    assert "7 days" in lost["error"]
    answer = await _bytes(admin, lost["id"])
    assert (answer.status_code, answer.json()["code"]) == (404, "media_not_there")
    assert "7 days" in answer.json()["detail"]
    # What is not the file that was announced may be a slip of the moment: it is asked for again.
    assert forged["state"] == "pending"
    assert "announced" in forged["error"]
    assert (await admin.post(f"/media/{forged['id']}/fetch", status=409))["code"] == (
        "media_not_failed"
    )
    media._media[gone.id] = gone
    assert (await admin.post(f"/media/{lost['id']}/fetch", status=202))["state"] == "pending"
    await desk.work_until_idle()
    assert (await _bytes(admin, lost["id"])).content == b"gone"
    # The other's tries come to an end as well.
    await desk.sql("UPDATE media SET attempts = 9, due_at = now() WHERE id = $1", forged["id"])
    await desk.work_until_idle()
    _, messages = await _messages(desk)
    assert messages[1]["file"]["state"] == "failed"


async def test_files_go_with_their_message_their_days_and_their_contact(
    desk: Desk, resources: Resources, admin_sql: Any
) -> None:
    phone, admin = desk.phone(), await desk.admin()
    storage = storage_of(resources)
    kept = phone.send_document("kept.pdf", b"%PDF-kept")
    taken_back = phone.send_document("back.pdf", b"%PDF-back")
    old = phone.send_document("old.pdf", b"%PDF-old")
    await desk.work_until_idle()
    rows = {
        row["wamid"]: row["id"]
        for row in await desk.sql(
            "SELECT wamid, f.id FROM message m JOIN media f ON message_id = m.id"
        )
    }

    async def is_kept(posting: Any) -> bool:
        try:
            await storage.open(f"{desk.id}/media/{rows[posting.wamids[0]]}")
        except NotKept:
            return False
        return True

    assert [await is_kept(each) for each in (kept, taken_back, old)] == [True] * 3
    phone.revoke(taken_back.wamids[0])
    await admin_sql.execute(
        "UPDATE media SET stored_at = now() - $3::interval WHERE tenant_id = $1 AND id = $2",
        desk.id,
        rows[old.wamids[0]],
        timedelta(days=40),
    )
    limits = await admin.get("/retention")
    del limits["webhook_days"]
    await admin.put("/retention", limits | {"media_days": 30})
    await desk.work_until_idle()
    assert [await is_kept(each) for each in (kept, taken_back, old)] == [True, False, False]

    contact_id = (await desk.conversation())["contact"]["id"]
    for body in ({}, {"contact_id": contact_id}):
        export = await admin.post("/exports", body, status=202)
        await desk.work_until_idle()
        file = await admin.http.get(f"/api/v1/exports/{export['id']}/file")
        archive = zipfile.ZipFile(io.BytesIO(file.content))
        assert archive.read(f"files/{rows[kept.wamids[0]]}") == b"%PDF-kept"
        assert len(archive.read("media.jsonl").splitlines()) == 3
        names = [name for name in archive.namelist() if name.startswith("files/")]
        assert len(names) == 1
    erasure = await admin.post("/erasures", {"contact_id": contact_id}, status=202)
    await desk.work_until_idle()
    assert (await admin.get(f"/erasures/{erasure['id']}"))["state"] == "done"
    assert not await is_kept(kept)
    assert (await _bytes(admin, str(rows[kept.wamids[0]]))).json()["detail"] == "It was deleted."
    (row,) = await desk.sql("SELECT * FROM media WHERE id = $1", rows[kept.wamids[0]])
    assert (row["filename"], row["whatsapp_id"], row["declared"]) == (None, None, None)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", True),
        ("https://scontent.xx.fbcdn.net/v/t1", True),
        ("https://graph.example:8443/media/1", True),  # The Graph API's own origin.
        ("https://graph.example/media/1", False),
        ("http://lookaside.fbsbx.com/x", False),
        ("https://lookaside.fbsbx.com:444/x", False),
        ("https://lookaside.fbsbx.com.evil.example/x", False),
        ("https://evil.example/lookaside.fbsbx.com", False),
        ("https://evilfbcdn.net/x", False),
        ("https://lookaside.fbsbx.com@evil.example/x", False),
        ("https://me@lookaside.fbsbx.com/x", False),
        ("https://169.254.169.254/latest", False),
        ("file:///etc/passwd", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_the_token_is_taken_to_metas_hosts_only(url: str, fine: bool) -> None:
    hosts = ("lookaside.fbsbx.com", ".fbcdn.net")
    assert is_metas(url, hosts, "https://graph.example:8443") is fine


async def test_a_file_that_redirects_does_not_take_the_token_along(tmp_path: Path) -> None:
    http = HttpClient()
    async with serving() as elsewhere:
        there = reply(b"no", 302, f"Location: {elsewhere.url}/x")
        async with serving(there) as server:
            with (tmp_path / "file").open("wb") as file:
                status = await http.download(
                    f"{server.url}/x", file, token="t", most_bytes=9, timeout_seconds=5
                )
    await http.aclose()
    assert (status, elsewhere.requests) == (302, [])
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"OggS\x00", "audio/ogg"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypisom", "video/mp4"),
        (b"%PDF-1.4", "application/pdf"),
        ("Grüße".encode(), "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream"),
        (b" \n<!DOCTYPE html><p>", "application/octet-stream"),
        (b"MZ\x90\x00", "application/octet-stream"),
        (b"12345678WEBP", "text/plain"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_files_type_is_told_by_its_content(head: bytes, mime_type: str) -> None:
    assert type_by_head(head) == mime_type


def test_an_office_document_is_told_from_any_other_archive(tmp_path: Path) -> None:
    for inside, ending in (("word/document.xml", "wordprocessingml.document"), ("run.bat", None)):
        with zipfile.ZipFile(tmp_path / "file", "w") as archive:
            archive.writestr("[Content_Types].xml", "")
            archive.writestr(inside, "")
        told = type_of(tmp_path / "file")
        assert told.endswith(ending) if ending else told == "application/octet-stream"
    # Of one that is mostly its own list of contents no list is made; nor where 64 bits tell its length.
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        for name in ("[Content_Types].xml", "word/document.xml"):
            archive.writestr(name, "")
        archive.infolist()[0].comment = b"x" * 60_000
    content, long = (tmp_path / "file").read_bytes(), tmp_path / "long"
    assert type_of(tmp_path / "file").endswith("wordprocessingml.document")
    end = content.rfind(b"PK\x05\x06")
    start = int.from_bytes(content[end + 16 : end + 20], "little")
    listed, ends = content[start:end] * 20, bytearray(content[end:])
    ends[12:16] = len(listed).to_bytes(4, "little")
    long.write_bytes(content[:start] + listed + ends)
    with zipfile.ZipFile(long) as archive:
        assert len(archive.namelist()) == 40
    assert type_of(long) == "application/octet-stream"
    long.write_bytes(content[:end] + b"PK\x06\x07" + bytes(16) + content[end:])
    assert type_of(long) == "application/octet-stream"


def test_digests_are_compared_however_they_are_written() -> None:
    raw = bytes(range(32))
    base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert digests_told(base64, raw.hex().upper(), None, "rubbish", 7) == {raw.hex()}


def test_an_outage_is_waited_for_and_not_for_ever() -> None:
    pauses = [pause_seconds(attempt) for attempt in range(1, 11)]
    assert pauses[:3] == [5, 15, 45]
    assert pauses[-1] is None
    assert 3 * 3600 < sum(filter(None, pauses)) < 24 * 3600


async def _upload(
    person: Person, conversation_id: str, content: bytes, name: str = "photo.png"
) -> Any:
    return await person.http.post(
        f"/api/v1/conversations/{conversation_id}/files",
        files={"file": (name, content, "text/html")},
    )


async def test_what_was_uploaded_and_never_sent_goes_after_a_day(desk: Desk) -> None:
    ana, phone = await desk.ana(), desk.phone()
    phone.send_document("kept.pdf", b"%PDF-kept")
    await desk.work_until_idle()
    thread = f"/conversations/{(await desk.conversation())['id']}"
    await ana.post(f"{thread}/take-over")
    unsent = (await _upload(ana, thread.rpartition("/")[2], PIXEL_PNG)).json()
    await desk.sql("UPDATE media SET stored_at = now() - interval '2 days' RETURNING id")
    await desk.work_until_idle()
    assert (await _bytes(ana, unsent["id"])).json()["detail"] == "It was deleted."
    (kept,) = await desk.sql("SELECT id FROM media WHERE message_id IS NOT NULL")
    assert (await _bytes(ana, str(kept["id"]))).content == b"%PDF-kept"


async def test_a_human_agent_sends_a_file_once_and_whatsapp_is_given_it_first(desk: Desk) -> None:
    phone, ana = desk.phone(), await desk.ana()
    await desk.say("Can you show me?")
    thread = f"/conversations/{(await desk.conversation())['id']}"
    conversation_id = thread.rpartition("/")[2]
    await ana.post(f"{thread}/take-over")
    uploaded = (await _upload(ana, conversation_id, PIXEL_PNG, "../lamp.png")).json()
    assert (uploaded["kind"], uploaded["mime_type"]) == ("image", "image/png")
    assert (uploaded["state"], uploaded["filename"]) == ("stored", "lamp.png")
    body = {"text": "Like this.", "media_id": uploaded["id"]}
    for _ in range(2):  # The same key is the same message.
        sent = await ana.post(f"{thread}/messages", body, Idempotency_Key="k")
    assert (sent["type"], sent["text"], sent["file"]["id"]) == (
        "image",
        "Like this.",
        uploaded["id"],
    )
    assert (await ana.post(f"{thread}/messages", body, status=409))["code"] == "media_sent"
    await desk.work_until_idle()
    bubble = phone.thread.replies[-1]
    shown = desk.simulator.whatsapp.media.find(bubble.body["image"]["id"])
    assert shown is not None
    assert (bubble.text, shown.content) == ("[image] Like this.", PIXEL_PNG)
    assert (shown.mime_type, shown.filename) == ("image/png", "lamp.png")
    assert (await _bytes(ana, uploaded["id"])).content == PIXEL_PNG

    # What WhatsApp would not take, or belongs elsewhere, is said before anything is sent.
    for content, status, code in (
        (HTML, 422, "not_sendable"),
        (b"", 422, "not_sendable"),
        (PIXEL_PNG + bytes(6 * 1024 * 1024), 413, "too_large"),
    ):
        answer = await _upload(ana, conversation_id, content)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    url = f"/api/v1{thread}/files"
    assert (await ana.http.post(url, json={})).status_code == 415
    assert (await ana.http.post(url, files={"other": b"x"})).status_code == 422
    voice = (await _upload(ana, conversation_id, b"OggS" + bytes(60), "voice.ogg")).json()
    with_caption = {"text": "Listen", "media_id": voice["id"]}
    assert "caption" in (await ana.post(f"{thread}/messages", with_caption, status=422))["detail"]
    await ana.post(f"{thread}/messages", {"media_id": uploaded["id"][::-1]}, status=422)

    # WhatsApp is away for a moment: the message waits with its file, and goes out once.
    desk.simulator.whatsapp.expired_tokens.add("EAAB-test")
    await ana.post(f"{thread}/messages", {"media_id": voice["id"]})
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT state, attempt FROM outbound ORDER BY created_at DESC LIMIT 1")
    assert (row["state"], row["attempt"]) == ("pending", 0)
    desk.simulator.whatsapp.expired_tokens.clear()
    await (await desk.admin()).post(f"/channels/{desk.channel_id}/resume")
    await desk.sql("UPDATE outbound SET due_at = now() WHERE state = 'pending' RETURNING id")
    await desk.work_until_idle()
    assert [b.type for b in phone.thread.replies][-2:] == ["image", "audio"]
