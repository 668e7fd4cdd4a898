"""What people work with at the desk: tags, priorities, notes, saved replies, drafts."""

import pytest
from tests.desk import Desk

from frontdesk.conversation.filling import fill, must_be_fillable

STRANGER = "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"


async def test_people_sort_note_and_draft_and_everybody_is_told(desk: Desk) -> None:
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    await desk.say("How long does delivery take?", name="Zoë Quick")
    conversation = f"/conversations/{(await desk.conversation())['id']}"

    tagged = await ana.put(f"{conversation}/tags", {"tags": ["Refund ", "vip", "refund"]})
    assert tagged["tags"] == ["refund", "vip"]
    tagged = await ana.put(f"{conversation}/tags", {"tags": ["refund"]})
    assert tagged["tags"] == ["refund"]
    assert await ben.get("/tags") == [{"tag": "refund", "conversations": 1}]
    assert len((await ben.get("/conversations", tag="refund"))["items"]) == 1
    assert (await ben.get("/conversations", tag="vip"))["items"] == []

    await ana.put(f"{conversation}/priority", {"priority": "urgent"})
    (urgent,) = (await ben.get("/conversations", view="ai", priority="urgent"))["items"]
    assert urgent["priority"] == "urgent"
    assert (await ben.get("/conversations", priority="low"))["items"] == []

    note = await ana.post(
        f"{conversation}/notes", {"text": "Ask Ben.", "mentions": [str(ben.id)]}, status=201
    )
    await ana.post(f"{conversation}/notes", {"text": "?", "mentions": [STRANGER]}, status=422)
    refused = await ben.put(f"/notes/{note['id']}", {"text": "Mine now"}, status=403)
    assert refused["code"] == "not_your_note"
    both = {"text": "Ask Ben, or the boss.", "mentions": [str(ben.id), str(admin.id)]}
    await ana.put(f"/notes/{note['id']}", both)
    (kept,) = await ben.get(f"{conversation}/notes")
    assert (kept["text"], kept["edited_at"] is not None) == (both["text"], True)
    assert len(desk.phone().replies) == 1, "no contact sees a note"
    assert (await admin.http.delete(f"/api/v1/notes/{note['id']}")).status_code == 204
    assert await ben.get(f"{conversation}/notes") == []

    await ana.put(f"{conversation}/draft", {"text": "Let me look"})
    assert (await ana.get(f"{conversation}/draft"))["text"] == "Let me look"
    assert (await ben.http.get(f"/api/v1{conversation}/draft")).status_code == 404
    assert (await ana.http.delete(f"/api/v1{conversation}/draft")).status_code == 204
    assert (await ana.http.get(f"/api/v1{conversation}/draft")).status_code == 404

    told = {
        person: (await person.get("/feed/events", after="0", limit=500))["items"]
        for person in (ana, ben, admin)
    }
    for person, events in told.items():
        kinds = [event["kind"] for event in events]
        assert {"conversation.tagged", "conversation.prioritised", "note.written"} <= {*kinds}
        assert "note.deleted" in kinds
        assert kinds.count("user.mentioned") == (person is not ana), "those mentioned, each once"
        # A draft is nobody else's to read, not an admin's either.
        assert ("draft.changed" in kinds) == ("Let me look" in str(events)) == (person is ana)


async def test_every_kind_of_event_and_what_it_carries_is_described(desk: Desk) -> None:
    schemas = desk.app.openapi()["components"]["schemas"]
    kinds = schemas["FeedEventPublic"]["discriminator"]["mapping"]
    await desk.say("How long does delivery take?")
    told = {kind for kind, _ in await desk.events()}
    assert {"conversation.opened", "message.received", "turn.decided", "message.state"} <= told
    assert told <= set(kinds)
    for kind, reference in kinds.items():
        described = schemas[reference.rpartition("/")[2]]["properties"]
        assert described["kind"]["const"] == kind
        for carried in described["payload"]["anyOf"]:
            assert schemas[carried["$ref"].rpartition("/")[2]]["properties"]


async def test_a_contacts_card_tells_ids_opt_out_and_what_was_talked_about(desk: Desk) -> None:
    ana = await desk.ana()
    await desk.say("How long does delivery take?", name="Zoë Quick")
    first = await desk.conversation()
    await ana.post(f"/conversations/{first['id']}/close", {"reason": "done"})
    await desk.say("Can I return a lamp?")
    card = await ana.get(f"/contacts/{first['contact']['id']}")
    assert (card["name"], card["opted_out_at"]) == ("Zoë Quick", None)
    assert {"kind": "wa_id", "value": "4915550001"} in card["aliases"]
    past = [(each["status"], each["close_reason"]) for each in card["conversations"]]
    assert past == [("ACTIVE", None), ("CLOSED", "done")]
    assert (await ana.http.get(f"/api/v1/contacts/{STRANGER}")).status_code == 404


async def test_a_saved_reply_is_filled_in_for_the_contact(desk: Desk) -> None:
    ana, ben = await desk.ana(), await desk.ben()
    await desk.say("How long does delivery take?", name="Zoë Quick")
    conversation = f"/conversations/{(await desk.conversation())['id']}"
    text = "Hello {{contact_first_name}}, {{ my_name }} here."
    saved = await ana.post("/saved-replies", {"shortcut": "hi", "text": text}, status=201)
    taken = await ben.post("/saved-replies", {"shortcut": "hi", "text": "x"}, status=409)
    assert taken["code"] == "shortcut_taken"
    strange = {"shortcut": "no", "text": "{{ card_number }}"}
    assert "card_number" in (await ben.post("/saved-replies", strange, status=422))["detail"]
    filled = await ben.get(f"{conversation}/saved-replies/{saved['id']}")
    assert filled == {"text": "Hello Zoë, Ben here.", "unknown": []}
    changed = {"shortcut": "hello", "text": "{{contact_name}}"}
    await ben.put(f"/saved-replies/{saved['id']}", changed)
    assert [reply["shortcut"] for reply in await ana.get("/saved-replies")] == ["hello"]
    gone = await ana.http.delete(f"/api/v1/saved-replies/{saved['id']}")
    assert gone.status_code == 204
    assert await ana.get("/saved-replies") == []


@pytest.mark.parametrize(
    ("text", "filled", "unknown"),
    [
        ("Hello", "Hello", []),
        ("Hello {{contact_name}}", "Hello Zoë", []),
        ("{{ contact_name }}{{my_name}}", "Zoë{{my_name}}", ["my_name"]),
        ("{contact_name} {{}}", "{contact_name} {{}}", [""]),
    ],
)
def test_what_is_not_known_stays_as_it_was_written(
    text: str, filled: str, unknown: list[str]
) -> None:
    assert fill(text, {"contact_name": "Zoë", "my_name": ""}) == (filled, unknown)


def test_a_saved_reply_names_only_what_can_be_filled_in() -> None:
    with pytest.raises(ValueError, match="no variable: x"):
        must_be_fillable("{{x}}")
