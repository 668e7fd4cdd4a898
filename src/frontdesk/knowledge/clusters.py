"""Gaps that mean the same, asked in other words or another language, as one."""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import Field

from frontdesk import gateway
from frontdesk.core.db import Transaction
from frontdesk.core.pages import PublicSchema
from frontdesk.core.resources import Resources
from frontdesk.core.text import folded
from frontdesk.knowledge.errors import NOT_EMBEDDED
from frontdesk.knowledge.foreign import ForeignSubjects
from frontdesk.knowledge.models import GapState
from frontdesk.knowledge.relevance import Vector, likeness, unit

# Measured with the local model on 21 questions of 7 kinds in 4 languages: of those that mean something
# else none came above 0.51, and 13 of 18 pairs that mean the same above 0.5.
ALIKE = 0.55
ALIKE_IN_WORDS = 0.5
# As many of an agent's gaps are compared with each other, the newest first.
MOST_GAPS = 256
_LONG_WORD = re.compile(r"\w{4,}")
_GAPS = """
SELECT id, question, coalesce(cluster_id, id) AS cluster_id FROM knowledge_gap
WHERE agent_id = $1 AND state <> 'dismissed' ORDER BY id DESC LIMIT $2
"""
_ASSIGN = """
UPDATE knowledge_gap g SET cluster_id = made.cluster_id
FROM unnest($1::uuid[], $2::uuid[]) AS made (id, cluster_id)
WHERE g.id = made.id AND g.cluster_id IS DISTINCT FROM made.cluster_id
"""
# What was first asked after the article was written is asked in vain since.
_LIST = """
WITH clustered AS (
    SELECT coalesce(cluster_id, id) AS cluster, g.* FROM knowledge_gap g
    WHERE agent_id = $1 AND state <> 'dismissed'
), summed AS (
    SELECT cluster AS id, min(answered_at) AS answered_at,
        array_agg(question ORDER BY times + times_after DESC, id) AS questions,
        max(last_asked_at) AS last_asked_at, sum(deflected)::int AS deflected,
        (array_agg(source_id ORDER BY answered_at) FILTER (WHERE source_id IS NOT NULL))[1]
            AS source_id
    FROM clustered GROUP BY cluster
)
SELECT s.*, c.times, c.times_after FROM summed s CROSS JOIN LATERAL (
    SELECT coalesce(sum(times) FILTER (WHERE s.answered_at IS NULL
            OR created_at <= s.answered_at), 0)::int AS times,
        (sum(times_after) + coalesce(sum(times) FILTER (WHERE created_at > s.answered_at), 0))::int
            AS times_after
    FROM clustered WHERE cluster = s.id
) AS c
WHERE (s.answered_at IS NULL) = ($2 = 'open')
ORDER BY c.times + c.times_after DESC, s.id DESC LIMIT $3
"""


class GapCluster(PublicSchema):
    """What was asked in vain, in all the words it was asked in."""

    id: UUID = Field(description="That of one of its gaps; answering any answers all.")
    questions: list[str] = Field(description="Those asked most often first.")
    times: int = Field(description="How often it was asked in vain before there was an article.")
    times_after: int = Field(description="How often still.")
    deflected: int = Field(description="Answers that rest on the article, without a person.")
    deflection_rate: float | None = Field(
        description="`deflected` of all that asked since the article; before it, it was 0. Null: "
        "nobody has."
    )
    last_asked_at: datetime
    source_id: UUID | None = Field(description="The article that answers it.")
    answered_at: datetime | None


async def list_clusters(
    tx: Transaction, agent_id: UUID, *, state: GapState, limit: int
) -> list[GapCluster]:
    """An agent's gaps by what they mean, those asked most often first; `open` or `answered`."""
    found = []
    for row in await tx.sql.fetch(_LIST, agent_id, state, limit):
        asked = row["deflected"] + row["times_after"]
        rate = row["deflected"] / asked if asked else None
        found.append(GapCluster(**dict(row), deflection_rate=rate))
    return found


async def conversations_of(tx: Transaction, cluster_id: UUID) -> list[UUID]:
    """Where the gaps of a cluster were asked last, newest first."""
    rows = await tx.sql.fetch(
        "SELECT DISTINCT conversation_id FROM knowledge_gap "
        "WHERE coalesce(cluster_id, id) = $1 AND conversation_id IS NOT NULL "
        "ORDER BY conversation_id DESC",
        cluster_id,
    )
    return [row["conversation_id"] for row in rows]


async def cluster_gaps(resources: Resources, tenant_id: UUID, agent_id: UUID) -> None:
    """Put each gap of an agent into the cluster whose oldest question it is like. Safe to run twice."""
    async with resources.db.hot(tenant_id) as tx:
        rows = list(reversed(await tx.sql.fetch(_GAPS, agent_id, MOST_GAPS)))
    if not rows:
        return
    questions = [row["question"] for row in rows]
    vectors = await _vectors(resources, tenant_id, agent_id, questions)
    # Beside the loop: each is compared with every cluster.
    firsts = await asyncio.to_thread(group, questions, vectors)
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            _ASSIGN, [row["id"] for row in rows], [rows[first]["cluster_id"] for first in firsts]
        )


def group(questions: Sequence[str], vectors: Sequence[Vector]) -> list[int]:
    """For each question the place of the first one that means the same, which may be itself.

    Args:
        vectors: of length 1, one for each question; none: words have to do.
    """
    firsts: list[int] = []
    words = [set(_LONG_WORD.findall(folded(question))) for question in questions]
    for place in range(len(questions)):
        best, nearest = place, ALIKE if vectors else ALIKE_IN_WORDS
        for first in dict.fromkeys(firsts):
            if vectors:
                near = likeness(vectors[place], vectors[first])
            else:
                both = words[place] & words[first]
                near = len(both) / max(1, len(words[place] | words[first]))
            if near >= nearest:
                best, nearest = first, near
        firsts.append(best)
    return firsts


async def _vectors(
    resources: Resources, tenant_id: UUID, agent_id: UUID, questions: Sequence[str]
) -> list[Vector]:
    """The questions' vectors without what all texts have in common; none where no model makes any."""
    try:
        model = await gateway.embedding_model(resources, tenant_id)
        if model is None:
            return []
        foreign = await resources.keep(ForeignSubjects).of(tenant_id, model)
        made: list[list[float]] = []
        for start in range(0, len(questions), gateway.MOST_TEXTS):
            part = questions[start : start + gateway.MOST_TEXTS]
            # Of many contacts, whose names nobody knows here: only what is personal by itself is masked.
            made += await gateway.embed(
                resources, tenant_id, part, model=model, for_question=True, agent_id=agent_id
            )
    except NOT_EMBEDDED:
        return []
    if not foreign:
        return []
    middle = [sum(numbers) / len(foreign) for numbers in zip(*foreign, strict=True)]
    return [unit([a - b for a, b in zip(each, middle, strict=True)]) for each in made]
