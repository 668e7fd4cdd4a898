"""What tenants share: connections, Redis, processes. Nothing of one shows itself to another."""

import asyncio
import io
import random
import zipfile
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from tests.conftest import LateApp
from tests.desk import Desk
from tests.isolation.asking import ask
from tests.isolation.callers import sign_in
from tests.isolation.conftest import Neighbours

from frontdesk import agent_config, identity
from frontdesk.agent_config import AgentCreate
from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.resources import open_resources
from frontdesk.core.settings import Settings
from frontdesk.simulator import Simulator
from frontdesk.subscriptions import SUBSCRIPTIONS

TENANTS = 8
UNITS = 600
# None of these narrows to a tenant: row-level security does.
QUESTIONS = (
    "SELECT tenant_id FROM membership",
    "SELECT tenant_id FROM agent",
    "SELECT tenant_id FROM agent_version",
    "SELECT id AS tenant_id FROM tenant",
)


class Mishap(Exception):
    """What goes wrong in the middle of a unit of work."""


async def test_no_connection_carries_one_tenants_rows_to_another_whatever_ends_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer connections than tenants, and most units of work end badly: cancelled in the middle,
    by an error of ours, by one of Postgres's."""
    few = settings.database.model_copy(update={"pool_size": 3, "pool_timeout_seconds": 30})
    dice = random.Random(7)
    seen: Counter[str] = Counter()
    strangers: list[tuple[UUID, UUID]] = []
    async with open_resources(
        settings.model_copy(update={"database": few}), SUBSCRIPTIONS
    ) as resources:
        tenants: list[UUID] = []
        for _ in range(TENANTS):
            async with resources.db.system_transaction() as tx:
                slug = f"pooled-{ids.new().hex}"
                tenant = await identity.create_tenant(tx, slug, slug)
                user = await identity.create_user(
                    tx, f"a@{slug}.example", "A", "eleven purple boats"
                )
                await identity.add_member(tx, tenant.id, user, Role.ADMIN)
            async with resources.db.transaction(tenant.id) as session:
                config = {"company_name": slug}
                await agent_config.create_agent(session, AgentCreate(name="A", config=config))
            tenants.append(tenant.id)

        async def unit(tenant_id: UUID, end: str) -> None:
            door = resources.db.transaction if dice.random() < 0.5 else resources.db.hot
            async with door(tenant_id) as tx:
                for question in dice.sample(QUESTIONS, 2):
                    for row in await tx.sql.fetch(question):
                        seen["rows"] += 1
                        if row["tenant_id"] != tenant_id:
                            strangers.append((tenant_id, row["tenant_id"]))
                if end == "our error":
                    raise Mishap
                if end == "an error of Postgres":
                    await tx.sql.fetch("SELECT 1 / 0")

        async def mishandled(number: int) -> None:
            tenant_id = tenants[number % TENANTS]
            end = dice.choice(("well", "our error", "an error of Postgres", "cancelled"))
            work = asyncio.create_task(unit(tenant_id, end))
            if end == "cancelled":
                await asyncio.sleep(dice.random() * 0.01)
                work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            seen[end] += 1

        await asyncio.gather(*(mishandled(number) for number in range(UNITS)))
        # Every connection still works, and without a tenant each shows nothing.
        for door in (resources.db.transaction, resources.db.hot):
            for question in QUESTIONS:
                async with door(ids.NIL) as tx:
                    assert await tx.sql.fetch(question) == []
    with capsys.disabled():
        print(f"\n{UNITS} units of work of {TENANTS} tenants on 3 connections: {dict(seen)}")
    assert strangers == []
    assert seen["rows"] > UNITS
    assert min(seen[end] for end in ("well", "our error", "cancelled")) > UNITS / 8


