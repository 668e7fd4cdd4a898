"""HTTP of what models write for people: suggestions, and what became of drafts."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Body, Query

from frontdesk.agent_config import NoSuchAgent
from frontdesk.conversation import NoSuchConversation
from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    IdempotencyKey,
    Limit,
    Now,
    ReadsConversations,
    Router,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page
from frontdesk.escalation import learning, repetition, suggestions
from frontdesk.escalation.errors import KeyReused, NoSuchDraft, NoSuchSuggestion
from frontdesk.escalation.learning import DraftFilter
from frontdesk.escalation.models import DraftSource, Fate
from frontdesk.escalation.suggestion_schemas import (
    DraftFigures,
    DraftOutcomePublic,
    RepetitionPublic,
    SuggestionPublic,
    SuggestionWish,
)

router = Router(prefix="/api/v1", tags=["copilot"])
# The first is what tests send, with an id of each kind put in: it takes the most.
_WISHES = {
    "explain": {
        "summary": "Explain a message",
        "value": {"task": "explain", "question": "What does the contact mean by a dimmer?"},
    },
    "draft": {
        "summary": "Draft a reply",
        "value": {"task": "draft", "instructions": "Offer a new lamp instead of the money."},
    },
    "rewrite": {
        "summary": "Rewrite a text",
        "value": {"task": "rewrite", "text": "we send new lamp tomorow", "style": "friendlier"},
    },
    "translate": {
        "summary": "Translate a text",
        "value": {"task": "translate", "text": "Your parcel arrives tomorrow.", "language": "de"},
    },
    "summarise": {"summary": "Summarise the conversation", "value": {"task": "summarise"}},
}
PromptName = Annotated[str | None, Query(max_length=40, description="Of this prompt.")]
PromptVersion = Annotated[str | None, Query(max_length=40, description="Of this version of it.")]


@router.post(
    "/conversations/{conversation_id}/suggestions",
    status_code=202,
    summary="Ask the copilot",
    responses=problems(NoSuchConversation, NotFound, KeyReused),
)
async def start_suggestion(
    conversation_id: UUID,
    body: Annotated[SuggestionWish, Body(openapi_examples=_WISHES)],
    who: WritesConversations,
    session: TenantSession,
    idempotency_key: IdempotencyKey = None,
) -> SuggestionPublic:
    """Have a reply drafted, a text rewritten or translated, the conversation summed up or explained.

    A worker does it: read the suggestion until its state is `done` or `failed`, or wait for
    `suggestion.finished` on the feed, which only you are told. Nothing is ever sent by it. It is
    billed as feature `copilot_draft`, `copilot_rewrite`, `copilot_translate`, `copilot_summary` or
    `copilot_explain`.
    """
    return await suggestions.start_suggestion(
        session, conversation_id, body, who=who, client_key=idempotency_key
    )


@router.get(
    "/conversations/{conversation_id}/suggestions",
    summary="List suggestions",
    responses=problems(NoSuchConversation),
)
async def list_suggestions(
    conversation_id: UUID,
    who: ReadsConversations,
    session: TenantSession,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[SuggestionPublic]:
    """What you asked for in this conversation and what its agent proposes by itself, newest first."""
    return await suggestions.list_suggestions(
        session, conversation_id, who, limit=limit, cursor=cursor
    )


@router.get(
    "/suggestions/{suggestion_id}",
    summary="Read a suggestion",
    responses=problems(NoSuchSuggestion),
)
async def get_suggestion(
    suggestion_id: UUID, who: ReadsConversations, session: TenantSession
) -> SuggestionPublic:
    """How far a suggestion has got, its text, what it rests on and what it cost."""
    return await suggestions.get_suggestion(session, suggestion_id, who)


@router.post(
    "/suggestions/{suggestion_id}/discard",
    summary="Say that a draft was of no use",
    responses=problems(NoSuchSuggestion, NoSuchDraft),
)
async def discard_suggestion(
    suggestion_id: UUID, who: WritesConversations, session: TenantSession
) -> SuggestionPublic:
    """Record it as discarded, unless it has been sent. Safe to repeat."""
    await learning.discard_suggestion(session, suggestion_id, who)
    return await suggestions.get_suggestion(session, suggestion_id, who)


@router.get(
    "/draft-outcomes",
    summary="List what became of drafts",
    responses=problems(Forbidden, NoSuchAgent),
)
async def list_draft_outcomes(
    who: AdminOnly,
    session: TenantSession,
    source: Annotated[DraftSource | None, Query(description="Drafts from there.")] = None,
    fate: Annotated[Fate | None, Query(description="What people made of them.")] = None,
    prompt_name: PromptName = None,
    prompt_version: PromptVersion = None,
    agent_id: Annotated[UUID | None, Query(description="Of this agent.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DraftOutcomePublic]:
    """Drafts and what was sent instead, with the call and the prompt that made each, newest first."""
    wanted = DraftFilter(source, fate, prompt_name, prompt_version, agent_id)
    return await learning.list_outcomes(session, wanted, limit=limit, cursor=cursor)


@router.get(
    "/draft-outcomes/figures",
    summary="Compare prompts by what became of their drafts",
    responses=problems(Forbidden, NoSuchAgent),
)
async def get_draft_figures(
    who: AdminOnly,
    session: TenantSession,
    agent_id: Annotated[UUID | None, Query(description="Of this agent only.")] = None,
) -> list[DraftFigures]:
    """How many drafts of each version of a prompt were kept, edited and discarded."""
    return await learning.get_figures(session, agent_id)


@router.get(
    "/repeated-facts",
    summary="See how often contacts repeat themselves",
    responses=problems(Forbidden, NoSuchAgent),
)
async def report_repeated_facts(
    who: AdminOnly,
    session: TenantSession,
    now: Now,
    first: Annotated[date | None, Query(alias="from", description="30 days ago without.")] = None,
    last: Annotated[date | None, Query(alias="to", description="Today without.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Of this agent only.")] = None,
) -> list[RepetitionPublic]:
    """Facts of handoff packets that contacts said once more to people, by agent and day (UTC)."""
    last = last or now.date()
    first = first or last - timedelta(days=min(30, last.toordinal() - 1))
    return await repetition.report_repetition(session, first, last, agent_id)
