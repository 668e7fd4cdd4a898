"""Connecting a number, by Embedded Signup and by pasted credentials, and letting it go again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from tests.desk import Desk, Person

from frontdesk.messaging.checkups import CHANNEL
from frontdesk.simulator import Channel, Simulator


@pytest_asyncio.fixture(loop_scope="session")
async def other(desk: Desk) -> AsyncIterator[Desk]:
    """Another tenant in the same deployment."""
    made = await Desk.make(desk.app, desk.resources, desk.dispatcher, desk.simulator)
    yield made
    await made.aclose()


async def sign_up(desk: Desk, code: str, **more: Any) -> Any:
    body = {"name": "Second", "agent_id": str(desk.agent_id), "code": code, **more}
    made = await (await desk.admin()).post("/channels/signup", body, status=201)
    assert made["status"] == "CONNECTING"
    return await settled(desk, made["id"])


async def settled(desk: Desk, channel_id: str) -> Any:
    await desk.work_until_idle()
    return await (await desk.admin()).get(f"/channels/{channel_id}")


async def due_again(desk: Desk, channel_id: str) -> Any:
    """What time would do: the channel's next step is due."""
    await desk.sql("UPDATE channel SET due_at = now() WHERE id = $1 RETURNING id", UUID(channel_id))
    assert desk.dispatcher is not None
    await desk.dispatcher.sweep(CHANNEL)
    return await settled(desk, channel_id)


def pasted(desk: Desk, channel: Channel, **more: Any) -> dict[str, Any]:
    return {
        "name": "Second",
        "agent_id": str(desk.agent_id),
        "phone_number_id": channel.phone_number_id,
        "waba_id": channel.waba_id,
        "access_token": "EAAB-second",
        **more,
    }


def edges(desk: Desk, node: str) -> list[str]:
    calls = desk.simulator.whatsapp.calls
    return [f"{c['method']} {c['edge']}" for c in calls if c["node"] == node]