async def test_requests_that_are_cut_off_leave_nothing_for_the_next_ones(
    neighbours: Neighbours,
) -> None:
    app, dice = neighbours.app, random.Random(11)
    desks = {neighbours.our_mark: neighbours.ours, neighbours.their_mark: neighbours.theirs}
    signed_in = {mark: await sign_in(app, d.people[0].email) for mark, d in desks.items()}
    paths = ("agents", "conversations", "api-keys", "prompts/reply/versions", "users", "llm-calls")
    answered = 0

    async def one(number: int) -> None:
        nonlocal answered
        mark = dice.choice([*desks])
        path = f"/api/v1/{paths[number % len(paths)]}"
        work = asyncio.create_task(ask(app, "GET", path, headers=signed_in[mark]))
        if number % 3 == 0:
            await asyncio.sleep(dice.random() * 0.02)
            work.cancel()
        (answer,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(answer, BaseException):
            return
        answered += 1
        others = next(desk for other, desk in desks.items() if other != mark)
        other_mark = next(other for other in desks if other != mark)
        assert answer.status == 200, answer.text
        assert other_mark not in answer.text
        assert others.people[0].email not in answer.text

    for start in range(0, 240, 24):
        await asyncio.gather(*(one(number) for number in range(start, start + 24)))
    assert answered > 150


async def test_the_same_question_and_the_same_key_in_two_tenants_share_nothing(
    desk: Desk, app: FastAPI, world: tuple[Simulator, LateApp], worker: Any
) -> None:
    facts = [{"Shipping": f"We ship within {days} working days."} for days in ("2", "19")]
    shops = [await Desk.make(app, desk.resources, worker[0], world[0], each) for each in facts]
    for _ in range(2):  # What the first round left in caches, the second may find.
        for shop, days in zip(shops, ("2", "19"), strict=True):
            replies = await shop.say("How long does shipping take?")
            assert f"{days} working days" in replies[-1]
    for shop, days in zip(shops, ("2", "19"), strict=True):
        admin, conversation = await shop.admin(), await shop.conversation()
        searched = await admin.get(
            "/knowledge/search", agent_id=str(shop.agent_id), query="shipping time"
        )
        assert [days in str(hit) for hit in searched] == [True]
        found = (await admin.get("/conversations", contact="4915550001"))["items"]
        assert [each["id"] for each in found] == [conversation["id"]]
        thread = f"/conversations/{conversation['id']}"
        await admin.post(f"{thread}/take-over")
        sent = await admin.post(
            f"{thread}/messages", {"text": f"In {days} days."}, Idempotency_Key="the-same"
        )
        assert sent["text"] == f"In {days} days."
    # What one tenant changes, the other's caches don't serve.
    await shops[0].configure(persona="You are Nobody Else.")
    agent = await (await shops[1].admin()).get(f"/agents/{shops[1].agent_id}")
    assert "Nobody Else" not in str(agent)
    for shop in shops:
        await shop.aclose()
    keys = [key.decode() for key in await desk.resources.redis.keys("*")]
    ours = {str(shop.id) for shop in shops}
    assert any(tenant in key for key in keys for tenant in ours)
    values = {key: await _value(desk, key) for key in keys}
    for key, value in values.items():
        named = {tenant for tenant in ours if tenant in f"{key} {value}"}
        assert len(named) <= 1, f"{key} holds something of two tenants"


async def _value(desk: Desk, key: str) -> str:
    kind = (await desk.resources.redis.type(key)).decode()
    return str(await desk.resources.redis.get(key)) if kind == "string" else ""


async def test_an_export_holds_nothing_of_a_neighbour(neighbours: Neighbours) -> None:
    app, exports = neighbours.app, "/api/v1/exports"
    admin = await sign_in(app, neighbours.ours.people[0].email)
    (export,) = (await ask(app, "GET", exports, headers=admin)).json()["items"]
    answer = await ask(app, "GET", f"{exports}/{export['id']}/file", headers=admin)
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert neighbours.our_mark.encode() in content
    assert neighbours.their_mark.encode() not in content
    assert str(neighbours.theirs.id).encode() not in content
