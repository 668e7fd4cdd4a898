"""A message on its way out: what WhatsApp answers, what it does not, and what becomes of it."""

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.core.test_store_faults import failing
from tests.desk import Desk, eventually, wait_for_somebody_held_up

from frontdesk.conversation import lock
from frontdesk.core.db import Bell
from frontdesk.messaging import OUTBOUND
from frontdesk.simulator import SendFault, SendFaultKind
from frontdesk.simulator.webhooks import envelope
from frontdesk.worker import working


async def _outbound(desk: Desk) -> Any:
    rows = await desk.sql("SELECT * FROM outbound ORDER BY created_at")
    return rows[-1]


async def _time_passes(desk: Desk, seconds: int = 20) -> None:
    """Rows come due and sends lie further back, without the wait."""
    await desk.sql(
        "UPDATE outbound SET due_at = now(), sending_since = sending_since - "
        "make_interval(secs => $1) WHERE state IN ('pending', 'sending', 'unknown') RETURNING id",
        float(seconds),
    )
    await desk.work_until_idle()


async def test_statuses_in_reverse_order_leave_the_message_read(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.REVERSE_STATUS))
    await desk.say("How long does delivery take?")
    assert (await _outbound(desk))["delivery"] == "read"


async def test_doubled_statuses_change_nothing(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.DOUBLE_STATUS))
    await desk.say("How long does delivery take?")
    kinds = [kind for kind, _ in await desk.events() if kind == "message.state"]
    row = await _outbound(desk)
    assert row["state"] == "sent"
    assert len(kinds) <= 4  # accepted, sent, delivered, read: each once at most.


async def test_a_status_before_the_answer_to_the_send_settles_it(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.EARLY_STATUS))
    phone = desk.phone()
    await desk.say("How long does delivery take?")
    assert (await _outbound(desk))["state"] == "sent"
    assert len(phone.replies) == 1


@pytest.mark.parametrize("code", [130429, 131056, 131000])
async def test_throttled_and_transient_errors_are_tried_again(desk: Desk, code: int) -> None:
    # Twice, so that the pause before the third attempt (4 s) is longer than this test looks.
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=code), 2)

    async def is_pending() -> bool:
        row = await _outbound(desk)
        return (row["state"], row["error_code"]) == ("pending", code)

    assert await desk.say("How long does delivery take?") == []
    await eventually(is_pending)
    await _time_passes(desk)
    await _time_passes(desk)
    assert len(desk.phone().replies) == 1


async def test_a_permanent_error_is_shown_and_goes_to_a_person(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    await desk.say("How long does delivery take?")
    row = await _outbound(desk)
    assert (row["state"], row["error_code"]) == ("failed", 131026)
    assert (await desk.conversation())["status"] == "WITH_HUMAN"


async def test_a_failed_status_goes_to_a_person_too(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.FAILED, code=131026))
    await desk.say("How long does delivery take?")
    row = await _outbound(desk)
    assert (row["state"], row["delivery"]) == ("failed", "failed")
    assert (await desk.conversation())["status"] == "WITH_HUMAN"


async def test_an_expired_token_pauses_the_channel_and_keeps_the_message(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=190))
    await desk.say("How long does delivery take?")
    admin = await desk.admin()
    channel = await admin.get(f"/channels/{desk.channel_id}")
    assert channel["status"] == "PAUSED"
    assert channel["status_reason"]
    assert (await _outbound(desk))["state"] == "pending"
    await admin.put(f"/channels/{desk.channel_id}/access-token", {"access_token": "EAAB-new"})
    await admin.post(f"/channels/{desk.channel_id}/resume")
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 1


@pytest.mark.parametrize("kind", [SendFaultKind.ACCEPT_THEN_ERROR, SendFaultKind.DROP_AFTER])
async def test_a_send_without_an_answer_is_settled_by_its_status(
    desk: Desk, kind: SendFaultKind
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(kind))
    await desk.say("How long does delivery take?")
    assert (await _outbound(desk))["state"] == "sent"
    assert len(desk.phone().replies) == 1


