"""The control API, and the terminal phone that is its client."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from frontdesk.simulator import PhoneError, Simulator, send
from frontdesk.simulator.phone import act, connected
from frontdesk.simulator.terminal import COLOURS, PLAIN, bubble, screen, width, wrap

from .conftest import PNID, Desk, eventually, send_to, text_to

ANA = "15550001111"


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the control API."""
    async with httpx.AsyncClient(base_url=f"{simulator.url}/_sim", timeout=30) as client:
        yield client


async def test_it_describes_itself(control: httpx.AsyncClient, simulator: Simulator) -> None:
    described = (await control.get("")).json()
    assert described["addresses"]["groq"] == simulator.groq_url
    routes = described["routes"]
    assert len(routes) > 20
    assert all(route["help"] and len(route["help"]) < 120 for route in routes)
    for route in routes:
        if route["method"] == "GET" and "{" not in route["path"]:
            response = await control.get(route["path"].removeprefix("/_sim"))
            assert response.status_code == 200, route


async def test_a_whole_conversation_over_http(
    control: httpx.AsyncClient, graph: httpx.AsyncClient, desk: Desk
) -> None:
    written = await control.post(f"/phones/{ANA}/messages", json={"text": "Hi", "wait": True})
    assert (written.status_code, written.json()["delivered"]) == (202, 1)
    assert desk.messages()[0]["text"]["body"] == "Hi"
    thread = (await control.get(f"/phones/{ANA}/thread")).json()
    waiting = asyncio.create_task(
        control.get(f"/phones/{ANA}/thread", params={"after": thread["version"], "wait_seconds": 5})
    )
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await send_to(graph, text_to(ANA, "Hello!", biz_opaque_callback_data="out:1"))
    assert (await waiting).json()["messages"][-1]["text"] == "Hello!"
    sends = (await control.get("/sends")).json()
    assert sends["total"] == 1
    assert sends["items"][0]["biz_opaque_callback_data"] == "out:1"
    assert (await control.get("/threads")).json()["items"][0]["last"] == "Hello!"
    about = [item["about"] for item in (await control.get("/webhooks")).json()["items"]]
    assert about[0] == "message"
    await control.post("/reset")
    assert (await control.get("/sends")).json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "text", "texts": ["a", "b"]}, "text"),
        ({"type": "image", "caption": "x"}, "image"),
        ({"type": "audio"}, "audio"),
        ({"type": "document", "filename": "a.pdf"}, "document"),
        ({"type": "location", "name": "Office"}, "location"),
        ({"type": "share_number"}, "contacts"),
        ({"type": "tap", "button": "Yes"}, "interactive"),
        ({"type": "reaction", "emoji": "👍"}, "reaction"),
        ({"type": "edit", "message_id": "wamid.A", "text": "Hm"}, "edit"),
        ({"type": "revoke", "message_id": "wamid.A"}, "revoke"),
        ({"type": "message", "message": {"type": "order", "order": {}}}, "order"),
    ],
)
async def test_every_kind_of_message_can_be_written(
    control: httpx.AsyncClient,
    graph: httpx.AsyncClient,
    simulator: Simulator,
    desk: Desk,
    body: dict[str, Any],
    kind: str,
) -> None:
    simulator.phone(ANA).say("Hi")
    reply = {"type": "reply", "reply": {"id": "y", "title": "Yes"}}
    interactive = {"type": "button", "body": {"text": "?"}, "action": {"buttons": [reply]}}
    await send_to(graph, {**text_to(ANA), "type": "interactive", "interactive": interactive})
    await simulator.settle()
    response = await control.post(f"/phones/{ANA}/messages", json={**body, "wait": True})
    assert response.status_code == 202, response.text
    assert desk.messages()[-1]["type"] == kind
    if kind == "interactive":
        assert desk.messages()[-1]["interactive"]["button_reply"] == {"id": "y", "title": "Yes"}
        assert desk.messages()[-1]["context"]["id"] == simulator.whatsapp.log[0].wamid


async def test_misuse_is_answered_with_what_was_wrong(control: httpx.AsyncClient) -> None:
    for path, body in (
        (f"/phones/{ANA}/messages", {"type": "poem"}),
        (f"/phones/{ANA}/messages", {"type": "tap", "button": "nowhere"}),
        (f"/phones/{ANA}/messages", []),
        ("/faults/sends", {"kind": "plague"}),
        ("/faults/model", {"kind": "hang", "colour": "red"}),
        ("/channels", {}),
    ):
        response = await control.post(path, json=body)
        assert response.status_code == 400, path
        assert response.json()["error"]
    assert (await control.patch("/settings", json={"app_secret": "x"})).status_code == 400
    assert (await control.get("/nonsense")).status_code == 404


async def test_settings_numbers_and_people(
    control: httpx.AsyncClient, simulator: Simulator, desk: Desk
) -> None:
    changed = await control.patch("/settings", json={"status_delay_seconds": [0.5, 0.5]})
    assert changed.json()["status_delay_seconds"] == [0.5, 0.5]
    assert simulator.settings.status_delay_seconds == (0.5, 0.5)
    assert "app_secret" not in changed.json()
    number = {"phone_number_id": "7", "waba_id": "8", "token": "t", "templates": [{"name": "a"}]}
    assert "token" not in (await control.post("/channels", json=number)).json()
    assert simulator.whatsapp.channel("7").templates[0].name == "a"
    who = {"name": "Bo", "number_hidden": True, "chat_open": False, "channel": "7"}
    assert (await control.patch(f"/phones/{ANA}", json=who)).json()["name"] == "Bo"
    message = {"channel": "7", "text": "Hi", "wait": True}
    await control.post(f"/phones/{ANA}/messages", json=message)
    value = desk.values()[0]
    assert value["metadata"]["phone_number_id"] == "7"
    assert "from" not in value["messages"][0]
    assert (await control.post("/webhooks/subscribe")).json() == {"verified": True}
    raw = await control.post("/webhooks", json={"raw": "nonsense", "signature": None})
    assert raw.json()["attempts"][0]["status"] == 200
    assert (desk.bodies[-1], desk.signatures[-1]) == (b"nonsense", None)


