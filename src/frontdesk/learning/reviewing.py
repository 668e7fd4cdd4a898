"""Proposed articles, and what a person says of them."""

from typing import Any
from uuid import UUID

from frontdesk import knowledge
from frontdesk.agent_config import get_agent
from frontdesk.core.db import Session
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.resources import Resources
from frontdesk.knowledge import GapAnswer, SourceCreate
from frontdesk.learning.errors import ArticleReviewed, NoSuchLearntArticle
from frontdesk.learning.models import ArticleState
from frontdesk.learning.schemas import ArticleApproval, LearntArticlePublic
from frontdesk.observability import audit


async def list_articles(
    session: Session,
    agent_id: UUID,
    *,
    state: ArticleState | None,
    limit: int,
    cursor: str | None,
) -> Page[LearntArticlePublic]:
    """A page of what was made for an agent, newest first; raises `NoSuchAgent`, `Invalid`."""
    await get_agent(session, agent_id)
    after = decode_cursor(cursor, 1)
    rows = await session.sql.fetch(
        "SELECT * FROM learnt_article WHERE agent_id = $1 AND state <> 'seen' "
        "AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3) "
        "ORDER BY id DESC LIMIT $4",
        agent_id,
        state,
        cursor_uuid(after[0]) if after else None,
        limit + 1,
    )
    more = encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(items=[_public(row) for row in rows[:limit]], next_cursor=more)


async def approve_article(
    resources: Resources,
    session: Session,
    article_id: UUID,
    wish: ArticleApproval,
    *,
    user_id: UUID,
) -> LearntArticlePublic:
    """Let the agent answer from an article, or from what somebody made of it; it fills its gap.

    Raises:
        NoSuchLearntArticle: there is none.
        ArticleReviewed: it is approved or rejected.
    """
    row = await _review(session, article_id, ArticleState.APPROVED, user_id)
    title, body = wish.title or row["title"], wish.body or row["body"]
    source_id: UUID | None
    if row["gap_id"] is not None:
        answer = GapAnswer(title=title, body=body)
        gap = await knowledge.answer_gap(
            resources, session, row["gap_id"], answer, author_id=user_id
        )
        source_id = gap.source_id
    else:
        wanted = SourceCreate(agent_id=row["agent_id"], title=title, body=body)
        source = await knowledge.add_source(resources, session, wanted, author_id=user_id)
        source_id = source.id
    changed = await session.sql.fetchrow(
        "UPDATE learnt_article SET source_id = $2, title = $3, body = $4 WHERE id = $1 RETURNING *",
        article_id,
        source_id,
        title,
        body,
    )
    return _public(changed)


async def reject_article(
    session: Session, article_id: UUID, *, user_id: UUID
) -> LearntArticlePublic:
    """Want no such article; it is never proposed again.

    Raises:
        NoSuchLearntArticle: there is none.
        ArticleReviewed: it is approved or rejected.
    """
    return _public(await _review(session, article_id, ArticleState.REJECTED, user_id))


async def _review(session: Session, article_id: UUID, to: ArticleState, user_id: UUID) -> Any:
    row = await session.sql.fetchrow(
        "UPDATE learnt_article SET state = $2, reviewed_by = $3, reviewed_at = now() "
        "WHERE id = $1 AND state = 'proposed' RETURNING *",
        article_id,
        to,
        user_id,
    )
    if row is None:
        known = await session.sql.fetchval(
            "SELECT state FROM learnt_article WHERE id = $1 AND state <> 'seen'", article_id
        )
        raise ArticleReviewed(f"It is {known}.") if known else NoSuchLearntArticle
    await audit(session, f"learnt_article.{to}", "learnt_article", article_id, user_id=user_id)
    return row


def _public(row: Any) -> LearntArticlePublic:
    return LearntArticlePublic.model_validate(dict(row))
