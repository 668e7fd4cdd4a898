"""HTTP of conversation: the inbox, threads, and why each answer was given."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from frontdesk.conversation import inbox
from frontdesk.conversation.errors import NoSuchConversation
from frontdesk.conversation.inbox import Order
from frontdesk.conversation.models import Status
from frontdesk.conversation.schemas import (
    ConversationPublic,
    MessagePublic,
    TurnPublic,
    TurnSummary,
)
from frontdesk.core.api import (
    Cursor,
    Limit,
    Page,
    ReadsConversations,
    TenantSession,
    problems,
)
from frontdesk.core.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["conversations"])


@router.get("/conversations", summary="List the inbox", responses=problems())
async def list_conversations(  # Query parameters; FastAPI passes them by name.
    who: ReadsConversations,
    session: TenantSession,
    status: Annotated[Status | None, Query(description="Only those in this state.")] = None,
    assigned_to: Annotated[UUID | None, Query(description="Only those a human agent has.")] = None,
    unassigned: Annotated[bool, Query(description="Only those no human agent has.")] = False,
    channel_id: Annotated[UUID | None, Query(description="Only those on this channel.")] = None,
    contact: Annotated[
        str | None,
        Query(max_length=128, description="Phone number in digits, BSUID, or part of a name."),
    ] = None,
    order: Annotated[
        Order, Query(description="`waiting`: longest waiting first; `recent`: newest first.")
    ] = Order.WAITING,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ConversationPublic]:
    """A page of conversations, by default the one that has waited longest first."""
    return await inbox.list_conversations(
        session,
        status=status,
        assigned_to=assigned_to,
        unassigned=unassigned,
        channel_id=channel_id,
        contact=contact,
        # Finding somebody by a number that is hidden would tell it, guess by guess.
        by_number=not who.masked,
        order=order,
        limit=limit,
        cursor=cursor,
    )


@router.get(
    "/conversations/{conversation_id}",
    summary="Read a conversation",
    responses=problems(NoSuchConversation),
)
async def get_conversation(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> ConversationPublic:
    """One conversation with its contact, owner and window."""
    return await inbox.get_conversation(session, conversation_id)


@router.get(
    "/conversations/{conversation_id}/messages",
    summary="Read a thread",
    responses=problems(NoSuchConversation),
)
async def list_messages(
    conversation_id: UUID,
    who: ReadsConversations,
    session: TenantSession,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessagePublic]:
    """A page of the thread, newest message first, with ticks."""
    return await inbox.list_messages(session, conversation_id, limit=limit, cursor=cursor)


@router.get(
    "/conversations/{conversation_id}/turns",
    summary="List the turns of a conversation",
    responses=problems(NoSuchConversation),
)
async def list_turns(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> list[TurnSummary]:
    """What became of each burst of messages, newest first, with cost and time."""
    return await inbox.list_turns(session, conversation_id)


@router.get("/turns/{turn_id}", summary="Explain a turn", responses=problems(NotFound))
async def get_turn(turn_id: UUID, who: ReadsConversations, session: TenantSession) -> TurnPublic:
    """A turn with its trace: what each stage saw and decided, how long it took, what it cost."""
    return await inbox.get_turn(session, turn_id)
