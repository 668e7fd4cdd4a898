"""HTTP of replays: a recorded model call made again, for admins."""

from uuid import UUID

from frontdesk import observability
from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    IdempotencyKey,
    Limit,
    Router,
    TenantSession,
    problems,
)
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page
from frontdesk.observability import ReplayKeyReused, ReplaySummary
from frontdesk.pipeline import replay
from frontdesk.pipeline.replay import NotFilledIn, NotInRecord, TextIsGone
from frontdesk.pipeline.schemas import ReplayCreate, ReplayPublic
from frontdesk.prompts import NoSuchPromptVersion

router = Router(prefix="/api/v1", tags=["observability"])


@router.post(
    "/llm-calls/{call_id}/replay",
    status_code=202,
    summary="Make a model call again",
    responses=problems(
        Forbidden,
        NotFound,
        NoSuchPromptVersion,
        TextIsGone,
        NotFilledIn,
        NotInRecord,
        ReplayKeyReused,
    ),
)
async def replay_llm_call(
    call_id: UUID,
    body: ReplayCreate,
    who: AdminOnly,
    session: TenantSession,
    idempotency_key: IdempotencyKey = None,
) -> ReplayPublic:
    """Ask a model again, as it was asked or with another prompt, model or today's knowledge.

    A worker does it: read the replay until its state is `done` or `failed`. It is billed as feature
    `replay`, and touches no conversation.
    """
    return await replay.start_replay(session, call_id, body, who=who, client_key=idempotency_key)


@router.get(
    "/llm-calls/{call_id}/replays",
    summary="List replays of a call",
    responses=problems(Forbidden, NotFound),
)
async def list_llm_replays(
    call_id: UUID, who: AdminOnly, session: TenantSession, limit: Limit = 20, cursor: Cursor = None
) -> Page[ReplaySummary]:
    """Replays of a call, newest first."""
    return await observability.list_replays(session, call_id, limit=limit, cursor=cursor)


@router.get(
    "/llm-replays/{replay_id}", summary="Read a replay", responses=problems(Forbidden, NotFound)
)
async def get_llm_replay(replay_id: UUID, who: AdminOnly, session: TenantSession) -> ReplayPublic:
    """How far a replay has got, both calls side by side, and what differs."""
    return await replay.get_replay(session, replay_id)
