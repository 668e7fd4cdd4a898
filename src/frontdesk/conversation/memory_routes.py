"""HTTP of what is remembered of contacts, and of what conversations came to."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Response

from frontdesk.conversation import recollection
from frontdesk.conversation.errors import NoSuchConversation, NoSuchFact
from frontdesk.conversation.schemas import ConversationTotals, FactUpdate, MemoryPublic
from frontdesk.core.api import (
    IfMatch,
    ReadsConversations,
    Router,
    TenantSession,
    WritesConversations,
    problems,
    set_etag,
)
from frontdesk.core.errors import NotFound, PreconditionFailed, PreconditionRequired

router = Router(prefix="/api/v1", tags=["conversations"])
_FACT = "/conversations/{conversation_id}/memory/facts/{number}"
_REFUSED = problems(NoSuchConversation, NoSuchFact, PreconditionFailed, PreconditionRequired)
Number = Annotated[int, Path(ge=1, le=1_000, description="The fact's place in the list, from 1.")]


@router.get(
    "/contacts/{contact_id}/memory",
    summary="Read what is remembered of a contact",
    responses=problems(NotFound),
)
async def list_memory(
    contact_id: UUID, who: ReadsConversations, session: TenantSession
) -> list[MemoryPublic]:
    """What models are told of each conversation's older messages, newest conversation first.

    A conversation that is short enough to be shown to them as it is has none.
    """
    return await recollection.list_memory(session, contact_id)


@router.put(_FACT, summary="Correct a remembered fact", responses=_REFUSED)
async def correct_fact(
    conversation_id: UUID,
    number: Number,
    body: FactUpdate,
    who: WritesConversations,
    session: TenantSession,
    response: Response,
    if_match: IfMatch = None,
) -> MemoryPublic:
    """Other words for a fact, from the next turn on; the message it was said in stays as it is."""
    memory = await recollection.correct_fact(
        session, conversation_id, number, body.text, if_match=if_match, user_id=who.user_id
    )
    set_etag(response, memory.version)
    return memory


@router.delete(_FACT, summary="Delete a remembered fact", responses=_REFUSED)
async def delete_fact(
    conversation_id: UUID,
    number: Number,
    who: WritesConversations,
    session: TenantSession,
    response: Response,
    if_match: IfMatch = None,
) -> MemoryPublic:
    """Tell no model of it any more; the message it was said in stays. Those after it move up."""
    memory = await recollection.correct_fact(
        session, conversation_id, number, None, if_match=if_match, user_id=who.user_id
    )
    set_etag(response, memory.version)
    return memory


@router.get(
    "/conversations/{conversation_id}/totals",
    summary="Read a conversation's totals",
    responses=problems(NoSuchConversation),
)
async def get_totals(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> ConversationTotals:
    """Messages, turns, tokens, cost and times of a conversation so far."""
    return await recollection.get_totals(session, conversation_id)