async def test_a_signup_becomes_a_number_that_answers(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    number, code = desk.simulator.sign_up(known={"display_phone_number": "+49 30 555-0177"})
    channel = await sign_up(desk, code, pin="482915")
    assert (channel["status"], channel["stage"], channel["status_reason"]) == (
        "CONNECTED",
        None,
        None,
    )
    # Which number it is came from Meta: nobody here was told.
    assert (channel["phone_number_id"], channel["waba_id"], channel["display_phone_number"]) == (
        number.phone_number_id,
        number.waba_id,
        "49305550177",
    )
    assert edges(desk, number.waba_id) == ["POST subscribed_apps"]
    assert edges(desk, number.phone_number_id) == ["POST register"]
    assert desk.simulator.whatsapp.channels[number.phone_number_id].pin == "482915"

    phone = desk.simulator.phone("4915550009", channel=number.phone_number_id)
    phone.say("When are you open?")
    await desk.work_until_idle()
    assert "9 am" in phone.replies[0]

    health = await (await desk.admin()).get(f"/channels/{channel['id']}/health")
    assert health["state"] == "healthy"
    (row,) = await desk.sql(
        "SELECT code_sealed, pin_sealed, access_token_sealed, to_jsonb(channel)::text AS all "
        "FROM channel WHERE id = $1",
        UUID(channel["id"]),
    )
    assert row["code_sealed"] is None
    (token,) = desk.simulator.whatsapp.accounts.grants
    told = json.dumps([channel, health, await desk.events()]) + row["all"] + capsys.readouterr().out
    for secret in (token, code, "482915"):
        assert secret not in told
    audit = await (await desk.admin()).get("/audit-entries", subject_id=channel["id"])
    assert [e["action"] for e in audit["items"]] == ["channel.connected", "channel.connecting"]


def _used(simulator: Simulator) -> str:
    _, code = simulator.sign_up()
    accounts = simulator.whatsapp.accounts
    accounts.exchange("1", simulator.settings.app_secret, code)
    return code


def _late(simulator: Simulator) -> str:
    _, code = simulator.sign_up()
    simulator.configure(clock_offset_seconds=31)
    return code


def _with(**how: Any) -> Callable[[Simulator], str]:
    return lambda simulator: simulator.sign_up(**how)[1]


def _refusing(edge: str, code: int) -> Callable[[Simulator], str]:
    def prepare(simulator: Simulator) -> str:
        simulator.whatsapp.accounts.refuse(edge, code)
        return simulator.sign_up()[1]

    return prepare


def _two_numbers(simulator: Simulator) -> str:
    number, code = simulator.sign_up()
    simulator.register_channel(f"{number.phone_number_id}2", waba_id=number.waba_id)
    return code


@pytest.mark.parametrize(
    ("prepare", "stage", "code"),
    [
        (lambda _: "AQBnever", "exchange", "code_refused"),
        (_used, "exchange", "code_refused"),
        (_late, "exchange", "code_refused"),
        (_refusing("access_token", 1), "exchange", "app_refused"),
        (_with(scopes=("whatsapp_business_management",)), "identify", "permission_missing"),
        (_with(app_id="499999999999999"), "identify", "number_not_reached"),
        (_with(token_days=-1), "identify", "token_refused"),
        (_refusing("phone_numbers", 10), "identify", "permission_missing"),
        (_two_numbers, "identify", "several_numbers"),
        (_refusing("subscribed_apps", 200), "subscribe", "permission_missing"),
        (_with(known={"pin": "111111"}), "register", "pin_wrong"),
        (_refusing("register", 133006), "register", "number_not_verified"),
        (_refusing("register", 133016), "register", "register_limit"),
        (_refusing("register", 131031), "register", "refused_131031"),
    ],
)
async def test_what_meta_refuses_is_told_in_words(
    desk: Desk, prepare: Callable[[Simulator], str], stage: str, code: str
) -> None:
    channel = await sign_up(desk, prepare(desk.simulator))
    assert (channel["status"], channel["stage"], channel["failure_code"]) == ("FAILED", stage, code)
    health = await (await desk.admin()).get(f"/channels/{channel['id']}/health")
    assert (health["state"], health["findings"][0]["code"]) == ("failed", code)
    assert channel["status_reason"] in health["sentence"]
    assert health["findings"][0]["what_to_do"]
    assert ("channel.status", "FAILED") in [(k, p.get("status")) for k, p in await desk.events()]


async def test_a_failed_registration_goes_on_with_another_pin(desk: Desk) -> None:
    number, code = desk.simulator.sign_up(known={"pin": "111111"})
    channel = await sign_up(desk, code)
    assert channel["failure_code"] == "pin_wrong"
    admin = await desk.admin()
    path = f"/channels/{channel['id']}/reconnect"
    refused = await admin.post(path, {"pin": "12345"}, status=422)
    assert "12345" not in json.dumps(refused)
    await admin.post(path, {"pin": "111111"})
    assert (await settled(desk, channel["id"]))["status"] == "CONNECTED"
    # The code was not needed again, nor the account asked twice for its webhooks.
    assert edges(desk, number.waba_id) == ["POST subscribed_apps"]


async def test_a_number_out_of_the_browser_must_be_one_the_signup_gave(desk: Desk) -> None:
    _, code = desk.simulator.sign_up()
    channel = await sign_up(desk, code, phone_number_id=desk.phone_number_id)
    assert channel["failure_code"] == "number_not_in_account"
    number, code = desk.simulator.sign_up()
    second = f"{number.phone_number_id[:-1]}x".replace(
        "x", "0" if number.phone_number_id[-1] != "0" else "1"
    )
    desk.simulator.register_channel(second, waba_id=number.waba_id, status="PENDING")
    channel = await sign_up(desk, code, phone_number_id=second)
    assert (channel["status"], channel["phone_number_id"]) == ("CONNECTED", second)


async def test_two_tenants_that_race_for_a_number_end_as_one_that_has_it(
    desk: Desk, other: Desk
) -> None:
    number, first = desk.simulator.sign_up()
    _, second = desk.simulator.sign_up(number.phone_number_id)
    racers = ((desk, first), (other, second))
    made = await asyncio.gather(*(_begin(racer, code) for racer, code in racers))
    await desk.work_until_idle()
    ended = [
        await (await racer.admin()).get(f"/channels/{channel['id']}")
        for (racer, _), channel in zip(racers, made, strict=True)
    ]
    assert sorted(channel["status"] for channel in ended) == ["CONNECTED", "FAILED"]
    won = 0 if ended[0]["status"] == "CONNECTED" else 1
    winner, loser, lost = racers[won][0], racers[1 - won][0], ended[1 - won]
    assert lost["failure_code"] == "number_taken"
    # Neither by name nor by id does the loser learn who has it.
    for secret in (str(winner.id), winner.people[0].email.split("@")[1].split(".")[0]):
        assert secret not in json.dumps(lost)
    taken = await (await loser.admin()).post("/channels", pasted(loser, number), status=409)
    assert taken["code"] == "channel_taken"

    # Once it is let go, whoever proves it gets it, and what is written to it.
    await (await winner.admin()).post(f"/channels/{ended[won]['id']}/disconnect")
    await winner.work_until_idle()
    # The two-step PIN is the number's own and stays with it, until its owner sets another one.
    _, third = desk.simulator.sign_up(number.phone_number_id, known={"pin": None})
    await (await loser.admin()).post(f"/channels/{lost['id']}/reconnect", {"code": third})
    assert (await settled(loser, lost["id"]))["status"] == "CONNECTED"
    desk.simulator.phone("4915550010", channel=number.phone_number_id).say("Do you ship?")
    await desk.work_until_idle()
    assert await loser.conversation("4915550010")
    assert not await winner.sql("SELECT 1 FROM conversation")


async def _begin(desk: Desk, code: str) -> Any:
    body = {"name": "Raced", "agent_id": str(desk.agent_id), "code": code}
    return await (await desk.admin()).post("/channels/signup", body, status=201)


async def test_a_number_that_somebody_only_typed_is_neither_taken_nor_theirs(
    desk: Desk, other: Desk
) -> None:
    number, code = desk.simulator.sign_up(known={"token": "EAAB-of-the-owner"})
    desk.simulator.register_channel(number.phone_number_id, token=None)
    desk.simulator.whatsapp.accounts.refuse("phone_numbers", 190)
    thief = await other.admin()
    typed = await thief.post("/channels", pasted(other, number, access_token="EAAB-x"), status=201)
    assert (await settled(other, typed["id"]))["failure_code"] == "token_refused"
    # Its owner is not kept from it, and nothing of it goes to who typed it.
    desk.simulator.phone("4915550011", channel=number.phone_number_id).say("Hello?")
    channel = await sign_up(desk, code)
    assert channel["status"] == "CONNECTED"
    assert not await other.sql("SELECT 1 FROM conversation")
    (row,) = await other.sql(
        "SELECT access_token_sealed FROM channel WHERE id = $1", UUID(typed["id"])
    )
    assert row["access_token_sealed"] == ""


async def test_pasted_credentials_are_asked_about_at_meta(desk: Desk) -> None:
    admin = await desk.admin()
    number = desk.simulator.register_channel("199999999999991", token="EAAB-good")
    for changes, code in (
        ({"access_token": "EAAB-bad"}, None),
        ({"waba_id": desk.waba_id}, "number_not_in_account"),
        ({"access_token": "EAAB-good"}, None),
    ):
        made = await admin.post("/channels", pasted(desk, number, **changes), status=201)
        channel = await settled(desk, made["id"])
        if changes.get("access_token") == "EAAB-bad":
            assert channel["failure_code"] == "token_refused"
        elif code:
            assert channel["failure_code"] == code
        else:
            assert channel["status"] == "CONNECTED"
    # It was registered before: its PIN was neither asked for nor changed.
    assert edges(desk, number.phone_number_id) == []


async def test_connecting_waits_for_meta_and_goes_on_where_it_stood(desk: Desk) -> None:
    number, code = desk.simulator.sign_up()
    desk.simulator.whatsapp.accounts.refuse("subscribed_apps", 131016)
    channel = await sign_up(desk, code)
    assert (channel["status"], channel["stage"]) == ("CONNECTING", "subscribe")
    assert "overloaded" in channel["status_reason"]
    health = await (await desk.admin()).get(f"/channels/{channel['id']}/health")
    assert health["state"] == "connecting"
    # The code is used up by now, so to begin anew would fail.
    assert (await due_again(desk, channel["id"]))["status"] == "CONNECTED"
    # And when Meta stays silent, it ends with a reason.
    desk.simulator.whatsapp.accounts.refuse("subscribed_apps", 131016)
    _, code = desk.simulator.sign_up()
    channel = await sign_up(desk, code)
    desk.simulator.whatsapp.accounts.refuse("subscribed_apps", 131016)
    await desk.sql(
        "UPDATE channel SET status_since = now() - interval '1 hour' WHERE id = $1 RETURNING id",
        UUID(channel["id"]),
    )
    assert (await due_again(desk, channel["id"]))["failure_code"] == "meta_unavailable"
    assert number.phone_number_id


async def test_a_number_on_the_phone_app_is_synced_and_never_registered(desk: Desk) -> None:
    number, code = desk.simulator.sign_up(known={"is_on_biz_app": True, "status": "CONNECTED"})
    channel = await sign_up(desk, code, pin="482915")
    assert channel["status"] == "CONNECTED"
    asked = [
        call["body"] for call in desk.simulator.whatsapp.calls if call["edge"] == "smb_app_data"
    ]
    assert [body["sync_type"] for body in asked] == ["smb_app_state_sync", "history"]
    await (await desk.admin()).post(f"/channels/{channel['id']}/disconnect")
    await desk.work_until_idle()
    assert edges(desk, number.phone_number_id) == ["POST smb_app_data"] * 2
    assert edges(desk, number.waba_id)[-1] == "DELETE subscribed_apps"


async def test_disconnecting_tells_meta_destroys_the_token_and_keeps_the_history(
    desk: Desk,
) -> None:
    await desk.say("When are you open?")
    admin = await desk.admin()
    path = f"/channels/{desk.channel_id}"
    gone = await admin.post(f"{path}/disconnect", {"reason": "The shop moved."})
    assert gone["status"] == "DISCONNECTED"
    await desk.work_until_idle()
    assert edges(desk, desk.phone_number_id) == ["POST deregister"]
    assert edges(desk, desk.waba_id)[-1] == "DELETE subscribed_apps"
    (row,) = await desk.sql("SELECT access_token_sealed, pin_sealed, due_at FROM channel")
    assert tuple(row) == ("", None, None)
    before = await desk.conversation()
    health = await admin.get(f"{path}/health")
    assert (health["state"], "The shop moved." in health["sentence"]) == ("disconnected", True)
    for act in ("pause", "resume"):
        refused = await admin.post(f"{path}/{act}", status=409)
        assert refused["code"] == "channel_not_connected"
    refused = await admin.post(f"{path}/reconnect", {}, status=409)
    assert refused["code"] == "credentials_needed"
    again = await admin.post(f"{path}/disconnect")  # Once more changes nothing.
    assert again["status_reason"] == "The shop moved."

    await admin.post(f"{path}/reconnect", {"access_token": "EAAB-new"})
    assert (await settled(desk, str(desk.channel_id)))["status"] == "CONNECTED"
    assert (await admin.post(f"{path}/reconnect", {}, status=409))["code"] == "channel_connected"
    await desk.say("And on Sunday?")
    assert (await desk.conversation())["id"] == before["id"]
    audit = await admin.get("/audit-entries", subject_id=str(desk.channel_id))
    actions = [entry["action"] for entry in audit["items"]]
    assert actions[:4] == [
        "channel.connected",
        "channel.connecting",
        "channel.token_destroyed",
        "channel.disconnected",
    ]
    (said,) = [e for e in audit["items"] if e["action"] == "channel.disconnected"]
    assert said["details"] == {"status": ["CONNECTED", "DISCONNECTED"], "reason": "The shop moved."}


async def test_one_of_two_numbers_of_an_account_leaves_without_silencing_the_other(
    desk: Desk,
) -> None:
    second = desk.simulator.register_channel("199999999999992", waba_id=desk.waba_id)
    admin = await desk.admin()
    made = await admin.post("/channels", pasted(desk, second), status=201)
    assert (await settled(desk, made["id"]))["status"] == "CONNECTED"
    await admin.post(f"/channels/{made['id']}/disconnect")
    await desk.work_until_idle()
    assert "DELETE subscribed_apps" not in edges(desk, desk.waba_id)


async def test_signup_needs_an_app_and_an_admin(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, ana = await desk.admin(), await desk.ana()
    shown = await admin.get("/channels/signup")
    assert shown["app_id"] == desk.resources.settings.whatsapp.app_id
    body = {"name": "Second", "agent_id": str(desk.agent_id), "code": "AQB"}
    await _is_forbidden(ana, body)
    monkeypatch.setattr(desk.resources.settings.whatsapp, "app_id", None)
    refused = await admin.post("/channels/signup", body, status=409)
    assert refused["code"] == "signup_not_configured"


async def _is_forbidden(person: Person, body: Any) -> None:
    refused = await person.post("/channels/signup", body, status=403)
    assert refused["code"] == "forbidden"