@pytest.mark.parametrize("kind", [SendFaultKind.SERVER_ERROR, SendFaultKind.DROP_BEFORE])
async def test_an_unknown_send_waits_for_evidence_before_it_is_repeated(
    desk: Desk, kind: SendFaultKind
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(kind))
    await desk.say("How long does delivery take?")
    assert (await _outbound(desk))["state"] == "unknown"
    await _time_passes(desk, seconds=0)
    assert desk.phone().replies == [], "nothing says that the channel is alive"
    await _time_passes(desk, seconds=20)
    await desk.say("When are you open?", number="4915550002")
    await _time_passes(desk)
    assert len(desk.phone().replies) == 1


async def test_an_unknown_send_is_not_repeated_while_webhooks_are_unread(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.SERVER_ERROR))
    await desk.say("How long does delivery take?")
    await desk.say("When are you open?", number="4915550002")
    async with desk.resources.db.system() as connection:
        unread = await connection.fetchval(
            "INSERT INTO webhook_event (source, body, due_at) "
            "VALUES ('whatsapp', '{}', now() + interval '1 hour') RETURNING id"
        )
        await _time_passes(desk)
        assert desk.phone().replies == [], "the status may be in the one that is unread"
        await connection.execute("DELETE FROM webhook_event WHERE id = $1", unread)
    await _time_passes(desk)
    assert len(desk.phone().replies) == 1


async def test_an_answer_that_comes_after_the_sweep_gave_up_still_counts(desk: Desk) -> None:
    desk.simulator.configure(send_latency_seconds=(15, 15))
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.LOSE_STATUS))
    phone = desk.phone()
    await phone.say("How long does delivery take?")
    await eventually(lambda: desk.sql("SELECT 1 FROM outbound WHERE state = 'sending'"))
    assert await desk.sql(
        "UPDATE outbound SET state = 'unknown' WHERE state = 'sending' RETURNING id"
    )
    desk.simulator.configure(send_latency_seconds=(0, 0))
    await desk.work_until_idle()
    row = await _outbound(desk)
    assert (row["state"], row["wamid"] is not None) == ("sent", True)


async def test_what_nobody_can_know_is_left_to_a_person(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.SERVER_ERROR))
    await desk.say("How long does delivery take?")
    await desk.sql("UPDATE channel SET alive_at = NULL RETURNING id")
    await _time_passes(desk, seconds=16 * 60)
    row = await _outbound(desk)
    assert row["state"] == "needs_attention"
    ana = await desk.ana()
    await ana.post(f"/messages/{row['id']}/resolution", {"arrived": False})
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 1
    await ana.post(f"/messages/{row['id']}/resolution", {"arrived": True}, status=409)


async def test_nothing_is_sent_once_the_24_hour_window_has_closed(desk: Desk) -> None:
    # Twice, as it may be tried again before the window is closed.
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=130429), 2)
    await desk.say("How long does delivery take?")
    await desk.sql(
        "UPDATE conversation SET last_inbound_at = now() - interval '23 hours 56 minutes' "
        "RETURNING id"
    )
    await _time_passes(desk)
    row = await _outbound(desk)
    assert row["state"] == "failed"
    assert "24-hour window" in row["last_error"]
    assert desk.phone().replies == []


async def test_a_delivered_reply_is_metered_once(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.DOUBLE_STATUS))
    await desk.say("How long does delivery take?")
    assert len(await desk.sql("SELECT 1 FROM usage_entry WHERE kind = 'whatsapp'")) == 1


