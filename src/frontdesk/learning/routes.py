"""HTTP of learning: look through conversations, read what is proposed, approve, reject."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.agent_config import NoSuchAgent
from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    Limit,
    ResourcesDep,
    Router,
    TenantSession,
    problems,
)
from frontdesk.core.errors import Forbidden
from frontdesk.core.pages import Page
from frontdesk.learning import collecting, reviewing
from frontdesk.learning.errors import ArticleReviewed, NoSuchLearntArticle
from frontdesk.learning.models import ArticleState
from frontdesk.learning.schemas import ArticleApproval, LearningPublic, LearntArticlePublic

router = Router(prefix="/api/v1", tags=["knowledge"])


@router.post(
    "/agents/{agent_id}/learning",
    status_code=202,
    summary="Learn from what people answer",
    responses=problems(Forbidden, NoSuchAgent),
)
async def start_learning(agent_id: UUID, who: AdminOnly, session: TenantSession) -> LearningPublic:
    """Look through closed conversations that people answered in, and through what was asked in vain:
    now, and each day from now on. A worker proposes articles; none is used before somebody approves
    it."""
    return await collecting.learn_soon(session, agent_id, user_id=who.user_id)


@router.delete(
    "/agents/{agent_id}/learning",
    status_code=204,
    summary="Learn no more",
    responses=problems(Forbidden, NoSuchAgent),
)
async def stop_learning(agent_id: UUID, who: AdminOnly, session: TenantSession) -> None:
    """What has been proposed stays."""
    await collecting.stop_learning(session, agent_id, user_id=who.user_id)


@router.get(
    "/agents/{agent_id}/learnt-articles",
    summary="List proposed articles",
    responses=problems(Forbidden, NoSuchAgent),
)
async def list_learnt_articles(
    agent_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    state: Annotated[ArticleState | None, Query(description="Only those.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[LearntArticlePublic]:
    """Articles made from conversations, without what is personal, newest first."""
    return await reviewing.list_articles(session, agent_id, state=state, limit=limit, cursor=cursor)


@router.post(
    "/learnt-articles/{article_id}/approve",
    summary="Approve a proposed article",
    responses=problems(Forbidden, NoSuchLearntArticle, ArticleReviewed),
)
async def approve_learnt_article(
    article_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
    body: ArticleApproval | None = None,
) -> LearntArticlePublic:
    """Make the article, or what you made of it, a source that the agent answers from."""
    return await reviewing.approve_article(
        resources, session, article_id, body or ArticleApproval(), user_id=who.user_id
    )


@router.post(
    "/learnt-articles/{article_id}/reject",
    summary="Reject a proposed article",
    responses=problems(Forbidden, NoSuchLearntArticle, ArticleReviewed),
)
async def reject_learnt_article(
    article_id: UUID, who: AdminOnly, session: TenantSession
) -> LearntArticlePublic:
    """The same question and answer are never proposed again."""
    return await reviewing.reject_article(session, article_id, user_id=who.user_id)
