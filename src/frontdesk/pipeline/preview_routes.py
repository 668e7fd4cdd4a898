"""HTTP of previews: what a configuration would answer, for admins."""

from uuid import UUID

from frontdesk.agent_config import (
    NoSuchAgent,
    NoSuchAgentVersion,
    NoSuchPreview,
    PreviewKeyReused,
)
from frontdesk.core.api import AdminOnly, IdempotencyKey, Router, TenantSession, problems
from frontdesk.core.errors import Forbidden
from frontdesk.pipeline import preview
from frontdesk.pipeline.schemas import PreviewCreate, PreviewPublic

router = Router(prefix="/api/v1", tags=["agents"])


@router.post(
    "/agents/{agent_id}/preview",
    status_code=202,
    summary="Try a configuration",
    responses=problems(Forbidden, NoSuchAgent, NoSuchAgentVersion, PreviewKeyReused),
)
async def preview_agent(
    agent_id: UUID,
    body: PreviewCreate,
    who: AdminOnly,
    session: TenantSession,
    idempotency_key: IdempotencyKey = None,
) -> PreviewPublic:
    """Find out what a draft, a version or what is in force would answer, to a new contact or in the
    middle of a thread.

    A worker does it: read the preview until its state is `done` or `failed`. Nothing is sent, no
    conversation is made, and of the agent's own services only what reads (`GET`) is called. It is
    billed as feature `preview`.
    """
    return await preview.start_preview(session, agent_id, body, who=who, client_key=idempotency_key)


@router.get(
    "/agent-previews/{preview_id}",
    summary="Read a preview",
    responses=problems(Forbidden, NoSuchPreview),
)
async def get_agent_preview(
    preview_id: UUID, who: AdminOnly, session: TenantSession
) -> PreviewPublic:
    """How far a preview has got, and what would be answered; it is kept for a day."""
    return await preview.get_preview(session, preview_id)
