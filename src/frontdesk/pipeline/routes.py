"""HTTP of the pipeline: dead letters, replays and previews, for admins; the health of agents."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.core.api import AdminOnly, Cursor, Limit, ResourcesDep, Router, problems
from frontdesk.core.callers import Principal
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, page_of
from frontdesk.escalation import OptedOut
from frontdesk.messaging import ChannelGone, RetryHopeless, WindowClosed
from frontdesk.pipeline import dead_letters
from frontdesk.pipeline.drill_routes import router as drills
from frontdesk.pipeline.explain_routes import router as explanations
from frontdesk.pipeline.health_routes import router as health
from frontdesk.pipeline.letters import Caller, Kind, NoSuchLetter, WithPerson
from frontdesk.pipeline.preview_routes import router as previews
from frontdesk.pipeline.replay_routes import router as replays
from frontdesk.pipeline.schemas import DeadLetterChange, DeadLetterPublic, DeadLetterSummary

letters = Router(prefix="/api/v1/dead-letters", tags=["dead letters"])


@letters.get("", summary="List dead letters", responses=problems())
async def list_dead_letters(
    who: AdminOnly,
    resources: ResourcesDep,
    kind: Annotated[Kind | None, Query(description="Only those of this kind.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeadLetterSummary]:
    """Work of yours that will not go on by itself, newest first, with what can be done about it."""
    values = decode_cursor(cursor, 1)
    found = await dead_letters.list_letters(
        resources,
        _caller(who),
        kind=kind,
        before=cursor_uuid(values[0]) if values else None,
        limit=limit + 1,
    )
    return page_of(found, DeadLetterSummary.model_validate, limit=limit)


@letters.get("/{letter_id}", summary="Read a dead letter", responses=problems(NoSuchLetter))
async def get_dead_letter(
    letter_id: UUID, who: AdminOnly, resources: ResourcesDep
) -> DeadLetterPublic:
    """One dead letter with what it holds, also after it has been replayed or discarded."""
    letter = await dead_letters.get_letter(resources, _caller(who), letter_id)
    return DeadLetterPublic.model_validate(letter)


@letters.post(
    "/{letter_id}/replay",
    summary="Try a dead letter again",
    responses=problems(
        NoSuchLetter, WithPerson, WindowClosed, ChannelGone, RetryHopeless, OptedOut
    ),
)
async def replay_dead_letter(
    letter_id: UUID, who: AdminOnly, resources: ResourcesDep
) -> DeadLetterChange:
    """Receive a webhook again from the start, or send a message again.

    Safe to repeat: when it is under way or has succeeded, nothing changes and `message` says so.
    Sending again a message in state `needs_attention` sends it twice if it had arrived.
    """
    change = await dead_letters.replay_letter(resources, _caller(who), letter_id)
    return DeadLetterChange.model_validate(change)


@letters.post(
    "/{letter_id}/discard",
    summary="Let go of a dead letter",
    responses=problems(NoSuchLetter, WithPerson),
)
async def discard_dead_letter(
    letter_id: UUID, who: AdminOnly, resources: ResourcesDep
) -> DeadLetterChange:
    """List it no more; what it is about stays as it is. Safe to repeat.

    A message that did arrive is settled instead: `POST /api/v1/messages/{message_id}/resolution`.
    """
    change = await dead_letters.discard_letter(resources, _caller(who), letter_id)
    return DeadLetterChange.model_validate(change)


def _caller(who: Principal) -> Caller:
    return Caller(tenant_id=who.tenant_id, user_id=who.user_id, request_id=who.request_id)


router = Router(
    routes=[
        *letters.routes,
        *replays.routes,
        *previews.routes,
        *health.routes,
        *drills.routes,
        *explanations.routes,
    ]
)
