"""HTTP of satisfaction: thumbs on answers, what contacts said after a close, figures of an agent."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.agent_config import NoSuchAgent, get_agent
from frontdesk.conversation import feedback, surveying
from frontdesk.conversation.errors import NoAnswerOfTheAgent, NoSuchConversation
from frontdesk.conversation.feedback_schemas import (
    RatingPublic,
    RatingUpdate,
    SatisfactionPublic,
    SurveyPublic,
)
from frontdesk.conversation.inbox import get_conversation
from frontdesk.conversation.models import Thumb
from frontdesk.core.api import (
    Cursor,
    Limit,
    Now,
    ReadsConversations,
    Router,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import Page

api = Router(prefix="/api/v1", tags=["conversations", "satisfaction"])


@api.put(
    "/messages/{message_id}/rating",
    status_code=204,
    summary="Rate an answer of the AI",
    responses=problems(NotFound, NoAnswerOfTheAgent),
)
async def rate_answer(
    message_id: UUID, body: RatingUpdate, who: WritesConversations, session: TenantSession
) -> None:
    """Thumbs up or down, one of each user; a second one replaces the first."""
    await feedback.rate_answer(session, message_id, body.value, body.comment, user_id=who.user_id)


@api.delete(
    "/messages/{message_id}/rating",
    status_code=204,
    summary="Take a rating back",
    responses=problems(NotFound, NoAnswerOfTheAgent),
)
async def unrate_answer(message_id: UUID, who: WritesConversations, session: TenantSession) -> None:
    """Yours is gone, or there was none."""
    await feedback.rate_answer(session, message_id, None, user_id=who.user_id)


@api.get("/ratings", summary="List ratings", responses=problems(NotFound, NoSuchConversation))
async def list_ratings(
    who: ReadsConversations,
    session: TenantSession,
    agent_id: Annotated[UUID | None, Query(description="Only of this agent's answers.")] = None,
    conversation_id: Annotated[UUID | None, Query(description="Only in this one.")] = None,
    value: Annotated[Thumb | None, Query(description="Only `up`, or only `down`.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RatingPublic]:
    """Thumbs of contacts (reactions 👍 and 👎 on an answer) and of people, the newest first."""
    if agent_id is not None:
        await get_agent(session, agent_id)
    if conversation_id is not None:
        await get_conversation(session, conversation_id)
    return await feedback.list_ratings(
        session,
        agent_id=agent_id,
        conversation_id=conversation_id,
        value=value,
        limit=limit,
        cursor=cursor,
    )


@api.get(
    "/conversations/{conversation_id}/survey",
    summary="Read what the contact said of a conversation",
    responses=problems(NoSuchConversation, NotFound),
)
async def get_survey(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> SurveyPublic:
    """Whether they were asked after the close, why not, and their score."""
    return await surveying.get_survey(session, conversation_id)


@api.get(
    "/agents/{agent_id}/satisfaction",
    summary="Read an agent's satisfaction figures",
    responses=problems(NoSuchAgent),
)
async def get_satisfaction(
    agent_id: UUID,
    who: ReadsConversations,
    session: TenantSession,
    now: Now,
    days: Annotated[int, Query(ge=1, le=366, description="So many days back.")] = 30,
) -> SatisfactionPublic:
    """Surveys by who had the conversation and who ended it, and thumbs on answers."""
    return await feedback.satisfaction(session, agent_id, since=now - timedelta(days=days))
