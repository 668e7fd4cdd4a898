"""WhatsApp that refuses, hangs, forgets, is late or away: answered once, later, or a person's."""

from typing import Any

import pytest
from tests.desk import Desk, eventually

from frontdesk.simulator import SendFault, SendFaultKind

QUESTION = "How long does delivery take?"


async def outbound(desk: Desk) -> Any:
    rows = await desk.sql("SELECT * FROM outbound ORDER BY created_at, id")
    return rows[-1]


async def states(desk: Desk) -> list[str]:
    rows = await desk.sql("SELECT state FROM outbound ORDER BY created_at, id")
    return [row["state"] for row in rows]


async def let_pass(desk: Desk, seconds: float) -> None:
    """What is open lies so much further back, and is looked at now."""
    await desk.sql(
        "UPDATE outbound SET due_at = now(), sending_since = sending_since - "
        "make_interval(secs => $1), created_at = created_at - make_interval(secs => $1) "
        "WHERE state IN ('pending', 'sending', 'unknown') RETURNING id",
        float(seconds),
    )
    await desk.work_until_idle()


async def say_in_a_hurry(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contact writes, and a send without an answer is given up soon: the next may take longer."""
    with monkeypatch.context() as hurry:
        hurry.setattr(desk.resources.settings.whatsapp, "send_timeout_seconds", 0.3)
        await desk.say(QUESTION)


@pytest.mark.parametrize(
    "fault",
    [
        SendFault(SendFaultKind.ERROR, code=4, http_status=429),
        SendFault(SendFaultKind.ERROR, code=80007),
        SendFault(SendFaultKind.SERVER_ERROR, http_status=429),
        SendFault(SendFaultKind.SERVER_ERROR, code=131016, http_status=503, graph_body=True),
    ],
    ids=["429", "throttled", "429 without words", "503 with words"],
)
async def test_what_was_certainly_not_taken_is_sent_again_without_evidence(
    desk: Desk, fault: SendFault
) -> None:
    desk.simulator.whatsapp.faults.next(fault, 2)

    async def is_pending() -> bool:
        return await states(desk) == ["pending"]

    assert await desk.say(QUESTION) == []
    await eventually(is_pending)  # A second later it is tried again.
    await let_pass(desk, 20)
    await let_pass(desk, 20)
    assert len(desk.phone().replies) == 1


async def test_a_pair_rate_refusal_holds_up_that_contact_only(desk: Desk) -> None:
    refusal = SendFault(SendFaultKind.ERROR, code=131056)
    desk.simulator.whatsapp.faults.next(refusal, 2, only="4915550001")
    assert await desk.say(QUESTION) == []
    assert len(await desk.say(QUESTION, number="4915550002")) == 1
    row = await outbound(desk)
    assert (row["state"], row["error_code"]) == ("sent", None)
    await let_pass(desk, 20)
    await let_pass(desk, 20)
    assert len(desk.phone().replies) == 1


async def test_throttling_that_does_not_end_within_half_an_hour_goes_to_a_person(
    desk: Desk,
) -> None:
    desk.simulator.whatsapp.faults.share(SendFault(SendFaultKind.ERROR, code=130429), 1.0)
    await desk.say(QUESTION)
    await let_pass(desk, 29 * 60)
    assert await states(desk) == ["pending"]
    for _ in range(5):
        await let_pass(desk, 60)
    row = await outbound(desk)
    assert (row["state"], row["error_code"]) == ("failed", 130429)
    assert (await desk.conversation())["status"] == "WITH_HUMAN"


async def test_a_send_that_was_accepted_and_then_hangs_is_settled_by_its_status(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.HANG_AFTER))
    await say_in_a_hurry(desk, monkeypatch)
    await let_pass(desk, 61)
    assert await states(desk) == ["sent"]
    assert len(desk.phone().replies) == 1


async def test_a_send_that_hangs_unaccepted_is_repeated_once_the_channel_is_proven_alive(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.HANG_BEFORE))
    await say_in_a_hurry(desk, monkeypatch)
    assert await states(desk) == ["unknown"]
    await let_pass(desk, 20)
    await desk.say("When are you open?", number="4915550002")
    await let_pass(desk, 0)
    assert len(desk.phone().replies) == 1
    assert set(await states(desk)) == {"sent"}


async def test_a_reply_whose_post_hangs_holds_up_no_wish_for_a_person(desk: Desk) -> None:
    desk.simulator.configure(send_latency_seconds=(15, 15))
    phone = desk.phone()

    async def is_sending() -> bool:
        return "sending" in await states(desk)

    async def is_with_people() -> bool:
        return bool((await desk.conversation())["status"] == "WITH_HUMAN")

    phone.say(QUESTION)
    await eventually(is_sending)
    phone.say("I want to talk to a person.")
    await eventually(is_with_people)
    assert (await states(desk))[0] == "sending"
    desk.simulator.configure(send_latency_seconds=(0, 0))
    await desk.work_until_idle()
    assert await states(desk) == ["sent", "sent"]


async def test_a_send_that_was_answered_and_whose_status_is_lost_is_not_repeated(
    desk: Desk,
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.LOSE_STATUS))
    await desk.say(QUESTION)
    await let_pass(desk, 120)
    await desk.say("When are you open?", number="4915550002")
    await let_pass(desk, 0)
    assert len(desk.phone().replies) == 1
    rows = await desk.sql("SELECT state, delivery FROM outbound ORDER BY created_at, id")
    assert (rows[0]["state"], rows[0]["delivery"]) == ("sent", None)


async def test_the_residual_case_is_sent_twice_and_counted(desk: Desk) -> None:
    """Accepted, the answer lost, the status lost, and the channel alive: nobody can know."""
    repeated = desk.resources.metrics.sends.labels("repeated")
    before = repeated._value.get()
    lost = SendFault(SendFaultKind.HANG_AND_LOSE_STATUS, seconds=0.01)
    desk.simulator.whatsapp.faults.next(lost)
    await desk.say(QUESTION)
    assert await states(desk) == ["unknown"]
    await let_pass(desk, 20)
    await desk.say("When are you open?", number="4915550002")
    await let_pass(desk, 0)
    assert len(desk.phone().replies) == 2
    assert repeated._value.get() == before + 1


async def test_a_status_that_comes_after_a_person_was_asked_still_settles_the_send(
    desk: Desk,
) -> None:
    desk.simulator.configure(status_delay_seconds=(15, 15))
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.DROP_AFTER))
    await desk.phone().say(QUESTION)
    await eventually(lambda: desk.sql("SELECT 1 FROM outbound WHERE state = 'unknown'"))
    assert await desk.sql(
        "UPDATE outbound SET state = 'needs_attention' WHERE state = 'unknown' RETURNING id"
    )
    desk.simulator.configure(status_delay_seconds=(0.001, 0.005))
    await desk.work_until_idle()
    assert await states(desk) == ["sent"]
    assert len(desk.phone().replies) == 1


async def test_an_expired_token_keeps_all_that_waits_and_tells_the_desk(desk: Desk) -> None:
    desk.simulator.whatsapp.expired_tokens.add("EAAB-test")
    for number in range(3):
        assert await desk.say(QUESTION, number=f"491555000{number}") == []
    assert await states(desk) == ["pending"] * 3
    told = [payload for kind, payload in await desk.events() if kind == "channel.status"]
    assert (told[-1]["status"], bool(told[-1]["reason"])) == ("PAUSED", True)
    admin = await desk.admin()
    await admin.put(f"/channels/{desk.channel_id}/access-token", {"access_token": "EAAB-new"})
    await admin.post(f"/channels/{desk.channel_id}/resume")
    await desk.work_until_idle()
    assert [len(desk.phone(f"491555000{n}").replies) for n in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("kind", [SendFaultKind.ERROR, SendFaultKind.FAILED])
async def test_a_window_that_closed_by_whatsapps_clock_goes_to_a_person(
    desk: Desk, kind: SendFaultKind
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(kind, code=131047))
    await desk.say(QUESTION)
    row = await outbound(desk)
    assert (row["state"], row["error_code"]) == ("failed", 131047)
    assert (await desk.conversation())["status"] == "WITH_HUMAN"


@pytest.mark.parametrize("code", [100, 131008, 131009])
async def test_a_permanent_parameter_error_is_not_tried_again_and_goes_to_a_person(
    desk: Desk, code: int
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=code))
    await desk.say(QUESTION)
    await let_pass(desk, 600)
    row = await outbound(desk)
    assert (row["state"], row["error_code"], row["attempt"]) == ("failed", code, 1)
    assert desk.phone().replies == []
    conversation = await desk.conversation()
    handoff = await (await desk.admin()).get(f"/conversations/{conversation['id']}/handoff")
    assert handoff["reason"] == "send_failed"
    assert row["last_error"] in handoff["rule"]


async def test_a_message_outlasts_an_outage_that_whatsapp_itself_tells_of(desk: Desk) -> None:
    down = SendFault(SendFaultKind.SERVER_ERROR, code=131016, http_status=503, graph_body=True)
    desk.simulator.whatsapp.faults.share(down, 1.0)
    await desk.say(QUESTION)
    for _ in range(8):
        await let_pass(desk, 300)
    row = await outbound(desk)
    assert (row["state"], row["error_code"]) == ("pending", 131016)
    desk.simulator.whatsapp.faults.clear()
    await let_pass(desk, 300)
    assert len(desk.phone().replies) == 1
    assert (await desk.conversation())["status"] == "ACTIVE"


@pytest.mark.parametrize("limit", ["max_per_second", "phone_app_max_per_second"])
async def test_an_outage_of_half_an_hour_delays_and_ends_without_a_flood(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    whatsapp = desk.resources.settings.whatsapp
    phones = [desk.phone(f"4915550000{n}") for n in range(6)]
    with monkeypatch.context() as outage:
        outage.setattr(whatsapp, "api_base", "http://127.0.0.1:1")
        for phone in phones:
            phone.say(QUESTION)
        await desk.work_until_idle()
        await let_pass(desk, 900)
        await let_pass(desk, 900)
        assert await states(desk) == ["pending"] * 6
    on_phone_app = limit == "phone_app_max_per_second"
    await desk.sql("UPDATE channel SET is_on_phone_app = $1 RETURNING id", on_phone_app)
    monkeypatch.setattr(whatsapp, limit, 3.0)
    began = desk.simulator.world.now()
    await let_pass(desk, 1)
    await eventually(lambda: len(desk.simulator.whatsapp.log) == 6)
    await desk.work_until_idle()
    assert [len(phone.replies) for phone in phones] == [1] * 6
    # Three at once are what the channel has saved up, and then three a second.
    assert desk.simulator.whatsapp.log[-1].at - began > 0.9
