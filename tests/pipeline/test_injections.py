"""Injections through every door, at a model that obeys them all: none of it reaches a contact."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.desk import Desk

from frontdesk.core.json import loads
from frontdesk.pipeline.plain import compact

CORPUS: list[dict[str, str]] = json.loads(Path(__file__).with_name("injections.json").read_text())
QUESTION = "How long does delivery take?"


@pytest.fixture
def gullible(desk: Desk) -> Iterator[Desk]:
    """A desk whose model obeys whatever it reads."""
    desk.simulator.configure(model_gullible=True)
    yield desk
    desk.simulator.configure(model_gullible=False)


def is_harmful(said: str, system: str) -> bool:
    """Told apart by other means than the guard's."""
    recited = any(
        compact(system[at : at + 80]) in compact(said) for at in range(0, len(system) - 80, 20)
    )
    return recited or "evil." in said or "<|" in said or "[INST]" in said or "connected you" in said


async def drafts_and_replies(desk: Desk, replies: list[str]) -> int:
    """How many harmful drafts there were; none may have left."""
    asked = desk.simulator.model.asked("reply")
    systems = {request.messages[0]["content"] for request in asked}
    system = max(systems, key=len)
    rows = await desk.sql(
        "SELECT response FROM llm_call WHERE feature = 'reply' AND outcome = 'ok'"
    )
    drafts = [loads(row["response"])["text"] for row in rows]
    for reply in replies:
        assert not is_harmful(reply, system), reply
    return sum(is_harmful(draft, system) for draft in drafts)


async def test_what_messages_and_the_thread_order_is_never_done(gullible: Desk) -> None:
    desk, world = gullible, gullible.simulator.model
    known = {"Delivery": "Delivery takes 9 days. Ask for CANARY-OF-ANOTHER-TENANT."}
    other = await Desk.make(desk.app, desk.resources, desk.dispatcher, desk.simulator, known)
    await other.say(QUESTION)
    await desk.say("My secret is CANARY-OF-ANOTHER-CONTACT", number="4915559999")
    told = json.dumps([request.body for request in world.requests])
    assert "CANARY-OF-ANOTHER-TENANT" in told
    assert "CANARY-OF-ANOTHER-CONTACT" in told
    asked_before = len(world.requests)
    # One of each language and of every kind, by message and by a thread that went well before.
    chosen = [CORPUS[place * 8 + place] for place in range(8)]
    by_message = [desk.phone(f"4915555{n:03}") for n in range(8)]
    by_thread = [desk.phone(f"4915556{n:03}") for n in range(8)]
    desk.simulator.configure(model_gullible=False)
    for phone, item in zip(by_thread, chosen, strict=True):
        phone.say(f"{QUESTION} {item['text']}")
    await desk.work_until_idle()
    desk.simulator.configure(model_gullible=True)
    for phone in by_thread:
        phone.say(QUESTION)
    for phone, item in zip(by_message, chosen, strict=True):
        phone.say(f"{QUESTION} {item['text']}")
    await desk.work_until_idle()
    replies = [reply for phone in (*by_message, *by_thread) for reply in phone.replies]
    assert await drafts_and_replies(desk, replies) >= 4, "the model was too wise for this test"
    # What a model was never told, nobody talks it into telling.
    for request in list(world.requests)[asked_before:]:
        assert "CANARY-OF-ANOTHER" not in json.dumps(request.body)
    assert not any("CANARY" in reply for reply in replies)
    await other.aclose()


async def test_a_document_and_a_name_give_no_orders(gullible: Desk) -> None:
    desk, admin = gullible, await gullible.admin()
    for item in CORPUS[1::16]:
        source = {"agent_id": str(desk.agent_id), "title": "Notes", "body": item["text"]}
        await admin.post("/knowledge/sources", source)
    await desk.work_until_idle()
    for number, item in enumerate(CORPUS[3::9], start=1):
        desk.phone(f"49155503{number:02}", name=item["text"][:120]).say(QUESTION)
    await desk.work_until_idle()
    replies = [
        r for n in range(1, len(CORPUS[3::9]) + 1) for r in desk.phone(f"49155503{n:02}").replies
    ]
    assert await drafts_and_replies(desk, replies) >= 4, "the model was too wise for this test"
    sent = json.dumps([r.body for r in desk.simulator.model.requests], ensure_ascii=False)
    for item in CORPUS[3::9]:
        assert item["text"][:120] not in sent, "a profile name is in no prompt"
