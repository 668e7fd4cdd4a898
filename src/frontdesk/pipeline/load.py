"""Stage 1: claim the burst and gather what the turn needs."""

from dataclasses import replace
from uuid import UUID

import structlog

from frontdesk.agent_config import load_agent
from frontdesk.conversation import (
    Actor,
    Background,
    Claim,
    claim,
    load_background,
    load_earlier,
    pause_seconds,
    put_off,
)
from frontdesk.core.crash import crash
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import current_trace_id, traced
from frontdesk.escalation import HandBack, find_hand_back
from frontdesk.pipeline.ruling import load_past_of, with_tags
from frontdesk.pipeline.turn import Trace, Turn

log = structlog.get_logger(__name__)


async def claim_burst(
    resources: Resources, tenant_id: UUID, conversation_id: UUID
) -> tuple[Claim, Background] | None:
    """The claimed burst and what was said before it, or None when there is nothing for us to do.

    One transaction does both. When the loading fails it takes the claim along, and with it the
    attempt, so the burst is claimed once more to count it: what can never be loaded comes to people
    without its background.
    """
    try:
        async with resources.db.hot(tenant_id) as tx:
            claimed = await _claim(tx, resources, conversation_id)
            if claimed is None:
                return None
            background = await load_background(tx, claimed)
    except Unavailable:
        raise  # The database has no time; that is no fault of the burst.
    except Exception as error:
        log.exception("background_not_loaded")
        return await _claim_without_background(resources, tenant_id, conversation_id, error)
    crash("after_claim", conversation_id)
    return claimed, background


async def _claim(tx: Transaction, resources: Resources, conversation_id: UUID) -> Claim | None:
    settings = resources.settings.worker
    return await claim(
        tx,
        conversation_id,
        lease_seconds=settings.lease_seconds,
        tenant_limit=settings.tenant_conversations_at_once,
    )


async def _claim_without_background(
    resources: Resources, tenant_id: UUID, conversation_id: UUID, error: Exception
) -> tuple[Claim, Background] | None:
    """Count an attempt that failed while loading; the claim itself once people must have it."""
    async with resources.db.hot(tenant_id) as tx:
        claimed = await _claim(tx, resources, conversation_id)
        if claimed is None:
            return None
        if claimed.attempts > resources.settings.worker.max_attempts + 1:
            return claimed, Background(burst=(), history=())
        pause = pause_seconds(claimed.attempts)
        await put_off(tx, claimed, seconds=pause, error=f"{type(error).__name__}: {error}")
    return None


@traced("load")
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
        **({"trace_id": trace_id} if (trace_id := current_trace_id()) else {}),
    )
    within = agent.config.recall_minutes
    if claimed.previous_id is not None and within is not None:
        async with resources.db.hot(claimed.tenant_id) as tx:
            background = await load_earlier(tx, claimed, background, within_minutes=within)
    hand_back = None
    if claimed.epoch:  # It has changed hands.
        async with resources.db.hot(claimed.tenant_id) as tx:
            hand_back = await find_hand_back(tx, claimed.conversation_id)
    if hand_back is not None:
        background = without_old_notices(background, hand_back)
        trace.add("hand_back", note=hand_back.note, wrote=hand_back.wrote)
    turn = Turn(claim=claimed, background=background, agent=agent, trace=trace, hand_back=hand_back)
    turn = await with_tags(resources, turn)
    return replace(turn, past=await load_past_of(resources, turn))


def without_old_notices(background: Background, hand_back: HandBack) -> Background:
    """The background without what was said by itself before people gave the conversation back: that a
    person takes over holds no more."""
    history = tuple(
        m for m in background.history if m.author != Actor.SYSTEM or m.id > hand_back.through_id
    )
    return replace(background, history=history)