async def test_the_phone_sees_two_blue_ticks_reach_the_inbox(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    conversation = await desk.conversation()
    admin = await desk.admin()
    page = await admin.get(f"/conversations/{conversation['id']}/messages")
    newest = page["items"][0]
    assert (newest["state"], newest["delivery"]) == ("sent", "read")


async def test_statuses_take_the_conversation_of_what_failed_before_any_message(desk: Desk) -> None:
    for text in ("How long does delivery take?", "Can I return a lamp?"):
        await desk.say(text)
    conversation = await desk.conversation()
    sent = desk.simulator.whatsapp.log[-2:]
    told = [
        {
            "id": taken.wamid,
            "status": status,
            "timestamp": str(int(time.time())),
            "biz_opaque_callback_data": taken.callback_data,
            "recipient_id": taken.number,
        }
        for taken, status in zip(sent, ("delivered", "failed"), strict=True)
    ]
    async with desk.resources.db.hot(desk.id) as tx:
        # As who writes down how a send ended: the conversation, and then the message.
        await lock(tx, UUID(conversation["id"]))
        channel = desk.simulator.whatsapp.channel(sent[0].phone_number_id)
        desk.simulator.post(envelope(channel, statuses=told))
        applying = asyncio.create_task(desk.work_until_idle())

        await wait_for_somebody_held_up(tx.sql)
        await tx.sql.fetch("SELECT FROM outbound FOR UPDATE NOWAIT")
    await applying


def _status(desk: Desk, status: str, *, at: float | None = None, ours: bool = True) -> None:
    """WhatsApp says something of the last message it took."""
    taken = desk.simulator.whatsapp.log[-1]
    told = {
        "id": taken.wamid if ours else "wamid.of-another",
        "status": status,
        "timestamp": str(int(at or time.time())),
        "biz_opaque_callback_data": taken.callback_data if ours else "of-another",
        "recipient_id": taken.number,
    }
    channel = desk.simulator.whatsapp.channel(taken.phone_number_id)
    desk.simulator.post(envelope(channel, statuses=[told]))


async def test_a_late_sent_does_not_revive_what_has_failed(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.FAILED, code=131026))
    await desk.say("How long does delivery take?")
    _status(desk, "sent")
    await desk.work_until_idle()
    row = await _outbound(desk)
    assert (row["state"], row["error_code"]) == ("failed", 131026)
    # Nor is what is sent again by then settled by what was said of it before.
    admin = await desk.admin()
    await admin.post(f"/conversations/{row['conversation_id']}/take-over")
    await desk.sql("UPDATE channel SET status = 'PAUSED' RETURNING id")
    await admin.post(f"/messages/{row['id']}/retry", status=202)
    for status in ("sent", "failed"):
        _status(desk, status)
    await desk.work_until_idle()
    assert (await _outbound(desk))["state"] == "pending"
    _status(desk, "delivered")
    await desk.work_until_idle()
    row = await _outbound(desk)
    assert (row["state"], row["error_code"]) == ("sent", None), "it arrived after all"


async def test_what_a_person_sends_again_is_settled_by_proof_and_not_by_an_old_failure(
    desk: Desk,
) -> None:
    await desk.say("How long does delivery take?")
    await desk.sql(
        "UPDATE outbound SET state = 'needs_attention', delivery = NULL, delivery_at = NULL, "
        "unknowns = 3, last_error = 'no answer' RETURNING id"
    )
    await desk.sql("UPDATE channel SET status = 'PAUSED' RETURNING id")
    row, ana = await _outbound(desk), await desk.ana()
    await ana.post(f"/messages/{row['id']}/resolution", {"arrived": False})
    again = await _outbound(desk)
    told = (again["state"], again["attempt"], again["last_error"])
    assert told == ("pending", row["attempt"] + 1, None)
    _status(desk, "failed")
    await desk.work_until_idle()
    assert (await _outbound(desk))["state"] == "pending", "that it failed is no news"
    _status(desk, "sent")
    await desk.work_until_idle()
    assert (await _outbound(desk))["state"] == "sent", "that it had been taken is"
    assert len(desk.phone().replies) == 1


