"""HTTP of commitments: what has been promised to contacts, and what came of it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.conversation import commitments
from frontdesk.conversation.commitment_schemas import CommitmentPublic, SettlementCreate
from frontdesk.conversation.commitments import CommitmentView
from frontdesk.conversation.errors import AlreadySettled, NoSuchCommitment, NoSuchConversation
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
from frontdesk.core.pages import Page

router = Router(prefix="/api/v1", tags=["conversations"])


@router.get("/commitments", summary="List what was promised", responses=problems())
async def list_commitments(
    who: ReadsConversations,
    session: TenantSession,
    now: Now,
    state: Annotated[
        CommitmentView | None, Query(description="`due`: open, and its time has come.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CommitmentPublic]:
    """Promises of the AI and of people, newest first."""
    return await commitments.list_commitments(
        session, state, None, now=now, limit=limit, cursor=cursor
    )


@router.get(
    "/conversations/{conversation_id}/commitments",
    summary="List what was promised in a conversation",
    responses=problems(NoSuchConversation),
)
async def list_conversation_commitments(
    conversation_id: UUID,
    who: ReadsConversations,
    session: TenantSession,
    now: Now,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CommitmentPublic]:
    """Promises made in a conversation, newest first."""
    return await commitments.list_commitments(
        session, None, conversation_id, now=now, limit=limit, cursor=cursor
    )


@router.post(
    "/commitments/{commitment_id}/settle",
    summary="Say what came of a promise",
    responses=problems(NoSuchCommitment, AlreadySettled),
)
async def settle_commitment(
    commitment_id: UUID, body: SettlementCreate, who: WritesConversations, session: TenantSession
) -> CommitmentPublic:
    """Mark it as kept or cancelled: nobody is reminded of it any more."""
    return await commitments.settle(session, commitment_id, body.state, user_id=who.user_id)
