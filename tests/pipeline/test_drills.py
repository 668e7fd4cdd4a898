"""Drills, from start to report: what a tenant's contacts see of an outage that is none."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from tests.conftest import app_on
from tests.desk import ORIGIN, PASSWORD, Desk, Person
from tests.observability.test_health import asking

from frontdesk import identity
from frontdesk.core import ids
from frontdesk.core.work import RedisBell
from frontdesk.feed.announcer import announcer_of
from frontdesk.observability import Drills, Outage

QUESTION = "How long does delivery take?"


@pytest.fixture
async def platform(desk: Desk, app: FastAPI) -> AsyncIterator[Person]:
    """A super admin, signed in."""
    email = f"sue@{uuid4().hex}.example"
    async with desk.resources.db.system_transaction() as tx:
        user_id = await identity.create_user(tx, email, "Sue", PASSWORD)
        await tx.sql.execute("UPDATE app_user SET is_super_admin = true WHERE id = $1", user_id)
    person = Person(app, user_id, email)
    answer = await person.http.post(
        "/api/v1/auth/sign-in",
        json={"email": email, "password": PASSWORD, "platform": True},
        headers={"Origin": ORIGIN},
    )
    assert answer.status_code == 200, answer.text
    yield person
    await person.http.aclose()


async def start(platform: Person, desk: Desk, outage: str, **more: Any) -> Any:
    (tenant,) = await desk.sql("SELECT slug FROM tenant")
    body = {"outage": outage, "minutes": 5, "confirm": tenant["slug"], **more}
    drill = await platform.post(f"/tenants/{desk.id}/drills", body, status=201)
    # A worker looks every five seconds.
    await desk.resources.keep(Drills).refresh()
    return drill


async def stop(platform: Person, desk: Desk, drill: Any) -> None:
    await platform.post(f"/tenants/{desk.id}/drills/{drill['id']}/stop")
    await desk.resources.keep(Drills).refresh()
    await desk.sql("UPDATE outbound SET due_at = now() WHERE state = 'pending'")
    await desk.sql("UPDATE conversation SET due_at = now() WHERE due_at IS NOT NULL")
    await desk.work_until_idle()


async def report(platform: Person, desk: Desk, drill: Any) -> Any:
    return (await platform.get(f"/tenants/{desk.id}/drills/{drill['id']}"))["report"]


async def test_what_whatsapp_does_not_take_in_a_drill_waits_and_leaves_after_it(
    desk: Desk, platform: Person
) -> None:
    drill = await start(platform, desk, "whatsapp")
    assert await desk.say(QUESTION) == []
    (held,) = await desk.sql("SELECT state, attempt, refusals, last_error FROM outbound")
    assert (held["state"], held["attempt"], held["refusals"]) == ("pending", 0, 0)
    assert "this is a drill" in held["last_error"]
    during = await report(platform, desk, drill)
    assert (during["turns"], during["held_sends"]) == ({"replied": 1}, 1)

    await stop(platform, desk, drill)
    assert len(desk.phone().replies) == 1
    after = await report(platform, desk, drill)
    assert (after["held_sends"], after["sent_since"], after["failed_sends"]) == (1, 1, 0)
    assert after["longest_wait_seconds"] > 0
    events = await desk.events()
    assert [payload["outage"] for kind, payload in events if kind == "drill.started"] == [
        "whatsapp"
    ]
    assert [payload["drill_id"] for kind, payload in events if kind == "drill.ended"] == [
        drill["id"]
    ]
    entries = await desk.sql(
        "SELECT action, user_id FROM audit_entry WHERE subject = 'drill' ORDER BY id"
    )
    assert [tuple(entry) for entry in entries] == [
        ("drill.started", platform.id),
        ("drill.ended", platform.id),
    ]


async def test_a_message_whose_window_would_close_in_a_drill_leaves_in_spite_of_it(
    desk: Desk, platform: Person
) -> None:
    drill = await start(platform, desk, "whatsapp")
    await desk.say(QUESTION)
    await desk.sql(
        "UPDATE conversation SET last_inbound_at = now() - interval '23 hours 45 minutes'"
    )
    await desk.sql("UPDATE outbound SET due_at = now()")
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 1
    assert (await report(platform, desk, drill))["failed_sends"] == 0


async def test_without_models_contacts_hear_of_a_person_and_breakers_stay_closed(
    desk: Desk, platform: Person
) -> None:
    drill = await start(platform, desk, "models")
    assert await desk.say(QUESTION) == []
    await desk.sql(
        "UPDATE conversation SET waiting_since = now() - interval '2 minutes', due_at = now(), "
        "last_inbound_at = now() - interval '2 minutes'"
    )
    await desk.work_until_idle()
    (notice,) = desk.phone().replies
    seen = await report(platform, desk, drill)
    assert (seen["turns"], seen["handoffs"]) == ({"handoff": 1}, {"model_down": 1})
    assert seen["notices"] == [notice]
    assert await desk.resources.redis.keys("platform:breaker:*") == []
    await stop(platform, desk, drill)
    assert len(await desk.say(QUESTION, number="4915550002")) == 1


async def test_when_one_provider_is_away_the_next_model_answers(
    desk: Desk, platform: Person
) -> None:
    (tenant,) = await desk.sql("SELECT slug FROM tenant")
    body = {"outage": "models", "minutes": 5, "confirm": tenant["slug"], "provider": "grok"}
    refused = await platform.post(f"/tenants/{desk.id}/drills", body, status=422)
    assert "groq" in refused["detail"], "who is meant is asked, and nothing is drilled"
    await start(platform, desk, "models", provider="groq")
    assert len(await desk.say(QUESTION)) == 1
    calls = await desk.sql("SELECT DISTINCT model_asked FROM llm_call WHERE NOT cache_hit")
    assert {call["model_asked"].partition("/")[0] for call in calls} == {"openai"}


async def test_without_redis_a_tenants_rings_and_news_are_not_sent(
    desk: Desk, platform: Person
) -> None:
    await start(platform, desk, "redis")
    drills = desk.resources.keep(Drills)
    bell = RedisBell(desk.resources.redis)
    bell.is_mute_for = lambda tenant_id: bool(drills.find(tenant_id, Outage.REDIS))
    announcer = announcer_of(desk.resources.db)
    assert announcer is not None
    await desk.work_until_idle()
    bell.ring("conversation.turn", desk.id, ids.new())
    # Higher than what the turn itself may still have to announce.
    announcer.announce(desk.id, 1_000_000)
    assert not bell._waiting
    assert announcer._waiting.get(desk.id, 0) < 1_000_000
    bell.ring("conversation.turn", other := ids.new(), ids.new())
    assert [tenant_id for _, tenant_id, _ in bell._waiting] == [other]
    await bell.aclose()
    # By itself, or by the sweep, the work is done all the same.
    assert len(await desk.say(QUESTION)) == 1


async def test_a_drill_ends_by_itself_and_concerns_no_other_tenant(
    desk: Desk, platform: Person
) -> None:
    drill = await start(platform, desk, "whatsapp")
    drills = desk.resources.keep(Drills)
    assert drills.find(desk.id, Outage.WHATSAPP) is not None
    assert drills.find(desk.id, Outage.MODELS, "groq") is None
    assert drills.find(ids.new(), Outage.WHATSAPP) is None
    async with asking(app_on(desk.resources)) as client:
        check = (await client.get("/readyz")).json()["checks"]["drills"]
    assert (check["ok"], check["value"] >= 1) == (True, True)
    assert "whatsapp" in check["detail"]

    await desk.sql("UPDATE drill SET ends_at = now(), due_at = now()")
    await desk.work_until_idle()
    await drills.refresh()
    assert drills.find(desk.id, Outage.WHATSAPP) is None
    (listed,) = (await platform.get(f"/tenants/{desk.id}/drills"))["items"]
    assert listed["id"] == drill["id"]
    assert datetime.fromisoformat(listed["ended_at"]) <= datetime.now(UTC)
    assert [kind for kind, _ in await desk.events()].count("drill.ended") == 1


async def test_nobody_drills_by_mistake_or_without_being_allowed_to(
    desk: Desk, platform: Person
) -> None:
    path = f"/tenants/{desk.id}/drills"
    body = {"outage": "redis", "minutes": 5, "confirm": "another"}
    await platform.post(path, body, status=422)
    await platform.post(path, body | {"minutes": 61}, status=422)
    await platform.post(f"/tenants/{ids.new()}/drills", body, status=404)
    assert (await (await desk.admin()).post(path, body, status=403))["code"] == "forbidden"
    await start(platform, desk, "redis")
    (tenant,) = await desk.sql("SELECT slug FROM tenant")
    again = await platform.post(path, body | {"confirm": tenant["slug"]}, status=409)
    assert again["code"] == "drill_runs"


async def test_a_drill_whose_time_is_over_does_not_stand_in_the_way_of_another(
    desk: Desk, platform: Person
) -> None:
    old = await start(platform, desk, "redis")
    # No worker has come by since.
    await desk.sql("UPDATE drill SET ends_at = now() - interval '1 minute', due_at = NULL")
    new = await start(platform, desk, "redis")
    assert new["id"] != old["id"]
    rows = await desk.sql("SELECT id FROM drill WHERE ended_at IS NULL")
    assert [str(row["id"]) for row in rows] == [new["id"]]
    events = await desk.events()
    assert [p["drill_id"] for kind, p in events if kind == "drill.ended"] == [old["id"]]


async def test_an_operator_drills_from_the_shell(desk: Desk, commands: Any) -> None:
    (tenant,) = await desk.sql("SELECT slug FROM tenant")
    slug = tenant["slug"]
    unsure, begun, listed = await commands(
        f"drill start --tenant {slug} --outage models",
        f"drill start --tenant {slug} --outage models --minutes 3 --yes --json",
        f"drill list --tenant {slug}",
    )
    assert (unsure["code"], begun["code"]) == (2, 0), begun["stderr"]
    drill_id = UUID(json.loads(begun["stdout"])["id"])
    assert f"{drill_id}  models" in listed["stdout"]
    stopped, shown, plain, unknown = await commands(
        f"drill stop {drill_id} --tenant {slug}",
        f"drill show {drill_id} --tenant {slug} --json",
        f"drill show {drill_id} --tenant {slug}",
        f"drill show {ids.new()} --tenant {slug}",
    )
    assert "It ended at" in stopped["stdout"]
    assert json.loads(shown["stdout"])["report"]["held_sends"] == 0
    assert "messages held     0" in plain["stdout"]
    assert (unknown["code"], "Traceback" in unknown["stderr"]) == (1, False)
