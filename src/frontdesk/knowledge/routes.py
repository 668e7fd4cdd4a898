"""HTTP of knowledge: the texts agents answer from, and a way to try what they find."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request

from frontdesk.core.api import (
    Cursor,
    Limit,
    ReadsConfig,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConfig,
    problems,
)
from frontdesk.core.errors import Forbidden, TooLarge
from frontdesk.core.pages import Page
from frontdesk.core.uploads import NoForm, uploaded_file
from frontdesk.knowledge import clusters, files, gaps, service
from frontdesk.knowledge.clusters import GapCluster
from frontdesk.knowledge.errors import (
    NoSuchAgentForSource,
    NoSuchGap,
    NoSuchSource,
    NotReadable,
    NotWrittenHere,
)
from frontdesk.knowledge.gaps import GapAnswer, GapPublic
from frontdesk.knowledge.models import GapState
from frontdesk.knowledge.schemas import (
    ChunkPublic,
    PageCreate,
    SourceCreate,
    SourcePublic,
    SourceSummary,
    SourceUpdate,
    Title,
)
from frontdesk.knowledge.snapshots import look_up

router = Router(prefix="/api/v1/knowledge", tags=["knowledge"])
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}


@router.get("/sources", summary="List sources", responses=problems(NoSuchAgentForSource))
async def list_sources(
    who: ReadsConfig,
    session: TenantSession,
    agent_id: Annotated[UUID | None, Query(description="Only this agent's.")] = None,
    site_id: Annotated[
        UUID | None, Query(description="The pages found from this one, instead.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SourceSummary]:
    """A page of sources without their texts, newest first; a site is listed once."""
    return await service.list_sources(
        session, agent_id=agent_id, site_id=site_id, limit=limit, cursor=cursor
    )


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


@router.post(
    "/pages",
    status_code=201,
    summary="Add a page or a site",
    responses=problems(Forbidden, NoSuchAgentForSource),
)
async def add_page(
    body: PageCreate, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> SourcePublic:
    """Give an agent a public page to answer from, or with `most_pages` the site it begins. A worker
    fetches it, and again every `refetch_hours`; only what has changed is taken in anew."""
    return await service.add_page(resources, session, body, author_id=who.user_id)


@router.post(
    "/files",
    status_code=201,
    summary="Upload a file",
    responses=problems(Forbidden, NoSuchAgentForSource, TooLarge, NoForm, NotReadable),
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
    },
)
async def add_file(
    request: Request,
    who: WritesConfig,
    resources: ResourcesDep,
    agent_id: Annotated[UUID, Query(description="Who is to answer from it.")],
    title: Annotated[
        Title | None, Query(description="What to call it; else its file name.")
    ] = None,
) -> SourcePublic:
    """Give an agent a document to answer from: text, Markdown, HTML, PDF or DOCX, up to 25 MB and
    1,000 pages. What it is, is told by its content. A worker reads it; the file is not kept after."""
    assert who.tenant_id is not None
    await files.must_exist(resources, who.tenant_id, agent_id)
    async with uploaded_file(request, most_bytes=files.MOST_BYTES) as file:
        return await files.add_file(
            resources, who.tenant_id, agent_id, file, title=title, author_id=who.user_id
        )


@router.get("/sources/{source_id}", summary="Read a source", responses=problems(NoSuchSource))
async def get_source(source_id: UUID, who: ReadsConfig, session: TenantSession) -> SourcePublic:
    """A source with its text."""
    return await service.get_source(session, source_id)


@router.put(
    "/sources/{source_id}",
    summary="Change a source",
    responses=problems(Forbidden, NoSuchSource, NotWrittenHere),
)
async def change_source(
    source_id: UUID,
    body: SourceUpdate,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
) -> SourcePublic:
    """Replace a source's title and text; until that is cut up, the agent goes by the one before."""
    return await service.change_source(resources, session, source_id, body, author_id=who.user_id)


@router.post(
    "/sources/{source_id}/refresh",
    summary="Fetch a page again",
    responses=problems(Forbidden, NoSuchSource, NotWrittenHere),
)
async def refresh_source(
    source_id: UUID, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> SourcePublic:
    """Look now whether a page has changed, or any page of a site."""
    return await service.refresh_source(resources, session, source_id, author_id=who.user_id)


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
    resources: ResourcesDep,
    agent_id: Annotated[UUID, Query(description="Whose knowledge.")],
    query: Annotated[
        str, Query(min_length=1, max_length=1_000, examples=["how long does shipping take?"])
    ],
    limit: Annotated[int, Query(ge=1, le=20, description="Pieces at most.")] = 6,
) -> list[ChunkPublic]:
    """What the agent would be given for this question, best first. One that knows little is given
    everything it knows. Where a provider's model finds by meaning, that is left out here."""
    async with resources.db.hot(who.tenant_id) as tx:
        await service.require_agent(tx, agent_id)
    found = await look_up(resources, who.tenant_id, agent_id, query, limit, locally=True)
    return [ChunkPublic.model_validate(chunk) for chunk in found.chunks]


@router.get("/gaps", summary="List what was not answered", responses=problems(NoSuchAgentForSource))
async def list_gaps(
    who: ReadsConfig,
    session: TenantSession,
    agent_id: Annotated[UUID | None, Query(description="Only this agent's.")] = None,
    state: Annotated[GapState, Query(description="In this state.")] = GapState.OPEN,
    limit: Limit = 50,
) -> list[GapPublic]:
    """Questions that the knowledge did not answer, those asked most often first. The same words in
    another order are the same question."""
    return await gaps.list_gaps(session, agent_id=agent_id, state=state, limit=limit)


@router.get(
    "/gap-clusters",
    summary="List what was not answered, by meaning",
    responses=problems(NoSuchAgentForSource),
)
async def list_gap_clusters(
    who: ReadsConfig,
    session: TenantSession,
    agent_id: Annotated[UUID, Query(description="Whose.")],
    state: Annotated[
        Literal[GapState.OPEN, GapState.ANSWERED], Query(description="In this state.")
    ] = GapState.OPEN,
    limit: Limit = 50,
) -> list[GapCluster]:
    """The same questions with those that mean the same as one, asked most often first, and what an
    article has been worth. Gaps are compared each day where learning is on."""
    await service.require_agent(session, agent_id)
    return await clusters.list_clusters(session, agent_id, state=state, limit=limit)


@router.post(
    "/gaps/{gap_id}/answer",
    summary="Fill a gap with an article",
    responses=problems(Forbidden, NoSuchGap),
)
async def answer_gap(
    gap_id: UUID,
    body: GapAnswer,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
) -> GapPublic:
    """Add the article as a source. `times_after` tells how often the question is still asked in vain."""
    return await gaps.answer_gap(resources, session, gap_id, body, author_id=who.user_id)


@router.post(
    "/gaps/{gap_id}/dismiss",
    summary="Let a gap be",
    responses=problems(Forbidden, NoSuchGap),
)
async def dismiss_gap(gap_id: UUID, who: WritesConfig, session: TenantSession) -> GapPublic:
    """The agent is not there for that: it is listed as open no more."""
    return await gaps.dismiss_gap(session, gap_id, author_id=who.user_id)
