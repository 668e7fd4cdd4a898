"""Stage 1: claim the burst and gather what the turn needs."""

from uuid import UUID

from frontdesk.agent_config import load_agent
from frontdesk.conversation import Background, Claim, claim, load_background
from frontdesk.core.crash import crash
from frontdesk.core.resources import Resources
from frontdesk.pipeline.turn import Trace, Turn


async def claim_burst(
    resources: Resources, tenant_id: UUID, conversation_id: UUID
) -> tuple[Claim, Background] | None:
    """The claimed burst and what was said before it, or None when there is nothing for us to do."""
    settings = resources.settings.worker
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
    return claimed, background


async def load_turn(resources: Resources, claimed: Claim, background: Background) -> Turn:
    """The turn that answers a claimed burst, as the agent is configured now."""
    trace = Trace()
    agent = await load_agent(resources, claimed.tenant_id, claimed.agent_id)
    trace.add(
        "load",
        messages=len(background.burst),
        history=len(background.history),
        waited_seconds=round(claimed.waited_seconds, 3),
        attempt=claimed.attempts,
        agent_version=agent.version,
    )
    return Turn(claim=claimed, background=background, agent=agent, trace=trace)
