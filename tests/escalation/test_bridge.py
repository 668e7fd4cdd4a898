"""A human agent who has conversations on their own WhatsApp, through the tenant's number."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.desk import Desk, Person, eventually

from frontdesk.escalation import bridge_rules as rules
from frontdesk.simulator import Phone
from frontdesk.simulator.faults import SendFault, SendFaultKind
from frontdesk.simulator.threads import Template

_PERSON = "I want to talk to a person"
_UNREACHABLE = SendFault(SendFaultKind.FAILED, code=131026)
_CONTACT, _OTHER, _OWN = "4915550001", "4915550002", "4917770009"


async def _linked(desk: Desk, person: Person, number: str = _OWN) -> Phone:
    """The phone of a human agent, confirmed."""
    code = await person.post("/me/whatsapp/code", status=201)
    phone = desk.phone(number)
    phone.say(f"  {code['code'].lower()} ")
    await desk.work_until_idle()
    return phone


async def _online(person: Person) -> None:
    await person.put("/me/availability", {"presence": "online"})


async def _said(desk: Desk, conversation: Any) -> list[tuple[str, str]]:
    admin = await desk.admin()
    page = await admin.get(f"/conversations/{conversation['id']}/messages")
    return [(message["author"], message["text"]) for message in reversed(page["items"])]


async def test_a_conversation_goes_on_a_human_agents_phone_until_they_close_it(desk: Desk) -> None:
    ana = await desk.ana()
    assert (await ana.put("/me/whatsapp", {"enabled": True}, status=409))["code"] == "no_phone"
    own = await _linked(desk, ana)
    assert (await ana.get("/me/whatsapp"))["wa_id"] == _OWN
    assert not (await (await desk.admin()).get("/conversations"))["items"], "no contact of theirs"
    await _online(ana)
    await desk.say(_PERSON, number=_OTHER)
    assert own.replies == [], "it is off until an admin switches it on"
    await (await desk.admin()).post(
        f"/conversations/{(await desk.conversation(_OTHER))['id']}/close", {}
    )
    await desk.configure(bridge_enabled=True)

    contact = desk.phone(_CONTACT, name="Maya Ruiz")
    await desk.say(_PERSON, number=_CONTACT)
    assert "You now have Maya Ruiz" in own.replies[0]
    assert _PERSON in own.replies[0]
    assert _CONTACT not in str(own.thread.replies), "the number stays with us"
    shown = len(contact.replies)
    # Both ways, each once though WhatsApp tells it twice.
    contact.say("My lamp is broken", copies=2)
    await desk.work_until_idle()
    assert own.replies[-1] == "*Maya Ruiz:* My lamp is broken"
    heard = len(own.replies)
    own.say("We send you another one.", copies=2)
    own.say("/note a good customer")
    own.say("/dance")
    own.react("👍")
    await desk.work_until_idle()

    async def told() -> bool:
        return len(own.replies) == heard + 2

    await eventually(told)
    assert contact.replies[shown:] == ["We send you another one."]
    assert sorted(own.replies[heard:]) == sorted([rules.NOTED, rules.UNKNOWN])
    # Files, too.
    contact.send_image("this one", content=b"\xff\xd8\xff\xe0" + b"j" * 40, mime_type="image/jpeg")
    own.send_document("label.pdf", b"%PDF-1.4 label", caption="Your label")
    await desk.work_until_idle()
    picture, label = own.thread.replies[-1], contact.thread.replies[-1]
    assert picture.body["image"]["caption"] == "*Maya Ruiz:* this one"
    assert label.body["document"]["filename"] == "label.pdf"
    conversation = await desk.conversation()
    assert conversation["assigned_user_id"] == str(ana.id)
    said = await _said(desk, conversation)
    assert said[-2:] in (
        [("contact", "this one"), ("human_agent", "Your label")],
        [("human_agent", "Your label"), ("contact", "this one")],
    )
    (note,) = await ana.get(f"/conversations/{conversation['id']}/notes")
    assert note["text"] == "a good customer"

    # A second conversation waits until the first is closed, and is not meant by what is late.
    await desk.say(_PERSON, number=_OTHER)
    assert "/who" not in own.replies[-1]
    own.tap("Who?")
    await desk.work_until_idle()
    assert "You have *Maya Ruiz*" in own.replies[-1]
    first = own.thread.replies[0].wamid
    own.say("/close sent another")
    await desk.work_until_idle()
    closed = await desk.conversation()
    assert (closed["status"], closed["close_reason"]) == ("CLOSED", "sent another")
    told = own.replies[-3:]
    assert "is closed." in " ".join(told)
    assert any("You now have" in text for text in told)
    own.say("Bye, Maya!", quote=first)
    own.say("Bye, Maya! (late)", sent_at=(datetime.now(UTC) - timedelta(seconds=60)).timestamp())
    await desk.work_until_idle()
    assert set(own.replies[-2:]) == {rules.STALE, rules.BLIND}
    assert "Bye" not in str(desk.phone(_OTHER).replies)
    # Given back, it is the AI's; nobody is there to hear any more.
    own.say("We look into it.")
    await desk.work_until_idle()
    assert desk.phone(_OTHER).replies[-1] == "We look into it."
    own.say("/back They get a lamp for free")
    await desk.work_until_idle()
    assert (await desk.conversation(_OTHER))["status"] == "ACTIVE"
    own.say("Hello?")
    await desk.work_until_idle()
    assert own.replies[-1] == rules.NOTHING
    told_of = [(kind, event.get("why")) for kind, event in await desk.events() if "bridge" in kind]
    assert told_of == [
        ("bridge_phone.changed", None),
        ("bridge.started", None),
        ("bridge.ended", "closed"),
        ("bridge.started", None),
        ("bridge.ended", "released"),
    ]
    audited = (await (await desk.admin()).get("/audit-entries", limit=100))["items"]
    actions = [entry["action"] for entry in audited if entry["action"].startswith("bridge.")]
    assert sorted(actions) == ["bridge.ended"] * 2 + ["bridge.started"] * 2


TEMPLATE = Template("new_conversation", "en", "{{1}} needs you. Write anything to begin.")


async def test_who_has_not_written_lately_is_called_by_a_template_and_who_is_gone_loses_it(
    desk: Desk,
) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    own = await _linked(desk, ana)
    desk.simulator.register_channel(desk.phone_number_id, templates=(TEMPLATE,))
    await admin.post("/templates/sync", status=204)
    await desk.work_until_idle()
    template = {"name": "new_conversation", "language": "en"}
    await desk.configure(bridge_enabled=True, bridge_template=template)
    await desk.sql("UPDATE bridge_heard SET said_at = said_at - interval '25 hours'")
    await _online(ana)
    desk.phone(_CONTACT, name="Maya Ruiz")
    await desk.say(_PERSON, "My lamp is broken", number=_CONTACT)
    (called,) = own.thread.replies
    assert called.body["template"]["components"][0]["parameters"][0]["text"] == "Maya Ruiz"
    await desk.say("Hello?", number=_CONTACT)
    assert len(own.thread.replies) == 1, "nothing else could reach them"
    shown = len(desk.phone(_CONTACT).replies)
    own.say("yes")
    await desk.work_until_idle()
    assert "Hello?" in own.replies[-1]
    assert len(desk.phone(_CONTACT).replies) == shown, "the answer to the call is for nobody"

    # What does not reach the contact is said; a colleague may take it; a lost phone loses it.
    desk.simulator.whatsapp.faults.next(_UNREACHABLE)
    own.say("On its way")
    await desk.work_until_idle()
    assert "did not get this: On its way" in own.replies[-1]
    desk.simulator.whatsapp.faults.next(_UNREACHABLE)
    await desk.say("Are you there?", number=_CONTACT)
    conversation = await desk.conversation()
    assert (conversation["status"], conversation["assigned_user_id"]) == ("WITH_HUMAN", None)
    (returned,) = [event for kind, event in await desk.events() if kind == "handoff.returned"]
    assert (returned["why"], returned["from_user_id"]) == ("unreachable", str(ana.id))
    # On their phone again, switched off, and taken by a colleague: each ends it.
    await ana.post(f"/conversations/{conversation['id']}/take-over")
    await desk.work_until_idle()
    await ana.put("/me/whatsapp", {"enabled": False})
    await desk.work_until_idle()
    assert "at the desk only" in own.replies[-1]
    await ana.put("/me/whatsapp", {"enabled": True})
    await desk.work_until_idle()
    await _online(await desk.ben())
    ben = {"user_id": str((await desk.ben()).id)}
    await ana.put(f"/conversations/{conversation['id']}/assignment", ben)
    await desk.work_until_idle()
    assert "You no longer have Maya Ruiz" in own.replies[-1]
    # Their phone is nobody else's, and a contact's is nobody's.
    await _linked(desk, await desk.ben(), _OWN)
    assert "colleague" in (await (await desk.ben()).get("/me/whatsapp"))["problem"]
    await _linked(desk, await desk.ben(), _CONTACT)
    assert "as a contact" in (await (await desk.ben()).get("/me/whatsapp"))["problem"]
    gone = await admin.http.patch(f"/api/v1/users/{ana.id}", json={"disabled": True})
    assert gone.is_success, gone.text
    await desk.say("I am a customer, too", number=_OWN)
    assert (await desk.conversation(_OWN))["id"], "a contact again"


_AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("previous_ended", "told", "is_blind"),
    [
        (None, None, False),
        (-400, None, False),
        (-60, None, True),
        (-60, 1, True),
        (-60, -1, False),
        (60, None, True),
    ],
)
def test_words_that_may_be_meant_for_another_are_sent_to_nobody(
    previous_ended: int | None, told: int | None, is_blind: bool
) -> None:
    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else _AT + timedelta(seconds=seconds)

    assert rules.is_blind(_AT, at(previous_ended), at(told)) is is_blind
