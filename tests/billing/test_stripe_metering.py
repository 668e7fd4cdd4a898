"""Usage on its way to Stripe: every row of the ledger once, whatever happens in between."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.billing.paying import Payer
from tests.desk import Desk

from frontdesk.billing.stripe.models import BatchState
from frontdesk.billing.stripe.sending_rules import carry, fate_of, pause_seconds
from frontdesk.simulator import StripeFault, StripeFaultKind

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENTS = "POST /v1/billing/meter_events"


@pytest.fixture
async def payer(desk: Desk) -> Payer:
    """A tenant that has been paying for some days."""
    made = await Payer.make(desk)
    await made.buy()
    await made.desk.sql(
        "UPDATE stripe_account SET metered_from = now() - interval '40 days', "
        "metered_until = date_trunc('hour', now()) - interval '5 hours'"
    )
    return made


def sent(payer: Payer) -> Counter[str]:
    """What Stripe has, by meter."""
    found: Counter[str] = Counter()
    for event in payer.stripe.meters.events:
        found[event.event_name.removeprefix("frontdesk_")] += event.value
    return found


async def test_every_row_of_the_ledger_is_told_once_by_the_hour(payer: Payer) -> None:
    await payer.used(tokens=100, hours_ago=3)
    await payer.used(tokens=50, hours_ago=3)
    await payer.used(tokens=7, hours_ago=2)
    await payer.used(messages=1, hours_ago=2)
    await payer.used(resolutions=1, hours_ago=2)
    await payer.used(tokens=1_000, hours_ago=2, own_key=True)
    await payer.overlook()
    assert sent(payer) == {"tokens": 157, "messages": 1, "resolutions": 1}
    assert sorted(event.value for event in payer.stripe.meters.events) == [1, 1, 7, 150]
    await payer.overlook()
    assert sent(payer)["tokens"] == 157
    linked = await payer.desk.sql(
        "SELECT b.value, sum(e.quantity) AS linked, count(*) AS rows, b.entries FROM stripe_batch b "
        "JOIN stripe_batch_entry e ON e.batch_id = b.id GROUP BY b.tenant_id, b.id"
    )
    assert all(row["value"] == row["linked"] and row["rows"] == row["entries"] for row in linked)


async def test_what_is_used_in_this_hour_waits_for_its_end(payer: Payer) -> None:
    await payer.used(tokens=100, hours_ago=0)
    await payer.overlook()
    assert sent(payer) == {}


async def test_a_row_that_was_written_late_goes_into_a_batch_of_its_own_hour(payer: Payer) -> None:
    await payer.used(tokens=100, hours_ago=3)
    await payer.overlook()
    await payer.used(tokens=11, hours_ago=3)
    await payer.desk.sql(
        "UPDATE stripe_account SET metered_until = metered_until - interval '1 hour'"
    )
    await payer.overlook()
    assert sent(payer)["tokens"] == 111
    assert len({event.at for event in payer.stripe.meters.events}) == 1


@pytest.mark.parametrize(
    "kind",
    [
        StripeFaultKind.RATE_LIMITED,
        StripeFaultKind.SERVER_ERROR,
        StripeFaultKind.DONE_THEN_ERROR,
        StripeFaultKind.HANG_AFTER,
        StripeFaultKind.DROP_BEFORE,
        StripeFaultKind.DROP_AFTER,
    ],
)
async def test_a_batch_counts_once_whatever_becomes_of_the_answer(
    payer: Payer, kind: StripeFaultKind
) -> None:
    await payer.used(tokens=100, hours_ago=3)
    payer.stripe.faults.next(StripeFault(kind, seconds=0.01), only=EVENTS)
    await payer.overlook()
    (row,) = await payer.desk.sql("UPDATE stripe_batch SET due_at = now() RETURNING state")
    assert row["state"] == "pending"
    await payer.desk.work_until_idle()
    assert sent(payer) == {"tokens": 100}
    assert [row["state"] for row in await payer.desk.sql("SELECT state FROM stripe_batch")] == [
        "sent"
    ]


async def test_a_worker_that_died_after_sending_sends_nothing_twice(payer: Payer) -> None:
    await payer.used(tokens=100, hours_ago=3)
    await payer.overlook()
    # As it stands when the answer was never written down.
    await payer.desk.sql(
        "UPDATE stripe_batch SET state = 'pending', due_at = now(), sent_at = NULL"
    )
    await payer.desk.work_until_idle()
    assert sent(payer) == {"tokens": 100}
    (row,) = await payer.desk.sql("SELECT state, attempts FROM stripe_batch")
    assert (row["state"], row["attempts"]) == ("sent", 2)


async def test_after_a_day_of_doubt_a_person_decides(payer: Payer) -> None:
    await payer.used(tokens=100, hours_ago=3)
    payer.stripe.faults.next(StripeFault(StripeFaultKind.DONE_THEN_ERROR), only=EVENTS)
    await payer.overlook()
    await payer.desk.sql(
        "UPDATE stripe_batch SET due_at = now(), doubtful_since = now() - interval '24 hours'"
    )
    payer.stripe.calls.clear()
    await payer.desk.work_until_idle()
    (row,) = await payer.desk.sql("SELECT state, due_at FROM stripe_batch")
    assert (row["state"], row["due_at"]) == ("uncertain", None)
    assert payer.stripe.calls == []


async def test_what_is_too_old_for_stripe_is_not_sent_and_says_so(payer: Payer) -> None:
    await payer.desk.sql(
        "UPDATE stripe_account SET metered_until = date_trunc('hour', now()) - interval '36 days'"
    )
    await payer.used(tokens=100, hours_ago=35 * 24 + 1)
    await payer.used(tokens=5, hours_ago=33 * 24)
    await payer.overlook()
    assert sent(payer) == {"tokens": 5}
    rows = await payer.desk.sql("SELECT state, last_error FROM stripe_batch ORDER BY hour_at")
    assert [row["state"] for row in rows] == ["too_old", "sent"]
    assert rows[0]["last_error"]


async def stuck(payer: Payer, *, hours_ago: int = 3) -> str:
    """A batch of which nobody knows whether it arrived; its id."""
    await payer.used(tokens=100, hours_ago=hours_ago)
    payer.stripe.faults.next(StripeFault(StripeFaultKind.DONE_THEN_ERROR), only=EVENTS)
    await payer.overlook()
    await payer.desk.sql(
        "UPDATE stripe_batch SET due_at = now(), doubtful_since = now() - interval '24 hours'"
    )
    await payer.desk.work_until_idle()
    (row,) = await payer.desk.sql("SELECT id FROM stripe_batch WHERE state = 'uncertain'")
    return str(row["id"])


@pytest.mark.parametrize(
    ("how", "state", "action", "counted"),
    [
        ("arrived", "sent", "found_arrived", 100),
        ("resend", "sent", "sent_again", 100),
        ("write-off", "written_off", "written_off", 0),
    ],
)
async def test_what_is_stuck_is_listed_and_a_person_says_what_becomes_of_it(
    payer: Payer, commands: Any, how: str, state: str, action: str, counted: int
) -> None:
    batch, tenant = await stuck(payer), str(payer.desk.id)
    if how != "arrived":
        payer.stripe.meters.lose(batch)
    listing = f"stripe batches --tenant {tenant} --json"
    settling = f"stripe settle {batch} {how} --tenant {tenant} --reason Seen --json"
    listed, done, again, after = await commands(listing, settling, settling, listing)
    (shown,) = json.loads(listed["stdout"])
    assert (shown["id"], shown["state"], shown["value"]) == (batch, "uncertain", 100)
    assert done["code"] == 0, done
    assert again["code"] == 1, "it is settled already"
    assert json.loads(after["stdout"]) == []
    await payer.desk.work_until_idle()
    (row,) = await payer.desk.sql("SELECT state FROM stripe_batch")
    assert row["state"] == state
    assert sent(payer)["tokens"] == counted
    (audited,) = await payer.desk.sql(
        "SELECT action, details->>'reason' AS reason FROM audit_entry WHERE subject = 'stripe_batch'"
    )
    assert (audited["action"], audited["reason"]) == (f"stripe_batch.{action}", "Seen")
    # Its day is compared anew, and agrees with what was decided.
    await payer.desk.sql("UPDATE stripe_check SET due_at = now()")
    await payer.desk.work_until_idle()
    (check,) = await payer.desk.sql("SELECT state FROM stripe_check")
    assert check["state"] == "agrees"


async def test_another_tenants_batch_is_not_there_to_be_settled(
    payer: Payer, commands: Any
) -> None:
    batch = await stuck(payer)
    other = await Desk.make(
        payer.desk.app, payer.desk.resources, payer.desk.dispatcher, payer.desk.simulator
    )
    (done,) = await commands(f"stripe settle {batch} write-off --tenant {other.id} --reason Mine")
    assert (done["code"], batch in done["stderr"]) == (1, True)
    (row,) = await payer.desk.sql("SELECT state FROM stripe_batch")
    assert row["state"] == "uncertain"
    await other.aclose()


async def test_corrections_are_taken_off_what_comes_next_and_never_sent_as_less_than_nothing(
    payer: Payer,
) -> None:
    # The hour before this one is not metered in its first minutes.
    await payer.used(tokens=100, hours_ago=5)
    await payer.used(tokens=-160, hours_ago=4)
    await payer.used(tokens=40, hours_ago=3)
    await payer.used(tokens=50, hours_ago=2)
    await payer.overlook()
    rows = await payer.desk.sql("SELECT quantity, value, state FROM stripe_batch ORDER BY hour_at")
    assert [(row["quantity"], row["value"], row["state"]) for row in rows] == [
        (100, 100, "sent"),
        (-160, 0, "nothing"),
        (40, 0, "nothing"),
        (50, 0, "nothing"),
    ]
    (debt,) = await payer.desk.sql("SELECT meter, owed FROM stripe_debt")
    assert (debt["meter"], debt["owed"]) == ("tokens", 70)


async def test_a_meter_that_is_gone_keeps_the_usage_waiting(payer: Payer) -> None:
    for meter in payer.stripe.store.all("billing.meter"):
        meter["status"] = "inactive"
    await payer.used(tokens=100, hours_ago=3)
    await payer.overlook()
    (row,) = await payer.desk.sql("SELECT state, last_error, doubtful_since FROM stripe_batch")
    assert row["state"] == "pending"
    assert "No active meter" in row["last_error"]
    assert row["doubtful_since"] is None


async def test_what_the_ai_resolved_is_in_the_ledger_and_what_people_had_is_not(
    payer: Payer,
) -> None:
    desk = payer.desk
    admin = await desk.admin()
    await desk.say("How long does shipping take?")
    resolved = await desk.conversation()
    await admin.post(f"/conversations/{resolved['id']}/close", {"reason": "resolved"})
    await desk.say("I want to talk to a person, now.", number="4915550002")
    held = await desk.conversation("4915550002")
    await admin.post(f"/conversations/{held['id']}/take-over")
    await admin.post(f"/conversations/{held['id']}/close", {"reason": "resolved"})
    rows = await desk.sql("SELECT source_id, amount_usd FROM usage_entry WHERE kind = 'resolution'")
    assert [(row["source_id"], row["amount_usd"]) for row in rows] == [(resolved["id"], 0)]


@pytest.mark.parametrize(
    ("quantity", "owed", "sent_of_it", "owed_after"),
    [(5, 0, 5, 0), (5, 3, 2, 0), (5, 5, 0, 0), (5, 8, 0, 3), (-4, 0, 0, 4), (-4, 2, 0, 6)],
)
def test_a_debt_is_carried_until_it_is_taken_off(
    quantity: int, owed: int, sent_of_it: int, owed_after: int
) -> None:
    assert carry(quantity, owed) == (sent_of_it, owed_after)


@pytest.mark.parametrize(
    ("hours_old", "doubtful_hours", "fate"),
    [
        (1, None, BatchState.PENDING),
        (1, 22, BatchState.PENDING),
        (1, 24, BatchState.UNCERTAIN),
        (33 * 24, None, BatchState.PENDING),
        (34 * 24 + 1, None, BatchState.TOO_OLD),
        (34 * 24 + 1, 24, BatchState.UNCERTAIN),
    ],
)
def test_what_may_still_be_sent(hours_old: int, doubtful_hours: Any, fate: BatchState) -> None:
    doubtful = None if doubtful_hours is None else NOW - timedelta(hours=doubtful_hours)
    assert fate_of(NOW - timedelta(hours=hours_old), doubtful, NOW) is fate


def test_pauses_double_up_to_an_hour() -> None:
    assert [pause_seconds(n) for n in (1, 2, 3, 20)] == [2, 4, 8, 3_600]
