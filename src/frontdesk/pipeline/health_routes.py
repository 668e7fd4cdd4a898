"""HTTP of an agent's health: why it would not answer now."""

from uuid import UUID

from frontdesk.agent_config import NoSuchAgent
from frontdesk.core.api import Now, ReadsConfig, ResourcesDep, Router, problems
from frontdesk.pipeline import health
from frontdesk.pipeline.schemas import AgentHealthPublic

router = Router(prefix="/api/v1/agents", tags=["agents"])


@router.get(
    "/{agent_id}/health",
    summary="Ask why an agent does not answer",
    responses=problems(NoSuchAgent),
)
async def get_agent_health(
    agent_id: UUID, who: ReadsConfig, resources: ResourcesDep, now: Now
) -> AgentHealthPublic:
    """What keeps the agent from answering now, or from answering well, in words, the worst first.

    Looked at are its configuration, its numbers, keys and breakers of its models, budgets, knowledge,
    and whether anybody is online. No model is asked.
    """
    return await health.check_health(resources, who.tenant_id, agent_id, now=now)
