"""HTTP of agent_config: agents, their configuration, and the way back."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from frontdesk.agent_config import service
from frontdesk.agent_config.config import AgentConfig
from frontdesk.agent_config.errors import (
    AgentNameTaken,
    ConfigNeedsRun,
    NoSuchAgent,
    NoSuchAgentVersion,
)
from frontdesk.agent_config.schemas import (
    AgentCreate,
    AgentDiffPublic,
    AgentGate,
    AgentPublic,
    AgentRollback,
    AgentVersionPublic,
    Version,
)
from frontdesk.agent_config.secret_routes import router as tool_secrets
from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    IfMatch,
    Limit,
    ReadsConfig,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConfig,
    problems,
    set_etag,
)
from frontdesk.core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from frontdesk.core.pages import Page, check_version
from frontdesk.identity import PlanLimitReached

Override = Annotated[
    str | None,
    Query(
        min_length=10,
        max_length=500,
        description="Where the agent asks for a passing evaluation run: why this configuration may do "
        "without one. It is kept in the audit log.",
    ),
]
agents = Router(prefix="/api/v1/agents", tags=["agents"])


@agents.get("", summary="List agents", responses=problems())
async def list_agents(
    who: ReadsConfig, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[AgentPublic]:
    """A page of the tenant's AI agents with their present configuration, oldest first."""
    return await service.list_agents(session, limit=limit, cursor=cursor)


@agents.post(
    "",
    status_code=201,
    summary="Make an agent",
    responses=problems(Forbidden, AgentNameTaken, PlanLimitReached),
)
async def create_agent(
    body: AgentCreate, who: WritesConfig, session: TenantSession, response: Response
) -> AgentPublic:
    """A new agent; what its configuration leaves out has sensible defaults."""
    agent = await service.create_agent(session, body, author_id=who.user_id)
    set_etag(response, agent.version)
    return agent


@agents.get("/{agent_id}", summary="Read an agent", responses=problems(NoSuchAgent))
async def get_agent(
    agent_id: UUID, who: ReadsConfig, session: TenantSession, response: Response
) -> AgentPublic:
    """An agent with its present configuration; its version is the `ETag`."""
    agent = await service.get_agent(session, agent_id)
    set_etag(response, agent.version)
    return agent


@agents.put(
    "/{agent_id}/config",
    summary="Save an agent's configuration",
    responses=problems(
        Forbidden, NoSuchAgent, ConfigNeedsRun, PreconditionFailed, PreconditionRequired
    ),
)
async def save_agent_config(
    agent_id: UUID,
    body: AgentConfig,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
    response: Response,
    if_match: IfMatch = None,
    override: Override = None,
) -> AgentPublic:
    """Put a whole configuration in force, as a new version, within two seconds everywhere.

    `If-Match` carries the `ETag` you read: somebody else's change is never overwritten unseen.
    """
    agent = await service.save_config(
        session,
        resources,
        agent_id,
        body,
        check=lambda version: check_version(if_match, version),
        author_id=who.user_id,
        override=override,
    )
    set_etag(response, agent.version)
    return agent


@agents.put(
    "/{agent_id}/gate",
    summary="Set what a configuration has to pass",
    responses=problems(Forbidden, NoSuchAgent),
)
async def set_agent_gate(
    agent_id: UUID, body: AgentGate, who: AdminOnly, session: TenantSession
) -> AgentPublic:
    """Ask for a passing evaluation run before a configuration comes into force, or no longer.

    What is in force stays, and rolling back is always allowed.
    """
    return await service.set_gate(
        session, agent_id, requires_run=body.requires_run, user_id=who.user_id
    )


@agents.get(
    "/{agent_id}/versions",
    summary="List an agent's configurations",
    responses=problems(NoSuchAgent),
)
async def list_agent_versions(
    agent_id: UUID,
    who: ReadsConfig,
    session: TenantSession,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[AgentVersionPublic]:
    """Every configuration the agent ever had, newest first."""
    return await service.list_versions(session, agent_id, limit=limit, cursor=cursor)


@agents.get(
    "/{agent_id}/diff",
    summary="Compare an agent's configurations",
    responses=problems(NoSuchAgent, NoSuchAgentVersion),
)
async def diff_agent_versions(
    agent_id: UUID,
    who: ReadsConfig,
    session: TenantSession,
    from_version: Annotated[Version, Query(alias="from", examples=[1])],
    to_version: Annotated[Version, Query(alias="to", examples=[2])],
) -> AgentDiffPublic:
    """What changed between two versions: each field with both values, in words, and as a diff."""
    return await service.diff_versions(session, agent_id, from_version, to_version)


@agents.post(
    "/{agent_id}/rollback",
    summary="Bring an earlier configuration back",
    responses=problems(Forbidden, NoSuchAgent, NoSuchAgentVersion, PreconditionFailed),
)
async def roll_back_agent(
    agent_id: UUID,
    body: AgentRollback,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
    response: Response,
    if_match: IfMatch = None,
) -> AgentPublic:
    """Put an earlier configuration in force again, as a new version; `If-Match` is optional."""
    agent = await service.roll_back(
        session,
        resources,
        agent_id,
        body.version,
        check=lambda version: check_version(if_match or "*", version),
        author_id=who.user_id,
    )
    set_etag(response, agent.version)
    return agent


router = Router(
    routes=[
        *agents.routes,
        *tool_secrets.routes,
    ]
)
