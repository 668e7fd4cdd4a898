"""How many calls are in flight: in this process, of one tenant in it, at one provider from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from frontdesk.core.settings import LlmSettings


class Slots:
    """Room for calls; whoever waits keeps no place of the process meanwhile."""

    def __init__(self, llm: LlmSettings) -> None:
        self._llm = llm
        self._process = asyncio.Semaphore(llm.max_in_flight)
        # Each lives for as long as somebody is in it or waits for it.
        self._tenants: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        self._providers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, tenant_id: UUID, provider: str) -> AsyncIterator[None]:
        """A place among the tenant's calls, the provider's and the process's, once all are free."""
        of_tenant = self._tenants.get(tenant_id)
        if of_tenant is None:
            of_tenant = asyncio.Semaphore(self._llm.tenant_max_in_flight)
            self._tenants[tenant_id] = of_tenant
        of_provider = self._providers.get(provider)
        if of_provider is None:
            of_provider = asyncio.Semaphore(self._llm.provider_max_in_flight)
            self._providers[provider] = of_provider
        # In this order: a flood of one tenant waits for itself, a slow provider for itself.
        async with of_tenant, of_provider, self._process:
            yield