async def test_being_throttled_uses_up_no_try_of_an_outage(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=130429), 5)
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131000))
    await desk.say("How long does delivery take?")
    for _ in range(7):
        await _time_passes(desk)
    assert (await _outbound(desk))["state"] == "sent"


async def test_being_throttled_takes_no_patience_from_an_unknown_send(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=130429), 3)
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.DROP_BEFORE))
    await desk.say("How long does delivery take?")
    for _ in range(5):
        await _time_passes(desk, seconds=0)
    row = await _outbound(desk)
    assert (row["state"], row["unknowns"]) == ("unknown", 1)


async def test_what_whatsapp_answered_is_written_down_although_the_database_clashes(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=131026))
    failing_now = f"NEW.tenant_id = '{desk.id}' AND NEW.state = 'failed'"
    async with failing(admin_sql, "outbound", failing_now, "40P01", times=2):
        await desk.say("How long does delivery take?")
    row = await _outbound(desk)
    assert (row["state"], row["error_code"]) == ("failed", 131026)


async def test_a_message_behind_a_throttled_one_is_left_alone_meanwhile(desk: Desk) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=130429))
    await desk.say("How long does delivery take?")
    await desk.sql("UPDATE outbound SET due_at = now() + interval '1 minute' RETURNING id")
    await desk.say("Can I return a lamp?")
    row = await _outbound(desk)
    (waits,) = await desk.sql(
        "SELECT due_at - now() > interval '3 s' AS long FROM outbound WHERE id = $1", row["id"]
    )
    assert waits["long"]
    await _time_passes(desk)
    await _time_passes(desk)
    assert len(desk.phone().replies) == 2


async def test_a_message_behind_one_on_the_wire_leaves_soon_after_it(desk: Desk) -> None:
    desk.simulator.configure(send_latency_seconds=(15, 15))
    phone = desk.phone()
    phone.say("How long does delivery take?")
    await eventually(lambda: desk.sql("SELECT 1 FROM outbound WHERE state = 'sending'"))
    phone.say("Can I return a lamp?")
    behind = (
        "SELECT due_at - now() AS wait FROM outbound WHERE state = 'pending' AND due_at > now()"
    )
    await eventually(lambda: desk.sql(behind))
    (row,) = await desk.sql(behind)
    on_the_wire = "SELECT now() - sending_since AS so_far FROM outbound WHERE state = 'sending'"
    (sending,) = await desk.sql(on_the_wire)
    assert row["wait"] <= max(sending["so_far"], timedelta(seconds=0.5))
    desk.simulator.configure(send_latency_seconds=(0, 0))
    await desk.work_until_idle()
    assert len(phone.replies) == 2


async def test_a_reply_that_a_worker_did_not_come_to_before_it_ended_is_sent_by_another(
    desk: Desk,
) -> None:
    bell: Bell = desk.resources.db.bell

    class SenderHasNoPlace:
        def ring(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float = 0) -> None:
            if kind != OUTBOUND:
                bell.ring(kind, tenant_id, row_id, after_seconds)

    desk.resources.db.bell = SenderHasNoPlace()
    phone = desk.phone()
    try:
        await phone.say("How long does delivery take?")
        await desk.work_until_idle()
        assert (await _outbound(desk))["state"] == "sending"
        async with working(desk.resources, sweeps=False):
            """It ends at once."""
    finally:
        desk.resources.db.bell = bell
    assert phone.replies == []
    await desk.work_until_idle()
    assert len(phone.replies) == 1
    row = await _outbound(desk)
    assert (row["state"], row["attempt"]) == ("sent", 1)


async def test_a_time_in_the_future_proves_no_channel_alive(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    _status(desk, "sent", at=time.time() + 30 * 86_400, ours=False)
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT alive_at <= now() AS sound FROM channel")
    assert row["sound"]
