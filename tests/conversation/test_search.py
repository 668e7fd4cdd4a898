"""Search: what is found, how it is shown, and by whom it is not found."""

from typing import Any

import pytest
from tests.desk import Desk, texts

from frontdesk.conversation.searching import cut_out, terms_of


async def test_contacts_messages_and_notes_are_found_and_jumped_to(desk: Desk) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    elsewhere = await Desk.make(desk.app, desk.resources, desk.dispatcher, desk.simulator)
    await elsewhere.say("My crème brûlée lamp is broken", name="José García")
    await desk.say("My crème brûlée lamp is broken", name="José García")
    for text in ("One", "Two", "Three", "Four"):
        await desk.say(text)
    conversation = await desk.conversation()
    path = f"/conversations/{conversation['id']}"
    await ana.post(f"{path}/notes", {"text": "Wants a new BRULEE lamp, call +49 155 50001."})

    async def found(who: Any, q: str) -> list[str]:
        hits = (await who.get("/search", q=q))["items"]
        assert {hit["conversation_id"] for hit in hits} <= {conversation["id"]}, "another tenant's"
        return [hit["kind"] for hit in hits]

    assert await found(ana, "creme brulee") == ["message"]
    assert await found(ana, "BRÛL") == ["note", "message"], "words from their beginning"
    assert await found(ana, "brulee elephant") == []
    for name in ("jose", "Garcia", "josé garzia", "gar"):
        assert await found(ana, name) == ["contact"], name
    assert await found(ana, "5550001") == ["contact"], "part of a number"
    for nothing in ("'; --", "!?", "%", "\\", "²"):
        assert await found(ana, nothing) == [], nothing

    first = await ana.get("/search", q="lamp", limit=1)
    (note,) = first["items"]
    assert "BRULEE lamp" in note["excerpt"]
    (hit,) = (await ana.get("/search", q="lamp", limit=1, cursor=first["next_cursor"]))["items"]
    assert (hit["kind"], hit["contact"]["name"]) == ("message", "José García")
    page = await ana.get(f"{path}/messages", around=hit["message_id"], limit=4)
    assert "My crème brûlée lamp is broken" in texts(page["items"])
    assert "One" in texts(page["items"])
    assert len(page["items"]) == 3, "it is the first of all, and half a page follows it"
    missing = {"around": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"}
    assert (await ana.http.get(f"/api/v1{path}/messages", params=missing)).status_code == 404

    # Who may not see numbers does not find out about them either.
    await admin.put("/contact-policy", {"masked_for_human_agents": True})
    for guess in ("4915550001", "5550001", "49155", "+49 155 50001"):
        assert await found(ana, guess) == [], guess
        assert await found(admin, guess) != [] or guess.startswith("+"), guess
    assert await found(ana, "garcia") == ["contact"]
    assert "50001." not in str(await ana.get("/search", q="call"))
    await elsewhere.aclose()


@pytest.mark.parametrize(
    ("text", "masked", "terms"),
    [
        ("one 'two'", False, ["one", "two"]),
        ("a & b | !c:* <->", False, ["a", "b", "!c:*"]),
        ("call 4915550001 ana@example.com", True, ["call"]),
        ("order 10421", True, ["order", "10421"]),
        ("  ", False, []),
    ],
)
def test_what_is_searched_for(text: str, masked: bool, terms: list[str]) -> None:
    assert terms_of(text, masked=masked) == terms


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("Short, with a Crème in it", "Short, with a Crème in it"),
        ("word " * 10 + "crème " + "word " * 10, "…word crème word word word…"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_an_excerpt_stands_around_what_was_found(text: str, excerpt: str) -> None:
    assert cut_out(text, ["creme"], 30) == excerpt
