"""The cache that agents and prompts share, with two processes side by side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from uuid import UUID

import pytest
from pydantic import SecretStr
from tests.desk import eventually

from frontdesk.core import ids
from frontdesk.core.cache import Changes, SnapshotCache
from frontdesk.core.patience import Patience
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings


class Process:
    """A process with a cache of its own, which counts what it reads from the source."""

    def __init__(self, resources: Resources, source: dict[str, str]) -> None:
        self.resources = resources
        self.source = source
        self.reads = 0
        # A read gives what it found only while this is set.
        self.is_quick = asyncio.Event()
        self.is_quick.set()
        self.cache = SnapshotCache[str](
            resources, kind="test:v1", encode=str.encode, decode=bytes.decode
        )
        # However busy the machine is: a Redis that is slow to answer is not what this is about.
        self.cache._patience = Patience(20)

    async def get(self, tenant_id: UUID, name: str = "a") -> str:
        async def load() -> str:
            self.reads += 1
            value = self.source[name]
            await self.is_quick.wait()
            return value

        return await self.cache.get(tenant_id, name, load)

    async def change(self, tenant_id: UUID, value: str, name: str = "a") -> None:
        async with self.resources.db.hot(tenant_id) as tx:
            self.cache.forget_after_commit(tx, name)
        self.source[name] = value


@asynccontextmanager
async def process(settings: Settings, source: dict[str, str]) -> AsyncIterator[Process]:
    async with open_resources(settings, {}) as resources:
        yield Process(resources, source)
        await resources.keep(Changes).stop()


async def seen(one: Process, tenant_id: UUID, value: str) -> None:
    """Wait until a process uses this value, long before its copies run out by themselves."""

    async def is_used() -> bool:
        return await one.get(tenant_id) == value

    await eventually(is_used, seconds=10)


def only_by_word_of_mouth(one: Process) -> None:
    """It does not ask, on a quiet channel, whether it has missed a change."""

    async def no() -> bool:
        return False

    one.resources.keep(Changes)._missed_a_change = no  # type: ignore[method-assign]  # Deaf on one ear.


async def a_quiet_second(one: Process) -> None:
    changes = one.resources.keep(Changes)
    before = changes.heard_at
    await eventually(lambda: changes.heard_at != before)


async def test_a_snapshot_is_read_once_and_then_kept(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        assert await asyncio.gather(*(one.get(tenant_id) for _ in range(50))) == ["old"] * 50
        assert await two.get(tenant_id) == "old"
        assert (one.reads, two.reads) == (1, 0)
        key = f"{tenant_id}:test:v1:a"
        assert await one.resources.redis.get(key) == b"old"
        assert 0 < await one.resources.redis.ttl(key) <= 60


async def test_a_hot_snapshot_costs_no_round_trip(settings):
    tenant_id = ids.new()
    async with process(settings, {"a": "old"}) as one:
        await one.get(tenant_id)
        await asyncio.sleep(0.05)
        await one.get(tenant_id)
        before = (await one.resources.redis.info("commandstats"))["cmdstat_get"]["calls"]
        for _ in range(100):
            await one.get(tenant_id)
        after = (await one.resources.redis.info("commandstats"))["cmdstat_get"]["calls"]
        # Others use this Redis as well; a hundred reads of ours would stand out.
        assert after - before < 50


async def test_a_quiet_second_costs_one_read_for_all_snapshots(settings):
    tenant_id, names = ids.new(), [str(number) for number in range(40)]
    async with process(settings, dict.fromkeys(names, "old")) as one:
        for _ in range(2):
            await asyncio.gather(*(one.get(tenant_id, name) for name in names))
            # First it begins to listen; the first quiet second knows of nothing before it.
            await a_quiet_second(one)
        await asyncio.gather(*(one.get(tenant_id, name) for name in names))
        before = (await one.resources.redis.info("commandstats"))["cmdstat_get"]["calls"]
        for _ in range(2):
            await a_quiet_second(one)
            await asyncio.gather(*(one.get(tenant_id, name) for name in names))
        after = (await one.resources.redis.info("commandstats"))["cmdstat_get"]["calls"]
        # Others use this Redis as well; forty reads of ours would stand out.
        assert after - before < 30


async def test_a_change_that_was_not_heard_is_noticed_on_the_quiet_channel(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        # That it listens, and the first quiet second, which knows of nothing before it.
        for _ in range(2):
            assert await two.get(tenant_id) == "old"
            await a_quiet_second(two)
        two.resources.keep(Changes)._drop = lambda _: None
        await one.change(tenant_id, "new")
        await seen(two, tenant_id, "new")


async def test_a_change_is_seen_at_once_here_and_soon_elsewhere(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        only_by_word_of_mouth(two)
        assert (await one.get(tenant_id), await two.get(tenant_id)) == ("old", "old")
        await a_quiet_second(two)
        await one.change(tenant_id, "new")
        assert await one.get(tenant_id) == "new"
        await seen(two, tenant_id, "new")


async def test_a_second_change_while_the_first_is_being_told_is_told_too(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        assert await two.get(tenant_id) == "old"
        changes, told, is_told = one.resources.keep(Changes), [], asyncio.Event()
        pipeline = one.resources.redis.pipeline

        class Slow:
            """Redis, which has done what it was told and is slow to say so."""

            async def __aenter__(self):
                self.pipeline = pipeline(transaction=False)
                return self

            async def __aexit__(self, *_):
                await self.pipeline.reset()

            def __getattr__(self, name):
                return getattr(self.pipeline, name)

            async def execute(self):
                await self.pipeline.execute()
                told.append(None)
                await is_told.wait()

        one.resources.redis.pipeline = lambda **_: Slow()
        await one.change(tenant_id, "newer")
        await eventually(lambda: told)
        await one.change(tenant_id, "newest")
        is_told.set()
        await seen(two, tenant_id, "newest")
        while changes._untold:  # noqa: ASYNC110  # It ends by itself.
            await asyncio.sleep(0.01)
        assert len(told) == 2


async def test_a_read_from_before_the_commit_does_not_bring_the_old_value_back(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        only_by_word_of_mouth(two)
        two.is_quick.clear()
        late = asyncio.create_task(two.get(tenant_id))
        await eventually(lambda: two.reads)
        await one.change(tenant_id, "new")
        await eventually(lambda: not one.resources.keep(Changes)._untold)
        two.is_quick.set()
        assert await late == "old"
        await seen(two, tenant_id, "new")
        assert await one.get(tenant_id) == "new"


async def test_nor_does_it_while_nobody_can_tell_of_changes(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one:
        one.resources.keep(Changes).start = lambda: None  # type: ignore[method-assign]  # Deaf.
        one.is_quick.clear()
        late = asyncio.create_task(one.get(tenant_id))
        await eventually(lambda: one.reads)
        await one.change(tenant_id, "new")
        one.is_quick.set()
        assert await late == "old"
        assert await one.get(tenant_id) == "new"


async def test_a_change_is_seen_here_before_anybody_else_was_told(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one:
        assert await one.get(tenant_id) == "old"
        busy = asyncio.create_task(asyncio.sleep(10))
        one.resources.keep(Changes)._teller = busy
        await one.change(tenant_id, "new")
        assert await one.get(tenant_id) == "new"
        busy.cancel()


async def test_without_redis_snapshots_come_from_the_source_and_stay_fresh(settings):
    dead = settings.model_copy(
        update={
            "redis": settings.redis.model_copy(update={"url": SecretStr("redis://127.0.0.1:1")})
        }
    )
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(dead, source) as one, process(dead, source) as two:
        for _ in range(50):
            assert await one.get(tenant_id) == "old"
        assert one.reads <= 2
        assert await two.get(tenant_id) == "old"
        await one.change(tenant_id, "new")
        assert await one.get(tenant_id) == "new"
        await seen(two, tenant_id, "new")


async def test_a_lost_subscription_does_not_leave_old_values_behind(settings):
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        await two.get(tenant_id)
        await one.resources.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await one.change(tenant_id, "new")
        await seen(two, tenant_id, "new")


async def test_where_nothing_is_heard_any_more_a_copy_is_used_for_no_two_seconds(
    settings, monkeypatch
):
    now = [1_000.0]
    monkeypatch.setattr("frontdesk.core.cache.time", SimpleNamespace(monotonic=lambda: now[0]))
    tenant_id, source = ids.new(), {"a": "old"}
    async with process(settings, source) as one, process(settings, source) as two:
        for each in (one, two):
            each.resources.keep(Changes).start = lambda: None  # type: ignore[method-assign]  # Deaf.
        two.resources.keep(Changes).heard_at = now[0]  # Until just now.
        assert await two.get(tenant_id) == "old"
        await one.change(tenant_id, "new")
        await eventually(lambda: not one.resources.keep(Changes)._untold)
        assert await two.get(tenant_id) == "old", "it can't know"
        now[0] += 2
        assert await two.get(tenant_id) == "new"


async def test_tenants_with_the_same_names_share_nothing(settings):
    first, second = ids.new(), ids.new()
    source = {"a": "mine"}
    async with process(settings, source) as one:
        assert await one.get(first) == "mine"
        source["a"] = "yours"
        assert (await one.get(first), await one.get(second)) == ("mine", "yours")


async def test_a_copy_nobody_can_read_is_read_anew(settings):
    tenant_id = ids.new()
    async with process(settings, {"a": "good"}) as one:
        await one.resources.redis.set(f"{tenant_id}:test:v1:a", b"\xff\xfe", ex=60)
        assert await one.get(tenant_id) == "good"


async def test_a_failed_read_is_not_kept(settings):
    tenant_id, source = ids.new(), {}
    async with process(settings, source) as one:
        with pytest.raises(KeyError):
            await one.get(tenant_id)
        source["a"] = "here"
        assert await one.get(tenant_id) == "here"
