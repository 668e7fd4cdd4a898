"""Stage 1: claim the burst and gather what the turn needs, in one short transaction."""

from uuid import UUID

from frontdesk.agent_config import load_agent
from frontdesk.conversation import claim, load_background
from frontdesk.core.crash import crash
from frontdesk.core.resources import Resources
from frontdesk.pipeline.turn import Trace, Turn


async def load_turn(resources: Resources, tenant_id: UUID, conversation_id: UUID) -> Turn | None:
    """The claimed burst with its background, or None when there is nothing for us to do."""
    settings = resources.settings.worker
    trace = Trace()
    async with resources.db.hot(tenant_id) as tx:
        claimed = await claim(
            tx,
            conversation_id,
            lease_seconds=settings.lease_seconds,
            tenant_limit=settings.tenant_conversations_at_once,
        )
        if claimed is None:
            return None
        background = await load_background(tx, claimed)
    crash("after_claim")
    agent = await load_agent(resources, tenant_id, claimed.agent_id)
    trace.add(
        "load",
        messages=len(background.burst),
        history=len(background.history),
        waited_seconds=round(claimed.waited_seconds, 3),
        attempt=claimed.attempts,
        agent_version=agent.version,
    )
    return Turn(claim=claimed, background=background, agent=agent, trace=trace)
