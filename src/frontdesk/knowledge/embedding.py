"""Vectors of chunks and questions: what finds a paraphrase, or another language."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from asyncpg import Record

from frontdesk import gateway
from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.knowledge.errors import NOT_EMBEDDED
from frontdesk.knowledge.foreign import ForeignSubjects
from frontdesk.knowledge.relevance import Vector

log = structlog.get_logger(__name__)

_WAITING = """
SELECT id, heading, text FROM knowledge_chunk
WHERE source_id = $1 AND embedder IS DISTINCT FROM $2 ORDER BY position LIMIT $3
"""
_KEEP = """
UPDATE knowledge_chunk c SET embedding = made.vector::halfvec, embedder = $1
FROM unnest($2::uuid[], $3::text[]) AS made (id, vector) WHERE c.id = made.id
"""


@dataclass(frozen=True)
class Meaning:
    """A question's vector, and the model whose vectors it compares with.

    Args:
        vector: as Postgres reads it.
        numbers: the same, as numbers.
        foreign: the vectors of `foreign.SENTENCES`; none where there are none yet.
    """

    model: str
    vector: str
    dimensions: int
    numbers: Vector = field(default=(), repr=False)
    foreign: Sequence[Vector] = field(default=(), repr=False)


async def chunks_without_vector(tx: Transaction, source_id: UUID, model: str) -> list[Record]:
    """The next chunks of a source that the model has not seen."""
    return list(await tx.sql.fetch(_WAITING, source_id, model, gateway.MOST_TEXTS))


async def vectors_of(
    resources: Resources, tenant_id: UUID, agent_id: UUID, chunks: Sequence[Record], model: str
) -> list[str]:
    """The vectors of chunks, each with its headings; raises what is in `NOT_EMBEDDED`."""
    texts = [f"{chunk['heading']}\n{chunk['text']}" for chunk in chunks]
    made = await gateway.embed(resources, tenant_id, texts, model=model, agent_id=agent_id)
    return [as_sql(vector) for vector in made]


async def keep_vectors(
    tx: Transaction, chunks: Sequence[Record], vectors: Sequence[str], model: str
) -> None:
    """Write down what a model made of chunks."""
    await tx.sql.execute(_KEEP, model, [chunk["id"] for chunk in chunks], list(vectors))


async def meaning_of(
    resources: Resources,
    tenant_id: UUID,
    agent_id: UUID,
    question: str,
    *,
    locally: bool = False,
    conversation_id: UUID | None = None,
    contact_id: UUID | None = None,
    masking: gateway.Masking = gateway.ALL_KINDS,
) -> Meaning | None:
    """A question's vector; None where no model is set, or none answers: then words have to do.

    Args:
        locally: only by the local model, as web processes ask no other.
        conversation_id, contact_id: where it was asked, and by whom: they pay for it.
        masking: what is known of who asked.
    """
    if not any(c.isalnum() for c in question):
        return None
    try:
        model = await gateway.embedding_model(resources, tenant_id)
        if model is None or (locally and model != gateway.LOCAL_MODEL):
            return None
        (vector,) = await gateway.embed(
            resources,
            tenant_id,
            [question],
            model=model,
            for_question=True,
            agent_id=agent_id,
            conversation_id=conversation_id,
            contact_id=contact_id,
            masking=masking,
        )
    except NOT_EMBEDDED as error:
        log.warning("question_not_embedded", error=type(error).__name__)
        return None
    foreign = await resources.keep(ForeignSubjects).of(tenant_id, model)
    return Meaning(model, as_sql(vector), len(vector), vector, foreign)


def as_sql(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(f'{number:.6g}' for number in vector)}]"
