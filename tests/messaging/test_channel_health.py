"""How a channel is, in words: tokens that end, what Meta reports, why it is paused."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.desk import Desk, eventually, held_up_here
from tests.messaging.test_connecting import due_again, sign_up

from frontdesk.core.ids import NIL
from frontdesk.messaging.connecting_rules import (
    Failure,
    Grant,
    alarm_of,
    next_look_at,
    read_grant,
    retry_seconds,
)
from frontdesk.pipeline.receive import receive

EVENTS = Path(__file__).parents[1] / "payloads" / "account_events.json"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


async def health(desk: Desk, channel_id: object = None) -> Any:
    return await (await desk.admin()).get(f"/channels/{channel_id or desk.channel_id}/health")


def finding(found: Any, code: str) -> Any:
    return next((f for f in found["findings"] if f["code"] == code), None)


def alarms(desk: Desk, what: str) -> float:
    value = desk.resources.metrics.registry.get_sample_value(
        "frontdesk_channel_alarms_total", {"what": what}
    )
    return value or 0.0


async def test_a_token_that_ends_is_announced_and_pauses_the_number_at_its_end(desk: Desk) -> None:
    before = alarms(desk, "token_ends_soon"), alarms(desk, "token_ended")
    _, code = desk.simulator.sign_up(token_days=6.5)
    channel = await sign_up(desk, code)
    assert channel["token_expires_at"] is not None
    soon = finding(await health(desk, channel["id"]), "token_ends_soon")
    assert soon["severity"] == "warning"
    assert "ends in 6 days" in soon["sentence"]
    assert soon["what_to_do"]
    await due_again(desk, channel["id"])  # Looked at again, it is not told again.
    told = [p for k, p in await desk.events() if k == "account.event"]
    assert [(p["event"], p["severity"]) for p in told] == [("TOKEN_ENDS_SOON", "warning")]
    assert alarms(desk, "token_ends_soon") == before[0] + 1

    (grant,) = desk.simulator.whatsapp.accounts.grants.values()
    grant.expires_at = time.time() - 60
    await desk.sql(
        "UPDATE channel SET token_expires_at = now() - interval '1 minute' WHERE id = $1 "
        "RETURNING id",
        UUID(channel["id"]),
    )
    ended = await due_again(desk, channel["id"])
    assert ended["status"] == "PAUSED"
    found = await health(desk, channel["id"])
    assert (found["state"], found["findings"][0]["severity"]) == ("paused", "critical")
    assert finding(found, "token_ended")
    assert alarms(desk, "token_ended") == before[1] + 1

    # A new one before or after: Meta is asked about it, and the number can be resumed.
    admin = await desk.admin()
    await admin.put(f"/channels/{channel['id']}/access-token", {"access_token": "EAAB-for-ever"})
    await desk.work_until_idle()
    await admin.post(f"/channels/{channel['id']}/resume")
    assert (await health(desk, channel["id"]))["state"] == "healthy"


async def test_every_kind_of_event_shows_in_words_with_what_to_do(desk: Desk) -> None:
    changes = [
        change
        for entry in json.loads(EVENTS.read_text())["entry"]
        for change in entry["changes"]
        if change["value"].get("event") != "PARTNER_APP_UNINSTALLED"  # It names nobody here.
    ]
    ends = ("PARTNER_REMOVED", "ACCOUNT_DELETED")  # Last, as nothing comes after them.
    changes.sort(key=lambda change: change["value"].get("event") in ends)
    assert len(changes) == 18
    # Connected an hour ago: what is told about the connection is later.
    await desk.sql("UPDATE channel SET claimed_at = now() - interval '1 hour' RETURNING id")
    now = int(time.time())
    for number, change in enumerate(changes):
        value = change["value"]
        for key in ("display_phone_number", "phone_number"):
            if key in value:
                value[key] = "15550001111"
        if "waba_info" in value:
            value["waba_info"]["waba_id"] = desk.waba_id
        if isinstance(value.get("restriction_info"), list):
            value["restriction_info"][0]["expiration"] = now + 86_400
        at = now - 100 + number
        body = {"id": desk.waba_id, "time": at, "changes": [change]}
        desk.simulator.post({"object": "whatsapp_business_account", "entry": [body]})
        await desk.work_until_idle()
        event = (await (await desk.admin()).get("/account-events", limit=1))["items"][0]
        found = await health(desk)
        shown = [f for f in found["findings"] if f["sentence"] == event["words"]]
        if value.get("event") == "ACCOUNT_RECONNECTED" or event["event"] in (*ends,):
            assert shown or finding(found, "disconnected"), event
        assert shown, event
        assert shown[0]["severity"] == event["severity"]
        assert shown[0]["since"].startswith(datetime.fromtimestamp(at, UTC).isoformat()[:19])
        assert bool(shown[0]["what_to_do"]) == (event["severity"] != "info"), event
    assert (await health(desk))["state"] == "disconnected"


def _update(desk: Desk, event: str, seconds_ago: int, **more: Any) -> dict[str, Any]:
    change = {"field": "account_update", "value": {"event": event, **more}}
    body = {"id": desk.waba_id, "time": int(time.time()) - seconds_ago, "changes": [change]}
    return {"object": "whatsapp_business_account", "entry": [body]}


async def test_only_the_newest_of_a_topic_holds_in_whatever_order_they_come(desk: Desk) -> None:
    async def tell(event: str, seconds_ago: int, **more: Any) -> None:
        desk.simulator.post(_update(desk, event, seconds_ago, **more))
        await desk.work_until_idle()

    # Connected an hour ago: what is told about the connection is later.
    await desk.sql("UPDATE channel SET claimed_at = now() - interval '1 hour' RETURNING id")
    await tell("ACCOUNT_RECONNECTED", 10)
    await tell("ACCOUNT_OFFBOARDED", 60)
    found = await health(desk)
    assert found["state"] == "healthy"
    assert "connected again" in finding(found, "reported_connection")["sentence"]

    # What an admin paused, WhatsApp does not start again; what WhatsApp paused, it does.
    admin = await desk.admin()
    await admin.post(f"/channels/{desk.channel_id}/pause", {"reason": "Stocktaking until noon."})
    await tell("DISABLED_UPDATE", 8, ban_info={"waba_ban_state": "REINSTATE"})
    found = await health(desk)
    assert finding(found, "paused_by_admin")["sentence"].endswith("Stocktaking until noon.")
    await admin.post(f"/channels/{desk.channel_id}/resume", {"reason": "Done."})
    await tell("DISABLED_UPDATE", 6, ban_info={"waba_ban_state": "DISABLE"})
    assert finding(await health(desk), "paused_by_whatsapp")
    await tell("DISABLED_UPDATE", 4, ban_info={"waba_ban_state": "REINSTATE"})
    assert (await health(desk))["state"] == "healthy"
    audit = await admin.get(
        "/audit-entries", subject_id=str(desk.channel_id), action="channel.resumed"
    )
    assert audit["items"][0]["details"] == {"status": ["PAUSED", "CONNECTED"], "reason": "Done."}


async def test_only_the_newest_holds_of_two_that_workers_take_in_at_once(desk: Desk) -> None:
    async with desk.resources.db.hot(desk.id) as tx:
        await tx.sql.execute("SELECT 1 FROM channel FOR UPDATE")

        states = (("DISABLE", 6), ("REINSTATE", 4))
        older, newer = [
            _update(desk, "DISABLED_UPDATE", ago, ban_info={"waba_ban_state": state})
            for state, ago in states
        ]
        desk.simulator.post(older)
        await eventually(lambda: held_up_here(tx.sql))
        await desk.simulator.post(newer)
        other_worker = asyncio.create_task(receive(desk.resources, NIL, NIL))

        async def is_taken_in_or_waits() -> bool:
            return other_worker.done() or await held_up_here(tx.sql) == 2

        await eventually(is_taken_in_or_waits)
    await other_worker
    await desk.work_until_idle()
    assert (await health(desk))["state"] == "healthy"


async def test_a_ban_waits_for_nobody_who_stores_a_message_of_the_number(desk: Desk) -> None:
    async with desk.resources.db.hot(desk.id) as tx:
        # As a message does that refers to its channel, until it is committed.
        await tx.sql.execute("SELECT 1 FROM channel FOR KEY SHARE")
        ban = {"waba_ban_state": "DISABLE"}
        desk.simulator.post(_update(desk, "DISABLED_UPDATE", 0, ban_info=ban))
        await desk.work_until_idle()
        (channel,) = await desk.sql("SELECT status FROM channel")
    assert channel["status"] == "PAUSED"


async def test_what_meta_says_when_asked_is_told_in_words(desk: Desk) -> None:
    desk.simulator.register_channel(
        desk.phone_number_id,
        quality_rating="RED",
        status="FLAGGED",
        name_status="DECLINED",
        throughput="HIGH",
        messaging_limit="TIER_10K",
    )
    desk.simulator.whatsapp.accounts.subscribed.discard(desk.waba_id)
    await due_again(desk, str(desk.channel_id))
    found = await health(desk)
    assert found["state"] == "attention"
    assert {f["code"] for f in found["findings"]} >= {
        "quality_low",
        "number_flagged",
        "name_declined",
        "throughput",
        "messaging_limit",
        "phone_number_blocked",
        "never_heard",
    }
    assert "10,000" in finding(found, "messaging_limit")["sentence"]
    assert found["findings"][0]["severity"] == "critical"
    # Nobody had to notice that nothing would have come any more.
    assert desk.waba_id in desk.simulator.whatsapp.accounts.subscribed

    desk.simulator.whatsapp.accounts.refuse("phone_number", 2)
    await due_again(desk, str(desk.channel_id))
    assert "out of service" in finding(await health(desk), "check_failed")["sentence"]
    desk.simulator.whatsapp.expired_tokens.add("EAAB-test")
    assert (await due_again(desk, str(desk.channel_id)))["status"] == "PAUSED"


@pytest.mark.parametrize(
    ("left", "alarm"),
    [
        (timedelta(days=15), None),
        (timedelta(days=14), 14),
        (timedelta(days=7, seconds=1), 14),
        (timedelta(days=7), 7),
        (timedelta(days=2), 3),
        (timedelta(hours=5), 1),
        (timedelta(0), 0),
        (timedelta(days=-30), 0),
    ],
)
def test_the_alarm_of_a_token_goes_by_the_days_it_has_left(
    left: timedelta, alarm: int | None
) -> None:
    assert alarm_of(NOW + left, NOW) == alarm
    assert alarm_of(None, NOW) is None
    # The next look is in about a day, or exactly when the next alarm is due.
    at = next_look_at(NOW + left, NOW, 0.5)
    assert NOW < at <= NOW + timedelta(hours=24)


def test_a_look_is_not_later_than_the_next_alarm() -> None:
    assert next_look_at(NOW + timedelta(days=7, hours=2), NOW, 0) == NOW + timedelta(hours=2)
    assert retry_seconds(timedelta(seconds=1)) == 2.0
    assert retry_seconds(timedelta(minutes=10)) == 120.0
    assert retry_seconds(timedelta(minutes=15)) is None


SCOPES = ["whatsapp_business_messaging", "whatsapp_business_management"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("1", "2")),
        ({"app_id": "8"}, "token_of_other_app"),
        ({"is_valid": False}, "token_refused"),
        ({"is_valid": "true"}, "token_refused"),
        ({"scopes": SCOPES[:1]}, "permission_missing"),
        ({"scopes": None}, "permission_missing"),
        ({"granular_scopes": None}, ()),
        ({"granular_scopes": [{"scope": SCOPES[0], "target_ids": ["1", "x"]}, "?"]}, ("1",)),
        (
            {
                "granular_scopes": [
                    {"scope": SCOPES[0], "target_ids": ["1", "2"]},
                    {"scope": SCOPES[1], "target_ids": ["2", "3"]},
                ]
            },
            ("2",),
        ),
    ],
)
def test_a_token_is_good_for_the_accounts_meta_names(
    changes: dict[str, Any], expected: tuple[str, ...] | str
) -> None:
    data = {
        "app_id": "7",
        "is_valid": True,
        "expires_at": 0,
        "scopes": SCOPES,
        "granular_scopes": [{"scope": scope, "target_ids": ["1", "2"]} for scope in SCOPES],
    }
    read = read_grant(data | changes, "7")
    if isinstance(read, Grant):
        assert read == Grant(waba_ids=tuple(expected), expires_at=None)
    else:
        assert isinstance(read, Failure)
        assert read.code == expected
