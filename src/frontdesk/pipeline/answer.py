"""One burst, from claim to decision: the whole turn, top to bottom."""

import asyncio
from dataclasses import replace
from uuid import UUID

import structlog

from frontdesk import gateway
from frontdesk.conversation import Claim, pause_seconds, put_off, refused_lately
from frontdesk.core.crash import crash
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import Attributes, annotate, root_span
from frontdesk.escalation import Reason
from frontdesk.gateway import BudgetReached, ModelsUnavailable, PromptRejected
from frontdesk.messaging import ChannelRegistry, mark_read, read_mark
from frontdesk.observability import Drills, Outage
from frontdesk.pipeline.copilot import pieces
from frontdesk.pipeline.decide import decide, give_up
from frontdesk.pipeline.escalate import draft_escalation, handed_off
from frontdesk.pipeline.guard import guard_draft
from frontdesk.pipeline.load import claim_burst, load_turn
from frontdesk.pipeline.on_a_budget import answer_on_a_budget
from frontdesk.pipeline.prompt import compose_prompt
from frontdesk.pipeline.reply import draft_reply
from frontdesk.pipeline.ruling import must
from frontdesk.pipeline.shadow import proposed
from frontdesk.pipeline.shedding import Extra, goes_without
from frontdesk.pipeline.tool_loop import Work, work_with_tools
from frontdesk.pipeline.triage import triage_turn
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Triaged, Turn, Verdict

log = structlog.get_logger(__name__)

# How long a contact waits for a model that is down before a person gets the conversation.
MODEL_PATIENCE_SECONDS = 60


async def answer(resources: Resources, tenant_id: UUID, conversation_id: UUID) -> None:
    """Take one burst of inbound messages to a reply, to a person, or to silence. Safe to run twice.

    No transaction is open during a call: it takes seconds, and a connection must not wait for it.
    What fails is put off; the attempts are counted at the claim, so that a burst which kills its
    worker each time still ends with a person.
    """
    claimed = await claim_burst(resources, tenant_id, conversation_id)
    if claimed is None:
        return
    if claimed[0].attempts > resources.settings.worker.max_attempts + 1:
        # Even the handoff has failed, or the turn could not be loaded for it.
        await give_up(resources, *claimed)
        return
    claim = claimed[0]
    told: Attributes = {
        "frontdesk.tenant_id": str(tenant_id),
        "gen_ai.conversation.id": str(conversation_id),
        "frontdesk.agent_id": str(claim.agent_id),
        "frontdesk.attempt": claim.attempts,
    }
    with root_span("turn", told, parent=claim.traceparent):
        try:
            turn = await load_turn(resources, *claimed)
            outcome = await _outcome(resources, turn)
            if outcome is not None:
                annotate(outcome=outcome.kind, language=outcome.language)
                # Nothing is decided by calls that are not accounted for.
                await gateway.finish_records(resources, tenant_id, turn.trace.unwritten)
                await decide(resources, turn, proposed(turn, outcome))
        except Exception as error:
            await _put_off(resources, claim, f"{type(error).__name__}: {error}")
            raise


async def _outcome(resources: Resources, turn: Turn) -> Outcome | None:
    """What becomes of a burst; None when it was put off, because no model could be asked yet."""
    try:
        return await think(resources, turn)
    except ModelsUnavailable as error:
        # The last attempt is not for putting off: a contact who keeps writing uses them up sooner,
        # and should hear of it and get a person who knows why all the same.
        is_last = turn.claim.attempts >= resources.settings.worker.max_attempts
        waited_seconds = turn.claim.waited_seconds + turn.trace.seconds
        if waited_seconds < MODEL_PATIENCE_SECONDS and not is_last:
            await _put_off(resources, turn.claim, str(error))
            return None
        return await _without_model(resources, turn, error)
    except BudgetReached as error:
        return await answer_on_a_budget(resources, turn, _language(turn), error)
    except PromptRejected as error:
        # The same prompt would be refused again, by this model and by a worker.
        rule = must(turn, refused=f"the models refuse to answer: {error}")
        return await handed_off(resources, turn, _language(turn), rule, ask_model=False)