async def test_faults_tokens_and_scripts(
    control: httpx.AsyncClient, graph: httpx.AsyncClient, simulator: Simulator
) -> None:
    simulator.phone(ANA).say("Hi")
    fault = {"kind": "error", "code": 131056, "times": 2, "only": PNID}
    planned = (await control.post("/faults/sends", json=fault)).json()
    assert len(planned["sends"]["queued"]) == 2
    assert (await send_to(graph, text_to(ANA))).status_code == 400
    assert (await control.delete("/faults")).json()["sends"]["queued"] == []
    shared = {"kind": "status", "http_status": 503, "share": 1.0, "only": "groq"}
    await control.post("/faults/model", json=shared)
    await control.post("/model/answers", json={"answer": "Prepared."})
    await control.post("/model/answers", json={"answer": "Ruled.", "when": "rule"})
    body = {"model": "m", "messages": [{"role": "user", "content": "the rule"}]}
    async with httpx.AsyncClient(headers={"Authorization": "Bearer k"}) as client:
        url = f"{simulator.openai_url}/chat/completions"
        texts = [
            (await client.post(url, json=body)).json()["choices"][0]["message"]["content"]
            for _ in range(2)
        ]
        groq = await client.post(f"{simulator.groq_url}/chat/completions", json=body)
    assert texts == ["Prepared.", "Ruled."]
    assert groq.status_code == 503
    assert (await control.get("/model")).json()["calls"] == 3
    assert (await control.get("/model/requests", params={"limit": 1})).json()["total"] == 3
    await control.post("/tokens/expire", json={"token": "token"})
    assert (await send_to(graph, text_to(ANA))).status_code == 401


# The terminal phone


async def answer_next(simulator: Simulator, graph: httpx.AsyncClient, text: str) -> None:
    """Play the desk: read, then answer."""
    phone = simulator.phone(ANA)
    await eventually(lambda: phone.messages)
    await send_to(graph, text_to(ANA, text))


async def test_sending_from_the_command_line_prints_the_answer(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    out = io.StringIO()
    answering = asyncio.create_task(answer_next(simulator, graph, "On Monday."))
    answers = await send(
        simulator.url, "When?", number=ANA, name="Ana", settle_seconds=0.05, out=out
    )
    await answering
    assert answers == ["On Monday."]
    assert "When?" in out.getvalue()
    assert "On Monday." in out.getvalue()
    assert "\x1b" not in out.getvalue()
    with pytest.raises(PhoneError, match="no simulator"):
        await send("http://127.0.0.1:1", "Hi")


async def test_what_is_typed_is_done(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    async with connected(simulator.url, ANA) as phone:
        assert await act(phone, "/react 👍") == "/react is not possible now; /help lists what is"
        assert await act(phone, "Hi there") == ""
        await send_to(graph, text_to(ANA))
        for line in ("/image look", "/location Home", "/react 👍", "/reply yes", "/edit no"):
            assert await act(phone, line) == ""
        assert await act(phone, "/1") == "no such button"
        for line in ("/hide", "/offline", "/online", "/away", "/back", "/delete", "/number"):
            assert await act(phone, line) == ""
        assert "/image" in (await act(phone, "/help") or "")
        assert await act(phone, "/quit") is None
    await simulator.settle()
    assert [message["type"] for message in desk.messages()] == [
        "text", "image", "location", "reaction", "text", "edit", "revoke", "contacts",
    ]  # fmt: skip
    assert simulator.phone(ANA).contact.number_hidden


async def test_a_screen_shows_ticks_buttons_and_typing(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    phone = simulator.phone(ANA, name="Ana")
    posting = await phone.say("नमस्ते 😀 where is my parcel?")
    reply = {"type": "reply", "reply": {"id": "y", "title": "Track it"}}
    interactive = {"type": "button", "body": {"text": "Here."}, "action": {"buttons": [reply]}}
    await send_to(graph, {**text_to(ANA), "type": "interactive", "interactive": interactive})
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": posting.wamid}
    await send_to(graph, {**mark, "typing_indicator": {"type": "text"}})
    phone.react("👍")
    view = phone.thread.view(simulator.world.now())
    shown = screen(view, 80, 24, PLAIN, typed="I am wri", note="")
    for part in ("Casa Verde", "typing…", "✓✓", "[1] Track it", "› I am wri", "👍", "(+1555"):
        assert part in shown
    assert len(shown.splitlines()) == 24
    assert all(width(line.replace("\x1b[K", "")) <= 80 for line in shown.splitlines()[1:])
    assert COLOURS.read in screen(view, 80, 24, COLOURS)
    view["messages"][1] |= {"ticks": "failed", "error_code": 131047, "revoked": True}
    failed = "\n".join(bubble(view["messages"][1], 80, PLAIN, quoted="Where?"))
    assert "not delivered (131047)" in failed
    assert "deleted" in failed


def test_lines_are_measured_and_wrapped_as_they_show() -> None:
    assert width("日本") == 4
    assert width("é") == 1
    assert wrap("one two three\n\nfour", 8) == ["one two", "three", "", "four"]
