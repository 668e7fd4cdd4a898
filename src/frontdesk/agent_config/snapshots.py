"""An agent as the message path needs it: its present configuration, kept close by."""

from dataclasses import dataclass
from uuid import UUID

from frontdesk.agent_config.config import AgentConfig
from frontdesk.agent_config.errors import NoSuchAgent
from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources

_PRESENT = """
SELECT a.name, a.version, a.enabled, v.config::text AS config
FROM agent a JOIN agent_version v
    ON v.tenant_id = a.tenant_id AND v.agent_id = a.id AND v.version = a.version
WHERE a.id = $1
"""


@dataclass(frozen=True)
class AgentSnapshot:
    """An agent with the version of its configuration that is in force."""

    agent_id: UUID
    name: str
    version: int
    enabled: bool
    config: AgentConfig


class AgentCache:
    """The snapshots this process has used lately."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="agent:v1", encode=_encode, decode=_decode)

    async def get(self, tenant_id: UUID, agent_id: UUID) -> AgentSnapshot:
        """The agent as it was saved last, at most two seconds late."""
        return await self._cache.get(
            tenant_id, str(agent_id), lambda: self._load(tenant_id, agent_id)
        )

    def forget_after_commit(self, tx: Transaction, agent_id: UUID) -> None:
        """Let nobody use a snapshot from before this transaction."""
        self._cache.forget_after_commit(tx, str(agent_id))

    async def _load(self, tenant_id: UUID, agent_id: UUID) -> AgentSnapshot:
        async with self._db.hot(tenant_id) as tx:
            row = await tx.sql.fetchrow(_PRESENT, agent_id)
        if row is None:
            raise NoSuchAgent
        return AgentSnapshot(
            agent_id, row["name"], row["version"], row["enabled"], stored_config(row["config"])
        )


async def load_agent(resources: Resources, tenant_id: UUID, agent_id: UUID) -> AgentSnapshot:
    """An agent with its present configuration; mostly from memory, at most two seconds late.

    Raises:
        NoSuchAgent: the tenant has no such agent.
        Unavailable: no copy is at hand and the database is down.
    """
    return await resources.keep(AgentCache).get(tenant_id, agent_id)


def stored_config(text: str) -> AgentConfig:
    """A configuration as it was stored; what an older release knew and this one does not is left
    out."""
    return AgentConfig.model_validate_json(text, extra="ignore")


def _encode(agent: AgentSnapshot) -> bytes:
    return dumps_bytes(
        {
            "agent_id": agent.agent_id,
            "name": agent.name,
            "version": agent.version,
            "enabled": agent.enabled,
            "config": agent.config,
        }
    )


def _decode(data: bytes) -> AgentSnapshot:
    stored = loads(data)
    return AgentSnapshot(
        agent_id=UUID(stored["agent_id"]),
        name=stored["name"],
        version=stored["version"],
        enabled=stored["enabled"],
        config=AgentConfig.model_validate(stored["config"]),
    )
