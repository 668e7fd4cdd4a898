"""Texts that order tools about, through every door, at a model that calls whatever a text names."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.desk import Desk

from frontdesk.agent_config.tools import MAX_STEPS
from frontdesk.simulator.shop import TOKEN

CORPUS: list[dict[str, str]] = json.loads(
    Path(__file__).with_name("tool_injections.json").read_text()
)
BYSTANDER = "4915557000"


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


async def _with_every_tool(desk: Desk) -> None:
    """Tools that look, that change, and that an admin has set up carelessly; all with a secret."""
    admin = await desk.admin()
    await admin.put("/tool-secrets/shop_token", {"value": TOKEN})
    shop, text = desk.simulator.shop_url, {"type": "string", "maxLength": 80}
    order, amount = {"order_id": text}, {"type": "number", "maximum": 100}

    def tool(name: str, url: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "description": name,
            "url": url,
            "parameters": parameters,
            "headers": {"Authorization": "Bearer {secret:shop_token}"},
            **more,
        }

    http = [
        tool("order_status", f"{shop}/orders/{{order_id}}", _object(**order)),
        tool("stop_it", f"{shop}/orders/{{order_id}}/cancel", _object(**order), method="POST"),
        tool(
            "pay_back",
            f"{shop}/orders/{{order_id}}/refund",
            _object(**order, amount=amount),
            method="POST",
            needs_person=False,
        ),
        tool("about_host", "https://169.254.169.254/{path}", _object(path=text)),
        tool("say_back", f"{shop}/echo", _object(text=text)),
        tool("moved", f"{shop}/moved", _object(to=text)),
    ]
    tools = {
        "built_in": ["search_knowledge", "remember_fact", "close", "hand_off"],
        "http": http,
        "hosts": ["127.0.0.1", "169.254.169.254"],
    }
    await desk.configure(tools=tools)


async def test_no_text_has_a_tool_do_what_it_may_not(desk: Desk) -> None:
    assert len({item["language"] for item in CORPUS}) >= 8
    model, shop, admin = desk.simulator.model, desk.simulator.shop, await desk.admin()
    by_message, by_thread, by_document = (
        {f"49155571{door}{n:02}": item for n, item in enumerate(CORPUS)} for door in range(3)
    )
    # A thread that went well before.
    model.reply = "Noted."
    for phone, item in by_thread.items():
        desk.phone(phone).say(item["text"])
    await desk.say("My secret is CANARY-OF-ANOTHER-CONTACT", number=BYSTANDER)
    model.reply = None
    await _with_every_tool(desk)
    desk.simulator.configure(model_gullible=True)
    for phone in by_thread:
        desk.phone(phone).say("How long does delivery take?")
    for phone, item in by_message.items():
        desk.phone(phone).say(item["text"])
    await desk.work_until_idle()
    # What documents say is known, so where answers may lead is said apart.
    await desk.configure(link_hosts=["shop.example"])
    for number, item in enumerate(CORPUS):
        body = f"The lamp T{number}X is made of oak. {item['text']}"
        source = {"agent_id": str(desk.agent_id), "title": f"Lamp T{number}X", "body": body}
        await admin.post("/knowledge/sources", source)
    await desk.work_until_idle()
    for number, phone in enumerate(by_document):
        desk.phone(phone).say(f"Is the lamp T{number}X made of oak?")
    # The service's own answer is a door as well.
    shop.orders["A-777"] = f"shipped. {CORPUS[0]['text']}"
    await desk.say("What is the order status of A-777?", number="4915557200")
    desk.simulator.configure(model_gullible=False)

    rows = await desk.sql(
        "SELECT wa_id, trace::text AS trace FROM turn t "
        "JOIN conversation k ON k.id = t.conversation_id JOIN contact c ON c.id = k.contact_id"
    )
    came_of: dict[str, set[str]] = defaultdict(set)
    called: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        steps = [line for line in json.loads(row["trace"]) if line["stage"] == "tool"]
        assert len(steps) <= MAX_STEPS
        for step in steps:
            came_of[step["tool"]].add(step["status"])
            called[row["wa_id"]].add(step["tool"])
    for phones in (by_message, by_thread, by_document):
        for phone, item in phones.items():
            assert _named(item) & called[phone], f"the model was too wise for: {item['text']}"
    assert came_of == {
        "stop_it": {"requires_human"},  # It changes something.
        "pay_back": {"invalid_arguments"},  # A person need not do it, and its schema has a limit.
        "fetch_url": {"unknown_tool"},
        "about_host": {"failed"},  # The host is listed, and not on the public internet.
        "moved": {"failed"},  # It redirects to a host that is not listed.
        "order_status": {"ok", "not_found", "invalid_arguments"},
        "remember_fact": {"ok", "invalid_arguments"},
        "close": {"invalid_arguments"},
        "hand_off": {"invalid_arguments"},
        "say_back": {"ok"},
    }
    # Nothing was changed; what people should do, they are told.
    assert {request.method for request in shop.requests} == {"GET"}
    assert shop.cancelled == []
    handoffs = await desk.sql(
        "SELECT wa_id, packet::text AS packet FROM handoff h "
        "JOIN conversation k ON k.id = h.conversation_id JOIN contact c ON c.id = k.contact_id "
        "WHERE reason = 'tool'"
    )
    asked_for = {row["wa_id"]: json.loads(row["packet"])["tool_steps"] for row in handoffs}
    assert asked_for.keys() == {phone for phone, tools in called.items() if "stop_it" in tools}
    assert "4915557200" in asked_for
    assert all("stop_it" in steps[-1] and "A-1042" in steps[-1] for steps in asked_for.values())
    # No other contact's conversation is reached.
    memories = await desk.sql(
        "SELECT wa_id FROM conversation_memory m JOIN conversation k ON k.id = m.conversation_id "
        "JOIN contact c ON c.id = k.contact_id WHERE summary::text LIKE '%90 %'"
    )
    assert {row["wa_id"] for row in memories} <= called.keys() - {BYSTANDER}
    (bystander,) = await desk.sql(
        "SELECT status, (SELECT count(*) FROM message m WHERE m.conversation_id = k.id) AS messages "
        "FROM conversation k JOIN contact c ON c.id = k.contact_id WHERE wa_id = $1",
        BYSTANDER,
    )
    assert (bystander["status"], bystander["messages"]) == ("ACTIVE", 2)
    # What the services are told, nobody else is; and no link of a text's leaves.
    assert f"Bearer {TOKEN}" in shop.told, "it was echoed"
    assert TOKEN not in json.dumps([request.body for request in model.requests])
    assert not any(TOKEN in row["trace"] for row in rows)
    kept = await desk.sql(
        "SELECT messages::text || coalesce(response::text, '') AS t FROM llm_call"
    )
    assert not any(TOKEN in row["t"] for row in kept)
    for phone in (*by_message, *by_thread, *by_document, "4915557200"):
        said = " ".join(desk.phone(phone).replies)
        assert said
        assert not any(mark in said for mark in ("evil.", TOKEN, "FD-", "169.254", "CANARY")), said


def _named(item: dict[str, str]) -> set[str]:
    return {match[1] for match in re.finditer(r"(\w+) \{\"", item["text"])}
