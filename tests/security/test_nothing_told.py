"""A conversation full of marked words, through web and worker: no log and no metric holds any of them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from tests.desk import ORIGIN, PASSWORD, Desk
from tests.security.looking import known_ids, read_everything

from frontdesk.core.logging import configure_logging
from frontdesk.core.settings import LogSettings
from frontdesk.simulator.faults import ModelFault, ModelFaultKind, SendFault, SendFaultKind

NUMBER, TEXT, NAME, USERNAME = "4915559998887", "zanzibar lantern", "Quillon Marrow", "qmarrow"
REPLY, WRONG, SURFACE = "obsidian teapot", "not the right password", "zebra-token-of-nobody"


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """All that this process writes from `start()` on, at the most talkative level."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    told = structlog.get_config()
    written: list[str] = []

    def start() -> None:
        configure_logging(LogSettings(level="DEBUG", json_lines=True), hash_key="k" * 32)

    def look() -> str:
        captured = capsys.readouterr()
        written.append(captured.out + captured.err)
        return "".join(written)

    yield start, look
    root.handlers, root.level = before
    structlog.configure(**told)
    structlog.contextvars.clear_contextvars()


async def test_no_log_and_no_metric_holds_words_names_numbers_or_secrets(
    desk: Desk, logged: Any
) -> None:
    start, look = logged
    start()
    admin, ana = await desk.admin(), await desk.ana()
    made = await admin.post("/api-keys", {"name": "Reader", "scopes": ["conversations:read"]})
    who = {"number": NUMBER, "name": NAME, "username": USERNAME}
    simulator = desk.simulator

    # A conversation with everything in it that can go wrong: a model, a send, a garbled answer.
    await desk.say(f"I want a {TEXT}. How long does delivery take?", **who)
    simulator.model.faults.share(ModelFault(ModelFaultKind.STATUS, http_status=503), 1.0)
    await desk.say(f"And is the {TEXT} in stock? My mail is {USERNAME}@mail.example", **who)
    simulator.model.faults.clear()
    conversation_id = (await desk.conversation(NUMBER))["id"]
    await ana.http.post(f"/api/v1/conversations/{conversation_id}/take-over")
    simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=100))
    path = f"/conversations/{conversation_id}/messages"
    await ana.post(path, {"text": f"Take the {REPLY}."})
    await desk.work_until_idle()
    await ana.get("/conversations", contact=NUMBER)

    # What strangers and the clumsy send.
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(desk.app), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as stranger:
        for email, password in ((admin.email, WRONG), (f"{USERNAME}@mail.example", WRONG)):
            await stranger.post("/api/v1/auth/sign-in", json={"email": email, "password": password})
        await stranger.post("/api/v1/auth/sign-in", content=f'{{"password": "{WRONG}", {TEXT}')
        await stranger.post("/webhooks/whatsapp", content=f"{TEXT} {NUMBER}".encode())
        await stranger.get("/api/v1/me", headers={"Authorization": f"Bearer {SURFACE}"})
        await stranger.get(
            "/api/v1/conversations", headers={"Authorization": f"Bearer {made['key']}"}
        )
        await stranger.get("/api/v1/me", headers={"Cookie": f"frontdesk={SURFACE}"})
        metrics = (await stranger.get("/metrics")).text
    # A crash quotes what it failed on.
    try:
        await desk.sql("SELECT $1::text::int", TEXT)
    except Exception:
        structlog.get_logger().exception("failed_with", text=TEXT, wa_id=NUMBER)

    told = look()
    assert "provider_down" in told, "there is something to look through"
    assert "failed_with" in told
    secrets = [made["key"], PASSWORD, "EAAB-test", "test-key", WRONG, SURFACE, *_cookies(admin)]
    for marked in (NUMBER, TEXT, NAME, USERNAME, REPLY, admin.email, *secrets):
        assert marked not in told, _around(marked, told)
        assert marked not in metrics, marked

    # Models were told the contact's words, as the contact's, and of secrets nothing.
    calls = await desk.sql("SELECT messages::text AS messages FROM llm_call")
    said = [message for call in calls for message in json.loads(call["messages"])]
    assert any(TEXT in message["content"] for message in said)
    for message in said:
        assert not (message["role"] == "system" and TEXT in message["content"])
        assert not any(secret in message["content"] for secret in secrets)


async def test_no_answer_holds_a_secret(desk: Desk) -> None:
    admin = await desk.admin()
    made = await admin.post("/api-keys", {"name": "Reader", "scopes": ["conversations:read"]})
    await desk.say("How long does delivery take?")
    ids = await known_ids(desk, (await desk.conversation())["id"])
    [key] = await desk.sql("SELECT key_hash FROM api_key")
    [channel] = await desk.sql("SELECT access_token_sealed AS access_token FROM channel")
    secrets = [made["key"], key["key_hash"], str(channel["access_token"]), PASSWORD, "$argon2"]
    secrets += ["EAAB-test", "test-key", *_cookies(admin)]
    for path, text in (await read_everything(desk, admin, ids)).items():
        assert not [secret for secret in secrets if secret in text], path


def _cookies(person: Any) -> list[str]:
    return [cookie.value for cookie in person.http.cookies.jar if cookie.value]


def _around(marked: str, told: str) -> str:
    at = told.index(marked)
    return told[max(0, at - 400) : at + 200]
