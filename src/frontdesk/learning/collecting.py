"""Each day: what people answered becomes proposed articles, gaps that mean the same become one."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog

from frontdesk import feed, gateway, knowledge
from frontdesk.agent_config import AgentSnapshot, get_agent, load_agent
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.resources import Resources
from frontdesk.feed import Audience
from frontdesk.knowledge import GapCluster, GapState
from frontdesk.learning.drafting import Answered, Article, draft_article
from frontdesk.learning.happenings import ArticleProposed
from frontdesk.learning.models import ArticleState, LearntFrom
from frontdesk.learning.schemas import LearningPublic
from frontdesk.learning.threads import answered_in, list_closed
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

ROUND = "learning.round"
EVERY_HOURS = 24
# What was closed before that is not looked at the first time.
_FIRST_DAYS = 30
# In one round; the next follows at once while there is more.
_MOST_CONVERSATIONS = 25
_MOST_CLUSTERS = 10
_MOST_ANSWERS = 5
# A round that a model failed is gone on with so much later.
_AGAIN_SECONDS = 3_600
# Longer than a round may take: an answer of the model's for each of the most answers of each.
_LEASE_SECONDS = 3_600
_NO_MODEL = (gateway.ModelsUnavailable, gateway.BudgetReached, gateway.PromptRejected)
_CLAIM = """
UPDATE learning_round SET due_at = clock_timestamp() + make_interval(secs => $2)
WHERE agent_id = $1 AND due_at <= now()
RETURNING due_at, now() AS now, coalesce(through_at, now() - make_interval(days => $3)) AS since
"""
_FINISH = """
UPDATE learning_round SET through_at = $3, due_at = now() + make_interval(secs => $4)
WHERE agent_id = $1 AND due_at = $2 RETURNING true
"""
_ADD = """
INSERT INTO learnt_article (id, agent_id, learnt_from, content_hash, conversation_id, gap_id, title,
    body, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id
"""
_KNOWN = "SELECT 1 FROM learnt_article WHERE agent_id = $1 AND content_hash = $2"
# A gap for which an article waits or was rejected is let be.
_SETTLED = """
SELECT 1 FROM learnt_article WHERE gap_id = $1 AND state IN ('proposed', 'rejected')
"""
# Answers of the AI that rest on an article which fills a gap, since the last round.
_COUNT_DEFLECTED = """
UPDATE knowledge_gap g SET deflected = g.deflected + counted.answers
FROM (
    SELECT s.id AS source_id, count(*)::int AS answers
    FROM turn t
    JOIN conversation k ON k.tenant_id = t.tenant_id AND k.id = t.conversation_id
    JOIN knowledge_source s ON s.tenant_id = t.tenant_id AND s.agent_id = k.agent_id
    WHERE k.agent_id = $1 AND t.outcome = 'replied' AND t.by = 'agent'
        AND t.created_at > $2 AND t.created_at <= $3
        AND s.id IN (SELECT source_id FROM knowledge_gap WHERE agent_id = $1)
        AND EXISTS (
            SELECT FROM jsonb_array_elements(t.trace) AS line,
                jsonb_array_elements_text(CASE WHEN jsonb_typeof(line -> 'sources') = 'array'
                    THEN line -> 'sources' ELSE '[]' END) AS title
            WHERE line ->> 'stage' IN ('reply', 'repair')
                AND (title = s.title OR starts_with(title, s.title || ' › '))
        )
    GROUP BY s.id
) AS counted
WHERE g.id = (
    SELECT id FROM knowledge_gap WHERE source_id = counted.source_id ORDER BY id LIMIT 1
)
"""


async def learn_soon(session: Session, agent_id: UUID, *, user_id: UUID) -> LearningPublic:
    """Make it due that an agent's conversations are looked through; from then on each day.

    Raises:
        NoSuchAgent: the tenant has no such agent.
    """
    await get_agent(session, agent_id)
    row = await session.sql.fetchrow(
        "INSERT INTO learning_round (agent_id, due_at) VALUES ($1, now()) "
        "ON CONFLICT (tenant_id, agent_id) DO UPDATE SET due_at = now() "
        "RETURNING agent_id, due_at, through_at",
        agent_id,
    )
    await audit(session, "learning.started", "agent", agent_id, user_id=user_id)
    session.ring(ROUND, agent_id)
    assert row is not None
    return LearningPublic.model_validate(dict(row))


async def stop_learning(session: Session, agent_id: UUID, *, user_id: UUID) -> None:
    """Look through an agent's conversations no more; raises `NoSuchAgent`."""
    await get_agent(session, agent_id)
    # What it has been looked through stays known, so that nothing is counted twice.
    await session.sql.execute(
        "UPDATE learning_round SET due_at = NULL WHERE agent_id = $1", agent_id
    )
    await audit(session, "learning.stopped", "agent", agent_id, user_id=user_id)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Agents whose conversations are to be looked through."""
    rows = await connection.fetch(
        "SELECT tenant_id, agent_id FROM learning_round WHERE due_at <= now() "
        "ORDER BY due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["agent_id"]) for row in rows]


async def learn(resources: Resources, tenant_id: UUID, agent_id: UUID) -> None:
    """Propose articles from what was closed since the last round. Run twice, it proposes each once:
    what a model was shown is known by its words.
    """
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, agent_id, _LEASE_SECONDS, _FIRST_DAYS)
        if row is None:
            return
        closed = await list_closed(tx, agent_id, row["since"], _MOST_CONVERSATIONS)
    agent = await load_agent(resources, tenant_id, agent_id)
    through: datetime = row["since"]
    again = EVERY_HOURS * 3_600
    try:
        for each in closed:
            await _learn_from(resources, tenant_id, agent, each["id"])
            through = each["closed_at"]
        if len(closed) == _MOST_CONVERSATIONS:
            again = 0
        else:
            through = row["now"]
            await knowledge.cluster_gaps(resources, tenant_id, agent_id)
            await _fill_gaps(resources, tenant_id, agent)
    except _NO_MODEL as error:
        log.warning("learning_put_off", error=type(error).__name__)
        again = _AGAIN_SECONDS
    async with resources.db.hot(tenant_id) as tx:
        # Counted by whoever ends the round, so once: it may have been begun anew meanwhile.
        if await tx.sql.fetchval(_FINISH, agent_id, row["due_at"], through, again):
            await tx.sql.execute(_COUNT_DEFLECTED, agent_id, row["since"], through)


async def _learn_from(
    resources: Resources, tenant_id: UUID, agent: AgentSnapshot, conversation_id: UUID
) -> None:
    """Propose what people answered in a conversation, as far as it helps others."""
    async with resources.db.hot(tenant_id) as tx:
        answers = await answered_in(tx, conversation_id)
        new = [a for a in answers if not await tx.sql.fetchval(_KNOWN, agent.agent_id, a.digest)]
    for answer in new:
        article = await draft_article(resources, tenant_id, agent, [answer.question], [answer])
        async with resources.db.hot(tenant_id) as tx:
            await _keep(tx, agent.agent_id, answer.digest, article, conversation_id, None)


async def _fill_gaps(resources: Resources, tenant_id: UUID, agent: AgentSnapshot) -> None:
    """Draft articles for what is asked in vain most often, from what people answered there."""
    async with resources.db.hot(tenant_id) as tx:
        clusters = await knowledge.list_clusters(
            tx, agent.agent_id, state=GapState.OPEN, limit=_MOST_CLUSTERS
        )
    for cluster in clusters:
        async with resources.db.hot(tenant_id) as tx:
            answers, where = await _answers_to(tx, cluster)
            digest = _digest_of(cluster, answers)
            if (
                not answers
                or await tx.sql.fetchval(_SETTLED, cluster.id)
                or await tx.sql.fetchval(_KNOWN, agent.agent_id, digest)
            ):
                continue
        article = await draft_article(
            resources, tenant_id, agent, cluster.questions[:_MOST_ANSWERS], answers
        )
        async with resources.db.hot(tenant_id) as tx:
            await _keep(tx, agent.agent_id, digest, article, where, cluster.id)


async def _answers_to(tx: Transaction, cluster: GapCluster) -> tuple[list[Answered], UUID | None]:
    """What people answered where a cluster was asked, and one conversation of those."""
    found: list[Answered] = []
    where = None
    for conversation_id in await knowledge.conversations_of(tx, cluster.id):
        answers = await answered_in(tx, conversation_id)
        if answers:
            found, where = found + answers, conversation_id
        if len(found) >= _MOST_ANSWERS:
            break
    return found[:_MOST_ANSWERS], where


def _digest_of(cluster: GapCluster, answers: Sequence[Answered]) -> str:
    """Another one when people have answered more."""
    parts = "".join(sorted(answer.digest for answer in answers))
    return hashlib.sha256(f"{cluster.id}{parts}".encode()).hexdigest()


async def _keep(
    tx: Transaction,
    agent_id: UUID,
    digest: str,
    article: Article | None,
    conversation_id: UUID | None,
    gap_id: UUID | None,
) -> None:
    learnt_from = LearntFrom.GAP if gap_id else LearntFrom.ANSWER
    made = await tx.sql.fetchval(
        _ADD,
        ids.new(),
        agent_id,
        learnt_from,
        digest,
        conversation_id,
        gap_id,
        article.title if article else "",
        article.body if article else "",
        ArticleState.PROPOSED if article else ArticleState.SEEN,
    )
    if made is not None and article is not None:
        told = ArticleProposed(article_id=made, agent_id=agent_id, learnt_from=learnt_from)
        feed.tell(tx, told, Audience.ADMINS)
