"""Preview: what a configuration, saved or not, would answer. Nothing is sent, no conversation is made."""

from uuid import UUID

from frontdesk import agent_config, feed, observability
from frontdesk.agent_config import PreviewState
from frontdesk.core.callers import Principal
from frontdesk.core.db import Session
from frontdesk.core.resources import Resources
from frontdesk.feed import Audience
from frontdesk.gateway import BudgetReached, ModelsUnavailable, PromptRejected
from frontdesk.pipeline.answer import think
from frontdesk.pipeline.happenings import AgentPreviewed
from frontdesk.pipeline.on_paper import PaperLine, on_paper, with_memory
from frontdesk.pipeline.schemas import PreviewAnswer, PreviewCreate, PreviewPublic
from frontdesk.pipeline.turn import Outcome, Turn

FEATURE = "preview"


async def start_preview(
    session: Session,
    agent_id: UUID,
    body: PreviewCreate,
    *,
    who: Principal,
    client_key: str | None = None,
) -> PreviewPublic:
    """Make a preview due; a worker makes it. The same `client_key` gives the same one.

    Raises:
        NoSuchAgent, NoSuchAgentVersion: the agent or the version does not exist.
        PreviewKeyReused: the key was for another preview.
    """
    preview_id, is_new = await agent_config.queue_preview(
        session,
        agent_id,
        body.messages,
        version=body.version,
        draft=body.config,
        by=who.user_id,
        history=[line.model_dump() for line in body.history],
        client_key=client_key,
    )
    if is_new:
        await observability.audit(
            session,
            "agent.previewed",
            "agent",
            agent_id,
            user_id=who.user_id,
            details={"preview_id": str(preview_id), "version": body.version},
            request_id=who.request_id,
        )
    return await get_preview(session, preview_id)


async def get_preview(session: Session, preview_id: UUID) -> PreviewPublic:
    """A preview as far as it has got; raises `NoSuchPreview`."""
    return PreviewPublic.model_validate(await agent_config.get_preview(session, preview_id))


async def preview(resources: Resources, tenant_id: UUID, preview_id: UUID) -> None:
    """Think a preview through. Run twice after a crash, its models are asked and paid twice, no more."""
    async with resources.db.hot(tenant_id) as tx:
        claimed = await agent_config.claim_preview(tx, preview_id)
    if claimed is None:
        return
    history = [PaperLine(line["author"], line["text"]) for line in claimed.history]
    turn = on_paper(tenant_id, claimed.agent, claimed.messages, history=history, feature=FEATURE)
    answer, error = None, None
    try:
        turn = await with_memory(resources, turn)
        answer = _answer(turn, await think(resources, turn))
    except (ModelsUnavailable, BudgetReached, PromptRejected) as failure:
        error = str(failure)
    async with resources.db.hot(tenant_id) as tx:
        await agent_config.finish_preview(tx, preview_id, answer=answer, error=error)
        state = PreviewState.FAILED if answer is None else PreviewState.DONE
        told = AgentPreviewed(preview_id=preview_id, agent_id=claimed.agent.agent_id, state=state)
        feed.tell(tx, told, Audience.ADMINS)


def _answer(turn: Turn, outcome: Outcome) -> PreviewAnswer:
    trace = turn.trace
    return PreviewAnswer(
        outcome=outcome.kind,
        text=outcome.text,
        language=outcome.language,
        reason=outcome.reason,
        closes=outcome.closes,
        packet=outcome.packet and outcome.packet.model_dump(mode="json"),
        input_tokens=trace.input_tokens,
        output_tokens=trace.output_tokens,
        cost_usd=trace.cost_usd,
        seconds=round(trace.seconds, 3),
        trace=trace.lines,
    )
