"""The record of a call that was paid for, while the database is busy."""

import asyncio

import pytest
from pydantic import SecretStr

from frontdesk.core.db import Database
from frontdesk.core.settings import DatabaseSettings
from frontdesk.gateway import call_log, complete

from .conftest import Desk
from .stub_provider import Provider


async def test_a_paid_call_is_recorded_once_the_database_has_time_again(
    desk: Desk, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "RETRY_PAUSES_SECONDS", (0.05,) * 20)
    await complete(desk.resources, desk.request())  # Reads the prices while it can.
    url = SecretStr(desk.resources.settings.database.app_dsn)
    narrow = Database(DatabaseSettings(url=url, pool_size=1, pool_timeout_seconds=0.05), {})
    await narrow.open()
    object.__setattr__(desk.resources, "db", narrow)
    async with narrow.hot(desk.tenant_id):
        waiting = asyncio.create_task(complete(desk.resources, desk.request()))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting
    assert len(provider.bodies) == 2
    assert [call["outcome"] for call in await desk.calls()] == ["ok", "ok"]
    assert len(await desk.usage()) == 2
    await narrow.close()
