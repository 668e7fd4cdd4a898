"""Voice notes: written down before the agent answers, waited for and not for ever, paid for once."""

from decimal import Decimal
from typing import Any

import pytest
from tests.desk import Desk, eventually

from frontdesk.messaging.transcribing import seconds_of
from frontdesk.simulator import ModelFault, ModelFaultKind
from frontdesk.simulator.media import SILENT_OGG

MODEL = "groq/whisper-large-v3-turbo"


async def _hears(desk: Desk) -> Any:
    """Let the agent hear, with a model that can."""
    admin = await desk.admin()
    routes = {"transcription": {"models": [MODEL]}}
    await admin.put("/models/routing", {"routes": routes}, If_Match='"0"')
    await desk.configure(hears_voice_notes=True)
    return admin


async def test_a_voice_note_is_written_down_and_answered_like_a_text(desk: Desk) -> None:
    admin = await _hears(desk)
    phone = desk.phone()
    phone.send_audio("How long does delivery take? My mail is max@example.com")
    phone.say("I need it for a party.")
    await desk.work_until_idle()
    assert len(phone.replies) == 1
    assert "3 to 5 working days" in phone.replies[0]
    thread = await desk.conversation()
    (note,) = [
        message
        for message in (await admin.get(f"/conversations/{thread['id']}/messages"))["items"]
        if message["type"] == "audio"
    ]
    assert note["text"].startswith("How long does delivery take?")
    assert note["text"].endswith("(simulated transcript)")
    assert note["tokens"] > 5
    calls = (await admin.get("/llm-calls", conversation_id=thread["id"]))["items"]
    (heard,) = [call for call in calls if call["feature"] == "transcription"]
    assert (heard["model_used"] or heard["model_asked"], heard["outcome"]) == (MODEL, "ok")
    (entry,) = await desk.sql("SELECT * FROM usage_entry WHERE feature = 'transcription'")
    assert entry["input_tokens"] > 0
    assert entry["amount_usd"] == entry["input_tokens"] * Decimal("0.00001111")
    # No other model reads what is personal in it.
    for call in calls:
        if call["feature"] != "transcription":
            shown = await admin.get(f"/llm-calls/{call['id']}")
            assert "max@example.com" not in str(shown["messages"])


async def test_a_note_nobody_could_write_down_holds_nobody_up_for_ever(desk: Desk) -> None:
    await _hears(desk)
    broken = ModelFault(ModelFaultKind.STATUS, http_status=401)
    desk.simulator.model.faults.next(broken, 20)
    desk.phone().send_audio("How long does delivery take?")
    await eventually(
        lambda: desk.sql("SELECT 1 FROM media WHERE last_error LIKE '%not written down%'")
    )
    (waiting,) = await desk.sql("SELECT due_at > now() AS waits, handled_seq FROM conversation")
    assert (waiting["waits"], waiting["handled_seq"]) == (True, 0)
    # Its time is over before the next try.
    await desk.sql("UPDATE conversation SET due_at = now() RETURNING id")
    await desk.work_until_idle()
    thread = await desk.conversation()
    assert thread["status"] == "WITH_HUMAN"
    desk.simulator.model.faults.clear()
    await desk.sql("UPDATE media SET due_at = now() WHERE wants_words RETURNING id")
    await desk.work_until_idle()
    (note,) = await desk.sql("SELECT text FROM message WHERE type = 'audio'")
    assert note["text"].startswith("How long does delivery take?")  # People read it all the same.


async def test_without_a_model_that_hears_a_voice_note_goes_to_a_person(desk: Desk) -> None:
    await desk.configure(hears_voice_notes=True)
    desk.phone().send_audio("How long does delivery take?")
    await desk.work_until_idle()
    assert (await desk.conversation())["status"] == "WITH_HUMAN"
    assert await desk.sql("SELECT 1 FROM usage_entry WHERE feature = 'transcription'") == []


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (SILENT_OGG, 1),
        (b"OggS" + bytes(2) + (96_001).to_bytes(8, "little") + bytes(2_000), 3),
        (b"OggS" + bytes(2) + (10**12).to_bytes(8, "little") + bytes(1_200), 3),
        (b"OggS" + bytes(639_990), 10),  # It says that there is nothing in it.
        (b"OggS", 1),
        (bytes(6_000), 10),
        (b"", 1),
    ],
)
def test_how_long_a_recording_is_at_most(content: bytes, seconds: int) -> None:
    assert seconds_of(content) == seconds
