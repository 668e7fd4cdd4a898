"""A human agent who has conversations on their own WhatsApp, through the tenant's number."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.desk import Desk, Person, eventually, wait_for_somebody_held_up

from frontdesk.conversation import lock
from frontdesk.escalation import bridge_rules as rules
from frontdesk.escalation.bridge_words import _WORDS, Phrase, in_language
from frontdesk.simulator import Phone
from frontdesk.simulator.faults import SendFault, SendFaultKind
from frontdesk.simulator.threads import Template

_PERSON = "I want to talk to a person"
_UNREACHABLE = SendFault(SendFaultKind.FAILED, code=131026)
_CONTACT, _OTHER, _OWN = "4915550001", "4915550002", "4917770009"


def _said_in_english(phrase: Phrase) -> str:
    return in_language(phrase, "en")


async def _linked(desk: Desk, person: Person, number: str = _OWN) -> Phone:
    """The phone of a human agent, confirmed."""
    code = await person.post("/me/whatsapp/code", status=201)
    phone = desk.phone(number)
    phone.say(f"  {code['code'].lower()} ")
    await desk.work_until_idle()
    return phone


async def _online(person: Person) -> None:
    await person.put("/me/availability", {"presence": "online"})


async def _policy(desk: Desk, **silence: Any) -> None:
    gone = {"away_after_minutes": None, "away_return_minutes": None}
    await (await desk.admin()).put("/assignment-policy", gone | silence)


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
    assert sorted(own.replies[heard:]) == sorted(
        [_said_in_english(Phrase.NOTED), _said_in_english(Phrase.UNKNOWN)]
    )
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
    assert set(own.replies[-2:]) == {_said_in_english(Phrase.STALE), _said_in_english(Phrase.BLIND)}
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
    assert own.replies[-1] == _said_in_english(Phrase.NOTHING)
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


async def _begun(desk: Desk, own: str = "Maya Ruiz", *, text: str = _PERSON) -> Any:
    """The phone of Ana, who is online and has a conversation with `own` there."""
    phone = await _linked(desk, await desk.ana())
    await desk.configure(bridge_enabled=True)
    await _online(await desk.ana())
    desk.phone(_CONTACT, name=own)
    await desk.say(text, number=_CONTACT)
    return phone


async def test_the_desk_speaks_a_human_agents_language_on_their_phone(desk: Desk) -> None:
    ana = await desk.ana()
    await desk.configure(languages=["de", "en"])
    own = await _begun(desk)
    assert "Sie haben jetzt Maya Ruiz." in own.replies[-1], "the agent's first language"
    assert "Was Sie hier schreiben, geht an Maya Ruiz." in own.replies[-1]
    assert (await ana.put("/me/whatsapp", {"enabled": True, "language": "es"}))["language"] == "es"
    own.say("/dance")
    await desk.work_until_idle()
    assert own.replies[-1] == in_language(Phrase.UNKNOWN, "es")
    await desk.sql(
        "UPDATE conversation SET last_inbound_at = last_inbound_at - interval '25 hours'"
    )
    own.say("Hola")
    await desk.work_until_idle()
    assert own.replies[-1].startswith("No ha funcionado: Maya Ruiz escribió por última vez")
    await ana.put("/me/whatsapp", {"enabled": True, "language": "fi"})
    own.say("/close")
    await desk.work_until_idle()
    assert own.replies[-1] == "The conversation with Maya Ruiz is closed."


@pytest.mark.parametrize("language", sorted(_WORDS))
def test_every_phrase_is_there_in_the_usual_languages(language: str) -> None:
    for phrase in Phrase:
        english, said = in_language(phrase, "en"), _WORDS[language][phrase]
        assert re.findall(r"\{\w+\}", said) == re.findall(r"\{\w+\}", english), phrase
        assert set(re.findall(r"/\w+", said)) == set(re.findall(r"/\w+", english)), phrase
    titles = [_WORDS[language][button] for button in (Phrase.CLOSE, Phrase.BACK, Phrase.WHO)]
    assert max(map(len, titles)) <= 20, "WhatsApp takes no longer ones"


async def test_contact_details_hidden_from_human_agents_are_hidden_on_their_phones(
    desk: Desk,
) -> None:
    admin = await desk.admin()
    await admin.put("/contact-policy", {"masked_for_human_agents": True})
    text = f"{_PERSON}, my number is +49 171 5550123"
    own = await _begun(desk, "+49 171 5550123", text=text)
    contact = desk.phone(_CONTACT)
    contact.say("Or write to maya.ruiz@example.com")
    await desk.work_until_idle()
    own.say("/who")
    await desk.work_until_idle()
    shown = " ".join(own.replies)
    assert "5550123" not in shown
    assert "maya.ruiz" not in shown
    assert "0123" in own.replies[0], "an end of it is shown, as at the desk"
    assert "m•••@•••" in shown
    await admin.put("/contact-policy", {"masked_for_human_agents": False})
    own.say("/who")
    await desk.work_until_idle()
    assert "maya.ruiz@example.com" in own.replies[-1]


async def test_who_writes_on_their_phone_is_there(desk: Desk) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    policy = {"return_after_minutes": None, "return_to": "alert"}
    await admin.put(
        "/assignment-policy", policy | {"away_after_minutes": 10, "away_return_minutes": 30}
    )
    own = await _begun(desk)

    async def gone(minutes: int) -> str:
        """Nothing is seen of her for so long; whether she is online."""
        for change in (
            "UPDATE availability SET presence_at = presence_at - make_interval(mins => $1)",
            "UPDATE handoff SET assigned_at = assigned_at - make_interval(mins => $1)",
            "UPDATE bridge_heard SET said_at = said_at - make_interval(mins => $1)",
        ):
            await desk.sql(f"{change} RETURNING 1", minutes)
        async with desk.resources.db.system() as connection:
            await connection.execute("UPDATE user_session SET seen_at = now() - interval '1 day'")
        await desk.work_until_idle()
        (row,) = await desk.sql("SELECT presence FROM availability WHERE user_id = $1", ana.id)
        return str(row["presence"])

    own.say("I look into it.")
    assert await gone(8) == "online"
    own.say("One moment.")
    assert await gone(8) == "online", "she wrote eight minutes ago"
    await desk.say("Any news?", number=_CONTACT)
    assert await gone(11) == "away"
    own.say("/note she calls back")
    await desk.work_until_idle()
    assert await gone(0) == "online", "she was sent away and wrote"
    assert await gone(11) == "away"
    await ana.put("/me/availability", {"presence": "away"})
    own.say("/note still at it")
    await desk.work_until_idle()
    assert await gone(20) == "away", "she went away on purpose"
    assert (await desk.conversation())["assigned_user_id"] == str(ana.id), "and is at it"
    await gone(31)
    assert (await desk.conversation())["assigned_user_id"] is None


async def test_a_flood_of_a_contact_is_told_of_once(desk: Desk) -> None:
    own = await _begun(desk)
    heard = len(own.replies)
    per_minute = desk.resources.settings.limits.contact_messages_per_minute
    for number in range(per_minute + 20):
        desk.phone(_CONTACT).say(f"{number}?")
    await desk.work_until_idle()
    # One after another: none waits here for the one before it.
    while await desk.sql("UPDATE outbound SET due_at = now() WHERE state = 'pending' RETURNING 1"):
        await desk.work_until_idle()
    told = own.replies[heard:]
    (warning,) = [text for text in told if "writes faster" in text]
    assert warning.startswith("Maya Ruiz")
    assert 0 < len(told) - 1 < per_minute + 10


async def test_a_phone_that_is_not_reached_leaves_the_conversation_to_the_policys_minutes(
    desk: Desk,
) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    policy = {"return_after_minutes": 10, "return_to": "queue"}
    await admin.put(
        "/assignment-policy", policy | {"away_after_minutes": None, "away_return_minutes": None}
    )
    own = await _begun(desk)
    desk.simulator.whatsapp.faults.next(_UNREACHABLE)
    await desk.say("Are you there?", number=_CONTACT)
    assert [event["why"] for kind, event in await desk.events() if kind == "bridge.ended"] == [
        "unreachable"
    ]
    assert (await desk.conversation())["assigned_user_id"] == str(ana.id), "at the desk she has it"
    # Back in reach, she has it there again.
    own.say("Hello?")
    await desk.work_until_idle()
    assert "You now have Maya Ruiz" in own.replies[-1]
    assert "Are you there?" in own.replies[-1]
    own.say("Here I am.")
    await desk.work_until_idle()
    assert desk.phone(_CONTACT).replies[-1] == "Here I am."
    desk.simulator.whatsapp.faults.next(_UNREACHABLE)
    await desk.say("And now?", number=_CONTACT)
    await desk.sql(
        "UPDATE conversation SET waiting_since = now() - interval '11 minutes' RETURNING 1"
    )
    await desk.sql(
        "UPDATE handoff SET assigned_at = assigned_at - interval '11 minutes' RETURNING 1"
    )
    await desk.work_until_idle()
    assert (await desk.conversation())["assigned_user_id"] is None
    (returned,) = [event for kind, event in await desk.events() if kind == "handoff.returned"]
    assert returned["why"] == "silence"


async def test_what_is_written_on_a_phone_that_was_lost_is_for_nobody_and_they_are_told(
    desk: Desk,
) -> None:
    await _policy(desk, return_after_minutes=10, return_to="queue")
    own = await _begun(desk)
    desk.simulator.whatsapp.faults.next(_UNREACHABLE)
    await desk.say("Is it the red or the blue wire?", number=_CONTACT)
    heard, shown = len(own.replies), len(desk.phone(_CONTACT).replies)
    own.say("The red one.")
    # One goes behind the other, and looks again a little later if that is not there yet.
    while len(own.replies) < heard + 2:
        await desk.work_until_idle()
    nobody, brief = own.replies[heard:]
    assert nobody == _said_in_english(Phrase.BLIND)
    assert "You now have Maya Ruiz" in brief
    assert len(desk.phone(_CONTACT).replies) == shown
    own.say("The red one.")
    await desk.work_until_idle()
    assert desk.phone(_CONTACT).replies[shown:] == ["The red one."]
    assert len(own.replies) == heard + 2


async def test_a_phone_that_is_not_reached_loses_the_conversation_where_silence_only_alerts(
    desk: Desk,
) -> None:
    await _policy(desk, return_after_minutes=10, return_to="alert")
    await _begun(desk)
    desk.simulator.whatsapp.faults.next(_UNREACHABLE)
    await desk.say("Are you there?", number=_CONTACT)
    assert (await desk.conversation())["assigned_user_id"] is None
    (returned,) = [event for kind, event in await desk.events() if kind == "handoff.returned"]
    assert returned["why"] == "unreachable"


async def test_who_was_sent_away_and_writes_comes_back_after_the_conversation_is_had(
    desk: Desk,
) -> None:
    own = await _begun(desk)
    conversation = await desk.conversation()
    await desk.sql("UPDATE availability SET presence = 'away', sent_away = true RETURNING 1")
    async with desk.resources.db.hot(desk.id) as tx:
        # As whoever gives a conversation to somebody: that first, and then their place.
        await lock(tx, UUID(conversation["id"]))
        own.say("I am here.")
        hearing = asyncio.create_task(desk.work_until_idle())

        await wait_for_somebody_held_up(tx.sql)
        await tx.sql.fetch("SELECT FROM availability FOR UPDATE NOWAIT")
    await hearing
    assert desk.phone(_CONTACT).replies[-1] == "I am here."
    (row,) = await desk.sql("SELECT presence FROM availability")
    assert row["presence"] == "online"


async def test_no_half_of_a_number_in_a_long_name_is_shown(desk: Desk) -> None:
    admin = await desk.admin()
    await admin.put("/contact-policy", {"masked_for_human_agents": True})
    own = await _begun(desk, "Maya " * 9 + "+49 171 5550123 of the lamps")
    assert "Maya Maya •••0123" in own.replies[0]
    assert "171" not in own.replies[0]


async def test_a_phone_is_switched_without_a_word_on_its_language(desk: Desk) -> None:
    ana = await desk.ana()
    await _linked(desk, ana)
    await ana.put("/me/whatsapp", {"enabled": True, "language": "es"})
    assert (await ana.put("/me/whatsapp", {"enabled": False}))["language"] == "es"
    assert (await ana.put("/me/whatsapp", {"enabled": True, "language": None}))["language"] is None
    audited = await (await desk.admin()).get("/audit-entries", action="bridge_phone.switched")
    assert [entry["details"] for entry in audited["items"]] == [
        {"enabled": True, "language": None},
        {"enabled": False, "language": "es"},
        {"enabled": True, "language": "es"},
    ]


async def test_who_may_not_sign_in_is_not_away_for_their_silence(desk: Desk) -> None:
    ana, admin = await desk.ana(), await desk.admin()
    await _online(ana)
    await desk.sql("UPDATE availability SET presence = 'away', sent_away = true RETURNING 1")
    await admin.http.patch(f"/api/v1/users/{ana.id}", json={"disabled": True})
    (row,) = await desk.sql("SELECT presence, sent_away FROM availability")
    assert (row["presence"], row["sent_away"]) == ("away", False), "no word brings them back"
