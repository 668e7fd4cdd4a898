"""HTTP of knowledge: the texts agents answer from, and a way to try what they find."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from frontdesk.core.api import (
    Cursor,
    Limit,
    Page,
    ReadsConfig,
    ResourcesDep,
    TenantSession,
    WritesConfig,
    problems,
)
from frontdesk.core.errors import Forbidden
from frontdesk.knowledge import service
from frontdesk.knowledge.errors import NoSuchAgentForSource, NoSuchSource
from frontdesk.knowledge.retrieval import search
from frontdesk.knowledge.schemas import (
    ChunkPublic,
    SourceCreate,
    SourcePublic,
    SourceSummary,
    SourceUpdate,
)

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])


@router.get("/sources", summary="List sources", responses=problems(NoSuchAgentForSource))
async def list_sources(
    who: ReadsConfig,
    session: TenantSession,
    agent_id: Annotated[UUID | None, Query(description="Only this agent's.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SourceSummary]:
    """A page of sources without their texts, newest first."""
    return await service.list_sources(session, agent_id=agent_id, limit=limit, cursor=cursor)


@router.post(
    "/sources",
    status_code=201,
    summary="Add a source",
    responses=problems(Forbidden, NoSuchAgentForSource),
)
async def add_source(
    body: SourceCreate, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> SourcePublic:
    """Give an agent a text to answer from. It is `queued`, and `ready` within seconds; the feed
    tells."""
    return await service.add_source(resources, session, body, author_id=who.user_id)


@router.get("/sources/{source_id}", summary="Read a source", responses=problems(NoSuchSource))
async def get_source(source_id: UUID, who: ReadsConfig, session: TenantSession) -> SourcePublic:
    """A source with its text."""
    return await service.get_source(session, source_id)


@router.put(
    "/sources/{source_id}",
    summary="Change a source",
    responses=problems(Forbidden, NoSuchSource),
)
async def change_source(
    source_id: UUID,
    body: SourceUpdate,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
) -> SourcePublic:
    """Replace a source's title and text; until it is `ready` again the agent does without it."""
    return await service.change_source(resources, session, source_id, body, author_id=who.user_id)


@router.post(
    "/sources/{source_id}/enable",
    summary="Enable a source",
    responses=problems(Forbidden, NoSuchSource),
)
async def enable_source(
    source_id: UUID, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> SourcePublic:
    """Let the agent answer from it again."""
    return await service.enable_source(
        resources, session, source_id, enabled=True, author_id=who.user_id
    )


@router.post(
    "/sources/{source_id}/disable",
    summary="Disable a source",
    responses=problems(Forbidden, NoSuchSource),
)
async def disable_source(
    source_id: UUID, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> SourcePublic:
    """Let the agent no longer answer from it; it is kept."""
    return await service.enable_source(
        resources, session, source_id, enabled=False, author_id=who.user_id
    )


@router.delete(
    "/sources/{source_id}",
    status_code=204,
    summary="Delete a source",
    responses=problems(Forbidden, NoSuchSource),
)
async def delete_source(
    source_id: UUID, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> None:
    """Delete it and all that was cut from it."""
    await service.delete_source(resources, session, source_id, author_id=who.user_id)


@router.get("/search", summary="Try a question", responses=problems(NoSuchAgentForSource))
async def search_knowledge(
    who: ReadsConfig,
    session: TenantSession,
    agent_id: Annotated[UUID, Query(description="Whose knowledge.")],
    query: Annotated[
        str, Query(min_length=1, max_length=1_000, examples=["how long does shipping take?"])
    ],
    limit: Annotated[int, Query(ge=1, le=20, description="Pieces at most.")] = 6,
) -> list[ChunkPublic]:
    """What the agent would be given for this question, best first. One that knows little is given
    everything it knows."""
    await service.require_agent(session, agent_id)
    found = await search(session, agent_id, query, limit)
    return [ChunkPublic.model_validate(chunk) for chunk in found]
