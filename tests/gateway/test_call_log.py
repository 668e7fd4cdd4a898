"""The record of a call that was paid for, while the database is busy."""

import asyncio
from contextlib import suppress

import pytest
from pydantic import SecretStr
from tests import desk as desks

from frontdesk.core.db import Database
from frontdesk.core.errors import Invalid, Unavailable
from frontdesk.core.settings import DatabaseSettings
from frontdesk.gateway import call_log, close, complete, finish_records

from .conftest import Desk, eventually
from .stub_provider import Provider


async def test_a_paid_call_is_recorded_once_the_database_has_time_again(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "RETRY_PAUSES_SECONDS", (0.05,) * 400)
    await complete(desk.resources, desk.request())  # Reads the prices while it can.
    url = SecretStr(desk.resources.settings.database.app_dsn)
    narrow = Database(DatabaseSettings(url=url, pool_size=1, pool_timeout_seconds=0.05), {})
    await narrow.open()
    object.__setattr__(desk.resources, "db", narrow)

    async def is_connected() -> bool:
        with suppress(Unavailable):
            async with narrow.hot(desk.tenant_id):
                return True
        return False

    # Who is so impatient may have to try again until there is a connection.
    await desks.eventually(is_connected)
    async with narrow.hot(desk.tenant_id):
        waiting = asyncio.create_task(complete(desk.resources, desk.request()))
        await eventually(lambda: len(provider.bodies) == 2)
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting
    assert len(provider.bodies) == 2
    assert [call["outcome"] for call in await desk.calls()] == ["ok", "ok"]
    assert len(await desk.usage()) == 2
    await narrow.close()


async def test_the_record_of_a_call_that_is_followed_is_written_with_the_next_ones(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "PATIENCE_SECONDS", 3600)
    await complete(desk.resources, desk.request(is_followed=True))
    assert await desk.calls() == []
    await complete(desk.resources, desk.request())
    calls = await desk.calls()
    assert len(calls) == 2
    # One transaction has one time.
    assert calls[0]["created_at"] == calls[1]["created_at"]
    assert len(await desk.usage()) == 2


async def test_a_record_that_nothing_follows_is_written_by_itself_and_sooner_when_asked(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await complete(desk.resources, desk.request(is_followed=True))
    async with asyncio.timeout(30):
        while not await desk.calls():  # noqa: ASYNC110  # It happens by itself.
            await asyncio.sleep(0.02)
    monkeypatch.setattr(call_log, "PATIENCE_SECONDS", 3600)
    followed = await complete(desk.resources, desk.request(is_followed=True))
    assert len(await desk.calls()) == 1
    await finish_records(desk.resources, desk.tenant_id, followed.unwritten)
    assert len(await desk.calls()) == 2
    await finish_records(desk.resources, desk.tenant_id, followed.unwritten)
    await complete(desk.resources, desk.request(is_followed=True))
    await close(desk.resources)
    assert len(await desk.calls()) == 3


async def test_who_waits_for_records_hears_of_their_failure_and_of_no_others(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "PATIENCE_SECONDS", 3600)
    ours = await complete(desk.resources, desk.request(is_followed=True))
    never = desk.request(is_followed=True, feature="not\0stored")
    strangers = await complete(desk.resources, never)
    await finish_records(desk.resources, desk.tenant_id, ours.unwritten)
    with pytest.raises(Invalid):
        await finish_records(desk.resources, desk.tenant_id, strangers.unwritten)
    assert len(await desk.calls()) == 1
