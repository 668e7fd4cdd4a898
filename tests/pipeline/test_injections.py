"""Injections through every door, at a model that obeys them all: none of it reaches a contact."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.desk import Desk

from frontdesk.core.json import loads
from frontdesk.pipeline.plain import compact

CORPUS: list[dict[str, str]] = json.loads(Path(__file__).with_name("injections.json").read_text())
QUESTION = "How long does delivery take?"
EVERY = range(len(CORPUS))


@pytest.fixture
def gullible(desk: Desk) -> Iterator[Desk]:
    """A desk whose model obeys whatever it reads."""
    desk.simulator.configure(model_gullible=True)
    yield desk
    desk.simulator.configure(model_gullible=False)


def is_harmful(said: str, pieces: list[str]) -> bool:
    """Told apart by other means than the guard's."""
    told = compact(said)
    marks = ("evil.", "<|", "[INST]", "{{", "connected you", "FD-")
    return any(piece in told for piece in pieces) or any(mark in said for mark in marks)


async def drafts_and_replies(desk: Desk, replies: Iterable[str]) -> int:
    """How many harmful drafts there were; none may have left."""
    systems = {request.messages[0]["content"] for request in desk.simulator.model.asked("reply")}
    # The rules without what is known, which may be told, and differs.
    rules = re.sub(r"<facts>.*?</facts>", "", max(systems, key=len), flags=re.DOTALL)
    assert "FD-" in rules, "the mark is in it"
    pieces = [compact(rules[at : at + 80]) for at in range(0, len(rules) - 80, 20)]
    rows = await desk.sql(
        "SELECT response FROM llm_call WHERE feature = 'reply' AND outcome = 'ok'"
    )
    drafts = {loads(row["response"])["text"] for row in rows}
    for reply in set(replies):
        assert not is_harmful(reply, pieces), reply
    return sum(is_harmful(draft, pieces) for draft in drafts)


async def _active(desk: Desk) -> set[str]:
    """The numbers whose conversations the agent has."""
    rows = await desk.sql(
        "SELECT wa_id FROM contact c JOIN conversation k ON k.contact_id = c.id "
        "WHERE k.status = 'ACTIVE'"
    )
    return {row["wa_id"] for row in rows}


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
    by_message = {f"4915555{n:03}": item["text"] for n, item in enumerate(CORPUS)}
    for number, text in by_message.items():
        desk.phone(number).say(f"{QUESTION} {text}")
    await desk.work_until_idle()
    # By a thread, too: where it was refused, it goes on; else it takes one that went well before.
    refused = by_message.keys() & await _active(desk)
    others = {f"9{number}": by_message[number] for number in by_message.keys() - refused}
    world.reply = "Noted."
    for number, text in others.items():
        desk.phone(number).say(f"{QUESTION} {text}")
    await desk.work_until_idle()
    world.reply = None
    threads = {**by_message, **others}
    by_thread = {number: threads[number] for number in threads.keys() & await _active(desk)}
    assert len(by_thread) >= len(CORPUS) - 5, "some ask for a person, and get one"
    for number in by_thread:
        desk.phone(number).say(QUESTION)
    await desk.work_until_idle()
    phones = [desk.phone(number) for number in (*by_message, *others)]
    assert all(phone.replies for phone in phones)
    replies = [reply for phone in phones for reply in phone.replies]
    assert await drafts_and_replies(desk, replies) >= 20, "the model was too wise for this test"
    asked = json.dumps([r.messages[1:] for r in world.asked("reply")], ensure_ascii=False)
    for text in by_thread.values():
        assert json.dumps(text, ensure_ascii=False)[1:-1] in asked
    # What a model was never told, nobody talks it into telling.
    for request in list(world.requests)[asked_before:]:
        assert "CANARY-OF-ANOTHER" not in json.dumps(request.body)
    assert not any("CANARY" in reply for reply in replies)
    await other.aclose()


async def test_a_document_and_a_name_give_no_orders(gullible: Desk) -> None:
    desk, admin = gullible, await gullible.admin()
    # The links of poisoned documents stand in the knowledge; where answers may lead is said apart.
    # Whoever is handed off is asked something, by a model that has seen the refused draft.
    await desk.configure(link_hosts=["shop.example"], asks_while_waiting=True)
    for number, item in enumerate(CORPUS):
        body = f"The lamp Q{number}X is made of oak. {item['text']}"
        source = {"agent_id": str(desk.agent_id), "title": f"Lamp Q{number}X", "body": body}
        await admin.post("/knowledge/sources", source)
    await desk.work_until_idle()
    phones = [desk.phone(f"4915550{n:03}", name=f"{_name(n)} {CORPUS[n]['text']}") for n in EVERY]
    for number, phone in enumerate(phones):
        phone.say(f"Is the lamp Q{number}X made of oak?")
    await desk.work_until_idle()
    assert all(phone.replies for phone in phones)
    replies = [reply for phone in phones for reply in phone.replies]
    assert await drafts_and_replies(desk, replies) >= 20, "the model was too wise for this test"
    requests = list(desk.simulator.model.requests)
    facts = compact("".join(r.messages[0]["content"] for r in requests if r.schema_name == "reply"))
    for item in CORPUS:
        assert compact(item["text"]) in facts, "every poisoned document was in a prompt"
    names = {row["name"].split()[0] for row in await desk.sql("SELECT name FROM contact")}
    assert names == {_name(n) for n in EVERY}
    sent = json.dumps([request.body for request in requests])
    assert not [name for name in names if name in sent], "a profile name is in no prompt"


def _name(number: int) -> str:
    return f"Mallory{number}Z"
