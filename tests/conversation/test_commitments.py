"""Promises: found, read, listed, settled, and not forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from tests.desk import Desk, wait_for_somebody_held_up

from frontdesk.conversation import lock
from frontdesk.conversation.commitments import dismiss
from frontdesk.conversation.keeping import FoundPromise, keep, moment_of
from frontdesk.conversation.promising import find_promises
from frontdesk.simulator import ModelFault, ModelFaultKind, SendFault, SendFaultKind
from frontdesk.simulator.webhooks import envelope

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = {"time_zone": "Europe/Berlin", "week": {"monday": [{"start": "09:00", "end": "18:00"}]}}


async def test_no_model_that_reads_a_promise_is_shown_whom_it_was_made_to(desk: Desk) -> None:
    await desk.say("I want to talk to a person.", name="Wilhelmina Rossi")
    at, ana = f"/conversations/{(await desk.conversation())['id']}", await desk.ana()
    await ana.post(f"{at}/take-over")
    said = "Wilhelmina Rossi, we will call you at 4915550001 by Friday."
    await ana.post(f"{at}/messages", {"text": said})
    await desk.work_until_idle()
    (request,) = desk.simulator.model.asked("found_promises")
    assert "[NAME_1], we will call you at [PHONE_1] by Friday." in request.messages[-1]["content"]
    assert "Rossi" not in str(request.messages)
    (promise,) = (await ana.get("/commitments", state="open"))["items"]
    assert (promise["text"], promise["read_by"][:5]) == (said, "groq/")


async def test_what_people_promise_is_listed_reminded_of_and_settled(desk: Desk) -> None:
    await desk.configure(business_hours=HOURS)
    await desk.say("I want to talk to a person.")
    conversation, ana, admin = await desk.conversation(), await desk.ana(), await desk.admin()
    at = f"/conversations/{conversation['id']}"
    await ana.post(f"{at}/take-over")
    said = await ana.post(
        f"{at}/messages",
        {"text": "We will refund you by Friday. I will be happy to help. Is that all right?"},
    )
    await desk.work_until_idle()
    (promise,) = (await ana.get("/commitments", state="open"))["items"]
    assert promise["text"] == "We will refund you by Friday."
    assert (promise["message_id"], promise["by"]) == (said["id"], "human_agent")
    assert promise["user_id"] == str(ana.id)
    assert promise["read_by"].startswith("groq/")
    until = datetime.fromisoformat(promise["promised_for"]).astimezone(BERLIN)
    assert (until.weekday(), until.hour) == (4, 18)
    assert timedelta() < until - datetime.now(UTC) <= timedelta(days=7, hours=18)
    # Where no model answers it stands as the rules read it.
    fault = ModelFault(ModelFaultKind.STATUS, http_status=401)
    desk.simulator.model.faults.share(fault, 1.0, only="found_promises")
    await ana.post(f"{at}/messages", {"text": "And I will call you tomorrow at 15:30."})
    await desk.work_until_idle()
    call, _ = (await ana.get(f"{at}/commitments"))["items"]
    assert (call["read_by"], call["text"]) == ("rules", "And I will call you tomorrow at 15:30.")
    called = datetime.fromisoformat(call["promised_for"]).astimezone(BERLIN)
    assert (called.date() - datetime.now(BERLIN).date()).days == 1
    assert (called.hour, called.minute) == (15, 30)
    # What did not leave promises nothing.
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131009))
    unsent = await ana.post(f"{at}/messages", {"text": "We will refund you by Monday."})
    await desk.work_until_idle()
    opened = (
        "UPDATE commitment SET state = 'open', due_at = now() WHERE message_id = $1 RETURNING 1"
    )
    await desk.sql(opened, UUID(unsent["id"]))
    await desk.work_until_idle()
    assert len((await ana.get(f"{at}/commitments"))["items"]) == 2
    # Nor does what names no day; sent again, it is promised after all.
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.FAILED, code=131026))
    unsaid = await ana.post(f"{at}/messages", {"text": "I will look into it."})
    await desk.work_until_idle()
    assert len((await ana.get(f"{at}/commitments"))["items"]) == 2
    await ana.post(f"/messages/{unsaid['id']}/retry", status=202)
    await desk.work_until_idle()
    undated, *_ = (await ana.get(f"{at}/commitments"))["items"]
    assert (undated["text"], undated["promised_for"]) == ("I will look into it.", None)
    await ana.post(f"/commitments/{undated['id']}/settle", {"state": "cancelled"})
    # Once before its time and once at it, whoever has the conversation is reminded.
    for shift in ("'3 hours'", "'-1 seconds'"):
        await desk.sql(
            f"UPDATE commitment SET due_at = now(), promised_for = now() + interval {shift} "
            "WHERE id = $1",
            UUID(promise["id"]),
        )
        await desk.work_until_idle()
    reminded = [told for kind, told in await desk.events() if kind == "commitment.due"]
    assert [told["is_overdue"] for told in reminded] == [False, True]
    assert {(told["commitment_id"], told["user_id"]) for told in reminded} == {
        (promise["id"], str(ana.id))
    }
    assert await desk.sql("SELECT 1 FROM commitment WHERE due_at <= now()") == []
    audited = await admin.get("/audit-entries", action="commitment.reminded")
    assert len(audited["items"]) == 2
    assert [each["id"] for each in (await ana.get("/commitments", state="due"))["items"]] == [
        promise["id"]
    ]
    settle = f"/commitments/{promise['id']}/settle"
    assert (await ana.post(settle, {"state": "kept"}))["state"] == "kept"
    assert (await ana.post(settle, {"state": "kept"}))["settled_by"] == str(ana.id)
    assert (await ana.post(settle, {"state": "cancelled"}, status=409))["code"] == "already_settled"
    assert len((await ana.get("/commitments", state="kept"))["items"]) == 1
    await admin.post("/erasures", {"contact_id": conversation["contact"]["id"]}, status=202)
    await desk.work_until_idle()
    assert await desk.sql("SELECT 1 FROM commitment") == []


async def test_a_promise_whose_message_failed_is_none_until_it_arrived_after_all(
    desk: Desk,
) -> None:
    await desk.say("I want to talk to a person.")
    conversation, ana = await desk.conversation(), await desk.ana()
    at = f"/conversations/{conversation['id']}"
    await ana.post(f"{at}/take-over")
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.FAILED, code=131026))
    await ana.post(f"{at}/messages", {"text": "We will refund you by Friday."})
    await desk.work_until_idle()
    assert (await ana.get(f"{at}/commitments"))["items"] == []
    taken = desk.simulator.whatsapp.log[-1]
    arrived = {
        "id": taken.wamid,
        "status": "delivered",
        "timestamp": str(int(datetime.now(UTC).timestamp())),
        "biz_opaque_callback_data": taken.callback_data,
        "recipient_id": taken.number,
    }
    channel = desk.simulator.whatsapp.channel(taken.phone_number_id)
    desk.simulator.post(envelope(channel, statuses=[arrived]))
    await desk.work_until_idle()
    (promise,) = (await ana.get(f"{at}/commitments"))["items"]
    assert (promise["text"], promise["state"]) == ("We will refund you by Friday.", "open")


async def test_reading_promises_takes_the_conversation_before_the_promise(desk: Desk) -> None:
    await desk.say("I want to talk to a person.")
    conversation, ana = await desk.conversation(), await desk.ana()
    at = f"/conversations/{conversation['id']}"
    await ana.post(f"{at}/take-over")
    await ana.post(f"{at}/messages", {"text": "We will refund you by Friday."})
    await desk.work_until_idle()
    (promise,) = (await ana.get(f"{at}/commitments"))["items"]
    await desk.sql(
        "UPDATE commitment SET state = 'noticed', due_at = now(), attempts = 0 RETURNING 1"
    )
    async with desk.resources.db.hot(desk.id) as tx:
        # As a failed status does it: the conversation, and then what was promised in it.
        await lock(tx, UUID(conversation["id"]))
        reading = asyncio.create_task(keep(desk.resources, desk.id, UUID(promise["id"])))

        await wait_for_somebody_held_up(tx.sql)
        await dismiss(tx, UUID(promise["id"]))
    await reading
    assert (await ana.get(f"{at}/commitments"))["items"] == []


MONDAY = datetime(2026, 11, 30, 10, 15, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("language", "text", "until"),
    [
        ("en", "We'll refund you by Friday.", "12-04 18:00"),
        ("en", "I will ring you tomorrow by 5 pm.", "12-01 17:00"),
        ("en", "We refund it by 2026-12-24.", "12-24 18:00"),
        ("en", "I will answer within 2 hours.", "11-30 12:15"),
        ("en", "On Monday we will write.", "12-07 18:00"),
        ("en", "We will send a new one.", ""),
        ("en", "We ship within 2 working days.", None),
        ("en", "Shall we refund you by Friday?", None),
        ("en", "If you like, we will refund you.", None),
        ("en", "I will be happy to help.", None),
        ("de", "Wir erstatten das Geld bis Freitag.", "12-04 18:00"),
        ("de", "Ich werde Sie übermorgen anrufen.", "12-02 18:00"),
        ("de", "Wir werden es bis 4.12. um 14:30 schicken.", "12-04 14:30"),
        ("es", "Te enviaremos otra lámpara el miércoles.", "12-02 18:00"),
        ("pt", "Vamos enviar amanhã.", "12-01 18:00"),
        ("it", "Le rimborseremo entro venerdì.", "12-04 18:00"),
        ("fr", "Nous vous rembourserons demain.", "12-01 18:00"),
        ("ar", "سوف نرسل لك مصباحا غدا.", "12-01 18:00"),
        ("hi", "हम कल आपको पैसे लौटाएंगे।", "12-01 18:00"),
    ],
)
def test_what_sounds_like_a_promise(language: str, text: str, until: str | None) -> None:
    """`until` is when, nothing when it does not say, and None when it promises nothing."""
    heard = find_promises(f"{text} Thank you!", language, MONDAY)
    said = [
        (p.text, p.promised_for.strftime("%m-%d %H:%M") if p.promised_for else "") for p in heard
    ]
    assert said == ([] if until is None else [(text, until)])


@pytest.mark.parametrize(
    ("day", "clock", "moment"),
    [
        ("2026-12-04", None, "2026-12-04T18:00:00+01:00"),
        ("2026-12-04", "09:30", "2026-12-04T09:30:00+01:00"),
        ("2026-12-04", "soon", "2026-12-04T18:00:00+01:00"),
        ("2027-07-01", None, "2027-07-01T18:00:00+02:00"),
        ("2026-11-30", "09:00", "2026-11-30T23:59:00+01:00"),
        ("2026-11-29", None, None),
        ("2031-01-01", None, None),
        (None, "09:00", None),
    ],
)
def test_the_moment_a_model_names(day: str | None, clock: str | None, moment: str | None) -> None:
    found = FoundPromise.model_validate({"text": "x", "due_date": day, "due_time": clock})
    at = moment_of(found, MONDAY)
    assert (at and at.isoformat()) == moment
