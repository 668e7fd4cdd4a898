"""What an agent knows as the message path needs it: little knowledge is kept close by."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traced
from frontdesk.gateway import ALL_KINDS, Masking
from frontdesk.knowledge.embedding import meaning_of
from frontdesk.knowledge.retrieval import (
    Chunk,
    Found,
    Places,
    all_of_little,
    choose,
    find_candidates,
    ranked,
)

SOURCE = "knowledge.source"


class LittleKnowledge:
    """All the knowledge of agents that know little, as this process has used it lately.

    An agent that knows nothing, or too much to be given all of it, is kept as empty.
    """

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="knowledge:v2", encode=_encode, decode=_decode)

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


_STALE = """
UPDATE knowledge_source SET state = 'embedding', attempts = 0, due_at = now()
WHERE agent_id = $1 AND state = 'ready' AND embedder IS DISTINCT FROM $2 RETURNING id
"""


@traced("retrieve")
async def look_up(
    resources: Resources,
    tenant_id: UUID,
    agent_id: UUID,
    query: str,
    limit: int = 6,
    *,
    locally: bool = False,
    conversation_id: UUID | None = None,
    contact_id: UUID | None = None,
    masking: Masking = ALL_KINDS,
) -> Found:
    """The pieces that fit a question, best first; for an agent that knows little, mostly without
    asking the database.

    The first question after the model for vectors was changed makes the sources due for that.

    Args:
        locally: no model is asked over the network.
        conversation_id, contact_id: where it was asked, and by whom: they pay for the question's vector.
        masking: what is known of who asked.
    """
    if little := await resources.keep(LittleKnowledge).get(tenant_id, agent_id):
        return ranked(query, little)
    async with resources.db.hot(tenant_id) as tx:
        if not await knows_anything(tx, agent_id):
            return Found()
    meaning = await meaning_of(
        resources,
        tenant_id,
        agent_id,
        query,
        locally=locally,
        conversation_id=conversation_id,
        contact_id=contact_id,
        masking=masking,
    )
    async with resources.db.hot(tenant_id) as tx:
        if meaning is not None:
            for row in await tx.sql.fetch(_STALE, agent_id, meaning.model):
                tx.ring(SOURCE, row["id"])
        candidates = await find_candidates(tx, agent_id, query, meaning)
    return await asyncio.to_thread(choose, candidates, query, limit, meaning)


async def knows_anything(tx: Transaction, agent_id: UUID) -> bool:
    """Whether an agent has any source that it answers from."""
    found = await tx.sql.fetchval(
        "SELECT 1 FROM knowledge_source s WHERE agent_id = $1 AND enabled AND EXISTS "
        "(SELECT FROM knowledge_chunk c WHERE c.tenant_id = s.tenant_id AND c.source_id = s.id)",
        agent_id,
    )
    return found is not None


def _encode(chunks: list[Chunk]) -> bytes:
    return dumps_bytes([asdict(chunk) for chunk in chunks])


def _decode(data: bytes) -> list[Chunk]:
    return [
        Chunk(
            **{
                **chunk,
                "id": UUID(chunk["id"]),
                "source_id": UUID(chunk["source_id"]),
                "read_at": datetime.fromisoformat(chunk["read_at"]),
                "places": Places(),
            }
        )
        for chunk in loads(data)
    ]
