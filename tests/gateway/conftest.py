"""A gateway on a database of its own, and a provider for it to talk to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from frontdesk.core import ids
from frontdesk.core.metrics import Metrics
from frontdesk.core.redis import connect
from frontdesk.core.resources import Resources
from frontdesk.core.settings import RedisSettings
from frontdesk.gateway import CompletionRequest, litellm_adapter
from frontdesk.gateway.door import Door

from .stub_provider import Provider, serving

GROQ, OPENAI = "groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"
QUESTION = (
    {"role": "system", "content": "You answer for a bakery."},
    {"role": "user", "content": "Are you open on Sunday?"},
)


@pytest.fixture(scope="session")
async def opened(resources: Resources, worker_id: str) -> AsyncIterator[Resources]:
    """The process's resources, with a Redis database in which no other tests open breakers."""
    number = 8 + int(worker_id.removeprefix("gw") if worker_id != "main" else 0) % 8
    url = resources.settings.redis.url.get_secret_value().rpartition("/")[0]
    redis = connect(RedisSettings(url=SecretStr(f"{url}/{number}"), socket_timeout_seconds=50))
    await litellm_adapter.warm()  # Its import is not to eat up the first call's time.
    yield replace(resources, redis=redis)
    await redis.aclose(close_connection_pool=True)
    await litellm_adapter.close()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A provider in which nothing has happened."""
    async with serving(Provider()) as provider:
        yield provider


@pytest.fixture
async def tenant_id(opened: Resources) -> UUID:
    """A fresh tenant."""
    tenant_id = ids.new()
    async with opened.db.system_transaction() as tx:
        await tx.sql.execute(
            "INSERT INTO tenant (id, name, slug) VALUES ($1, 'Bakery', $2)",
            tenant_id,
            str(tenant_id),
        )
    return tenant_id


@dataclass
class Desk:
    """One process's resources with the tenant, and what it wrote."""

    resources: Resources
    tenant_id: UUID

    def request(self, **changes: Any) -> CompletionRequest:
        """A prompt of the tenant's."""
        given = {"tenant_id": self.tenant_id, "feature": "reply", "messages": QUESTION, **changes}
        return CompletionRequest(**given)

    @property
    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)

    async def calls(self) -> list[asyncpg.Record]:
        """The tenant's `llm_call` rows, oldest first."""
        return await self._rows("SELECT * FROM llm_call ORDER BY created_at, attempt")

    async def usage(self) -> list[asyncpg.Record]:
        """The tenant's ledger, oldest first."""
        return await self._rows("SELECT * FROM usage_entry ORDER BY created_at, id")

    async def written(self) -> None:
        """Wait until all that was to be recorded is."""
        await self.resources.keep(Door).call_log.drain()

    async def _rows(self, query: str) -> list[asyncpg.Record]:
        async with self.resources.db.hot(self.tenant_id) as tx:
            return await tx.sql.fetch(query)


async def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # What is waited for happens on the other side of HTTP.
            await asyncio.sleep(0.005)


MakeDesk = Callable[..., Desk]


@pytest.fixture
async def make_desk(
    opened: Resources, provider: Provider, tenant_id: UUID
) -> AsyncIterator[MakeDesk]:
    """Makes a process of its own: other settings, its own breaker beliefs, caches and metrics."""
    await opened.redis.flushdb()
    made: list[Desk] = []

    def make(**llm: Any) -> Desk:
        settings = opened.settings.model_copy(
            update={
                "groq_api_key": SecretStr("test-groq-key"),
                "openai_api_key": SecretStr("test-openai-key"),
                "anthropic_api_key": SecretStr("test-anthropic-key"),
                "llm": opened.settings.llm.model_copy(
                    update={
                        "groq_api_base": f"{provider.url}/groq/openai/v1",
                        "openai_api_base": f"{provider.url}/openai/v1",
                        "anthropic_api_base": provider.url,
                        "deadline_seconds": 10.0,
                        **llm,
                    }
                ),
            }
        )
        made.append(
            Desk(replace(opened, settings=settings, metrics=Metrics(), _kept={}), tenant_id)
        )
        return made[-1]

    yield make
    for desk in made:
        await desk.written()
        await desk.resources.stop_kept()


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """A process with the usual settings."""
    return make_desk()
