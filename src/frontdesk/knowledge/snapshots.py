"""What an agent knows as the message path needs it: little knowledge is kept close by."""

from dataclasses import asdict
from uuid import UUID

from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.knowledge.retrieval import Chunk, all_of_little, ranked, search


class LittleKnowledge:
    """All the knowledge of agents that know little, as this process has used it lately.

    An agent that knows nothing, or too much to be given all of it, is kept as empty.
    """

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="knowledge:v1", encode=_encode, decode=_decode)

    async def get(self, tenant_id: UUID, agent_id: UUID) -> list[Chunk]:
        """The pieces, at most two seconds late."""
        return await self._cache.get(
            tenant_id, str(agent_id), lambda: self._load(tenant_id, agent_id)
        )

    def forget_after_commit(self, tx: Transaction, agent_id: UUID) -> None:
        """Let nobody use what was known before this transaction."""
        self._cache.forget_after_commit(tx, str(agent_id))

    async def _load(self, tenant_id: UUID, agent_id: UUID) -> list[Chunk]:
        async with self._db.hot(tenant_id) as tx:
            return await all_of_little(tx, agent_id)


async def look_up(
    resources: Resources, tenant_id: UUID, agent_id: UUID, query: str, limit: int = 6
) -> list[Chunk]:
    """What `search` gives; for an agent that knows little, mostly without asking the database."""
    if little := await resources.keep(LittleKnowledge).get(tenant_id, agent_id):
        return ranked(query, little)
    async with resources.db.hot(tenant_id) as tx:
        return await search(tx, agent_id, query, limit)


def _encode(chunks: list[Chunk]) -> bytes:
    return dumps_bytes([asdict(chunk) for chunk in chunks])


def _decode(data: bytes) -> list[Chunk]:
    return [
        Chunk(**{**chunk, "id": UUID(chunk["id"]), "source_id": UUID(chunk["source_id"])})
        for chunk in loads(data)
    ]