async def think(resources: Resources, turn: Turn) -> Outcome:
    """Stages 2 to 6: what should become of a burst. Changes nothing, so it can be run on paper.

    Raises:
        ModelsUnavailable: no model could be asked.
        BudgetReached: the money for models is used up.
    """
    triaged = await triage_turn(resources, turn)
    if triaged.verdict in (Verdict.IGNORE, Verdict.REFUSE):
        return await _dismissed(resources, turn, triaged)
    if triaged.escalation is not None:
        # A burst that ended every attempt so far is shown to no model once more.
        ask_model = triaged.escalation.reason is not Reason.STUCK
        return await handed_off(
            resources, turn, triaged.language, triaged.escalation, ask_model=ask_model
        )
    await _show_typing(resources, turn)
    prompt = await compose_prompt(resources, turn, triaged)
    work = Work(prompt)
    if not triaged.is_suspect:
        work = await work_with_tools(resources, turn, prompt)
    if work.escalation is not None:
        return await handed_off(resources, turn, triaged.language, work.escalation, work=work)
    draft = work.draft or await draft_reply(resources, turn, work.prompt)
    crash("after_model", turn.claim.conversation_id)
    if reason := draft_escalation(turn, triaged, draft, work.failed):
        outcome = await handed_off(
            resources, turn, triaged.language, reason, draft=draft, work=work
        )
        # It gives the burst to people, and names no fact to go by: nothing it knows answers.
        knows_nothing = draft.action == "escalate" and not draft.sources
        return replace(outcome, missing=draft.reasoning) if knows_nothing else outcome
    guarded = await guard_draft(resources, turn, triaged, work.prompt, draft)
    if guarded.problem is not None:
        refused = must(turn, mood=triaged.sentiment, refused=guarded.problem)
        return await handed_off(resources, turn, triaged.language, refused, draft=draft, work=work)
    return Outcome(
        kind=OutcomeKind.REPLY,
        language=triaged.language,
        reason=draft.reasoning,
        text=guarded.text,
        closes=work.closes or draft.action == "close",
        remembered=tuple(work.remembered),
        prompt_version=prompt.filled.prompt.version,
        is_crowded=prompt.is_crowded,
        sources=pieces(prompt.chunks, draft.sources),
        confidence=draft.confidence,
    )


async def _dismissed(resources: Resources, turn: Turn, triaged: Triaged) -> Outcome:
    """Silence, or a word on what the desk is for, once; who goes on is ignored."""
    language, reason = triaged.language, triaged.reason
    if triaged.verdict is Verdict.REFUSE and not turn.trace.on_paper:
        async with resources.db.hot(turn.claim.tenant_id) as tx:
            if await refused_lately(tx, turn.claim.conversation_id):
                return Outcome(OutcomeKind.IGNORE, language, f"{reason} It was refused already.")
    if triaged.verdict is Verdict.IGNORE:
        return Outcome(OutcomeKind.IGNORE, language, reason, opts_out=triaged.opts_out)
    config = turn.agent.config
    text = config.notice_in(config.refusal_notice, language)
    return Outcome(OutcomeKind.REFUSE, language, reason, text=text)


async def _without_model(resources: Resources, turn: Turn, error: ModelsUnavailable) -> Outcome:
    turn.trace.add("reply", error=str(error))
    down = must(turn, model_down=True)
    return await handed_off(resources, turn, _language(turn), down, ask_model=False)


def _language(turn: Turn) -> str:
    return turn.claim.language or turn.agent.config.languages[0]


async def _put_off(resources: Resources, claim: Claim, error: str) -> None:
    pause = pause_seconds(claim.attempts)
    log.warning("turn_put_off", error=error, attempt=claim.attempts, seconds=pause)
    async with resources.db.hot(claim.tenant_id) as tx:
        await put_off(tx, claim, seconds=pause, error=error)


class Courtesies:
    """Read marks with a typing indicator, sent beside the work; kept until they are done."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._running: set[asyncio.Task[None]] = set()

    def show_typing(self, phone_number_id: str, token: str, wamid: str) -> None:
        """Mark a message read and show that an answer is being written."""
        task = asyncio.create_task(
            mark_read(self._resources, phone_number_id, token, read_mark(wamid, typing=True))
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _show_typing(resources: Resources, turn: Turn) -> None:
    claim = turn.claim
    wamid = turn.background.burst[-1].wamid
    if wamid is None or not claim.channel_sends or turn.changes_nothing:
        return
    if await goes_without(resources, turn, Extra.TYPING):
        return
    if resources.keep(Drills).find(claim.tenant_id, Outage.WHATSAPP):
        return
    token = resources.keep(ChannelRegistry).access_token(claim.tenant_id, claim.access_token_sealed)
    resources.keep(Courtesies).show_typing(claim.phone_number_id, token, wamid)
