"""Stage 7: one transaction under the conversation's lock makes everything true, or nothing."""

from dataclasses import replace
from uuid import UUID

import structlog

from frontdesk import escalation, knowledge
from frontdesk.agent_config import Absence, AgentConfig, WhenClosed
from frontdesk.conversation import (
    Actor,
    Background,
    Claim,
    Locked,
    NewMessage,
    NewTimer,
    NewTurn,
    TimerKind,
    TurnOutcome,
    add_tag,
    conclude,
    lock_if_ours,
    opt_out,
    remember,
    send_message,
    set_timers,
    summarise_soon,
    write_turn,
)
from frontdesk.core.crash import crash
from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traced
from frontdesk.core.work import despite_clashes
from frontdesk.escalation import Escalation, Notices, Reason, plain_packet
from frontdesk.gateway import count_tokens
from frontdesk.pipeline.deliver import Marked, begin, hand_on
from frontdesk.pipeline.ruling import absence_of, gave_up
from frontdesk.pipeline.shedding import Extra, goes_without
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Turn

log = structlog.get_logger(__name__)

# After a goodbye the conversation ends soon, unless the contact has something to add.
GOODBYE_CLOSE_MINUTES = 2
# What people find those by who want to hear from them in the morning.
CALLBACK_TAG = "callback"

_TURN_OUTCOMES = {
    OutcomeKind.REPLY: TurnOutcome.REPLIED,
    OutcomeKind.HAND_OFF: TurnOutcome.HANDOFF,
    OutcomeKind.IGNORE: TurnOutcome.IGNORED,
    OutcomeKind.REFUSE: TurnOutcome.REFUSED,
}


@traced("decide")
async def decide(resources: Resources, turn: Turn, outcome: Outcome) -> bool:
    """Make an outcome true; False when the claim no longer holds and the draft is thrown away.

    A person who took over, or another worker that claimed after our lease ran out, moved the epoch
    or the token. The calls are recorded and paid for already; nothing else remains of the draft.
    A clash with another transaction costs the transaction, not the draft, which was paid for.
    """
    record = _record(turn, outcome)
    timers = timers_after(turn.agent.config, outcome)
    if any(timer.kind is TimerKind.FOLLOW_UP for timer in timers) and await goes_without(
        resources, turn, Extra.FOLLOW_UP
    ):
        timers = [timer for timer in timers if timer.kind is not TimerKind.FOLLOW_UP]
    made_true, reply = await despite_clashes(
        lambda: _make_true(resources, turn, outcome, record, timers)
    )
    crash("after_decide", turn.claim.conversation_id)
    if reply is not None:
        hand_on(resources, turn.claim.tenant_id, reply)
    _count(resources, turn.claim, outcome.kind if made_true else "discarded", turn.trace.seconds)
    if made_true and outcome.escalation is not None:
        resources.metrics.handoffs.labels(outcome.escalation.reason).inc()
    return made_true


def _count(resources: Resources, claim: Claim, outcome: str, thought_seconds: float) -> None:
    """Count a burst, and say in one line what became of it."""
    metrics, waited = resources.metrics, claim.waited_seconds + thought_seconds
    metrics.turns.labels(metrics.tenant(claim.tenant_id), outcome).inc()
    metrics.answer_seconds.labels(outcome).observe(waited)
    log.info(
        "turn_decided",
        outcome=str(outcome),
        attempt=claim.attempts,
        seconds=round(thought_seconds, 3),
        waited_seconds=round(claim.waited_seconds, 3),
    )


async def _make_true(
    resources: Resources, turn: Turn, outcome: Outcome, record: NewTurn, timers: list[NewTimer]
) -> tuple[bool, Marked | None]:
    """Whether it is true now, and the reply that was marked."""
    reply = None
    async with resources.db.hot(turn.claim.tenant_id) as tx:
        if outcome.kind is OutcomeKind.HAND_OFF:
            thread = await lock_if_ours(tx, turn.claim)
            if thread is None:
                return False, None
            await write_turn(tx, thread, record, to_seq=turn.claim.inbound_seq)
            await _hand_off(tx, thread, turn, outcome)
            if outcome.proposal is not None:
                await escalation.propose(tx, thread.id, outcome.proposal)
        else:
            concluded = await conclude(
                tx, turn.claim, record, language=outcome.language, reply=outcome.text
            )
            if concluded is None:
                return False, None
            turn_id, thread = concluded
            if outcome.text is not None:
                reply_id = await _reply(tx, thread, outcome, turn_id)
                reply = await begin(tx, resources, reply_id)
            await set_timers(tx, thread, timers)
            if outcome.is_crowded:
                await summarise_soon(tx, thread.id)
        if outcome.opts_out:
            await opt_out(tx, thread.contact_id, thread.now)
        if outcome.missing is not None and turn.burst_text:
            await knowledge.note_gap(
                tx,
                turn.claim.agent_id,
                thread.id,
                question=turn.burst_text,
                missing=outcome.missing,
                language=outcome.language,
            )
        await remember(tx, thread.id, outcome.remembered)
        crash("before_decide_commit", turn.claim.conversation_id)
    return True, reply


async def give_up(resources: Resources, claim: Claim, background: Background) -> bool:
    """Hand a burst to people without a model and without the agent's configuration.

    Whatever ended every attempt so far must not be tried once more, so the contact is told nothing.
    False when the claim no longer holds.
    """
    rule = gave_up(claim)
    lines = (*background.history, *background.burst)
    packet = plain_packet(
        memory=background.memory,
        contact_lines=[(str(m.id), m.text) for m in lines if m.author == Actor.CONTACT],
        agent_lines=[m.text for m in lines if m.author == Actor.AGENT],
        reasoning=rule.rule,
    )
    async with resources.db.hot(claim.tenant_id) as tx:
        thread = await lock_if_ours(tx, claim)
        if thread is None:
            return False
        outcome = NewTurn(outcome=TurnOutcome.HANDOFF, by=Actor.SYSTEM, reason=rule.rule)
        await write_turn(tx, thread, outcome, to_seq=claim.inbound_seq)
        await escalation.hand_off(
            tx, thread, rule, packet, handled_seq=claim.inbound_seq, notices=None
        )
    _count(resources, claim, OutcomeKind.HAND_OFF, 0)
    resources.metrics.handoffs.labels(rule.reason).inc()
    return True


def _record(turn: Turn, outcome: Outcome) -> NewTurn:
    turn.trace.add("decide", outcome=outcome.kind, reason=outcome.reason)
    return NewTurn(
        outcome=_TURN_OUTCOMES[outcome.kind],
        by=Actor.AGENT,
        reason=outcome.reason,
        trace=tuple(turn.trace.lines),
        agent_version=turn.agent.version,
        prompt_version=outcome.prompt_version,
        exposures=tuple(turn.trace.exposures.values()),
        input_tokens=turn.trace.input_tokens,
        output_tokens=turn.trace.output_tokens,
        cost_usd=turn.trace.cost_usd,
        latency_seconds=turn.trace.seconds,
    )


async def _reply(tx: Transaction, thread: Locked, outcome: Outcome, turn_id: UUID) -> UUID:
    assert outcome.text is not None
    message = NewMessage(
        text=outcome.text,
        author=Actor.AGENT,
        turn_id=turn_id,
        tokens=count_tokens(outcome.text),
        client_key=outcome.once_as,
    )
    return await send_message(tx, thread, message, listed=True, marked=True)


def timers_after(config: AgentConfig, outcome: Outcome) -> list[NewTimer]:
    """What is to happen if the contact stays silent after this."""
    if outcome.kind is OutcomeKind.HAND_OFF or config.shadow:
        return []
    if outcome.closes:
        return [NewTimer(TimerKind.AUTO_CLOSE, GOODBYE_CLOSE_MINUTES, cause=Actor.AGENT)]
    timers = []
    # Nobody is reminded of what waits for the business to open.
    is_answer = outcome.kind is OutcomeKind.REPLY and outcome.once_as is None
    if config.follow_ups and is_answer:
        timers.append(NewTimer(TimerKind.FOLLOW_UP, config.follow_ups[0].after_minutes))
    if config.auto_close_minutes:
        # What got no answer is settled, and no model need look at it again.
        cause = Actor.SYSTEM if is_answer else Actor.AGENT
        timers.append(NewTimer(TimerKind.AUTO_CLOSE, config.auto_close_minutes, cause=cause))
    return timers


async def _hand_off(tx: Transaction, thread: Locked, turn: Turn, outcome: Outcome) -> None:
    assert outcome.escalation is not None
    assert outcome.packet is not None
    config = turn.agent.config
    absence = absence_of(turn, outcome.language)
    await tx.sql.execute(
        "UPDATE conversation SET language = $2 WHERE id = $1", thread.id, outcome.language
    )
    await escalation.hand_off(
        tx,
        replace(thread, language=outcome.language),
        outcome.escalation,
        outcome.packet,
        handled_seq=turn.claim.inbound_seq,
        notices=None if config.shadow else await _notices(tx, thread, turn, outcome, absence),
    )
    if absence is not None and config.when_closed is WhenClosed.CALLBACK:
        await add_tag(tx, thread.id, CALLBACK_TAG)


async def _notices(
    tx: Transaction, thread: Locked, turn: Turn, outcome: Outcome, absence: Absence | None
) -> Notices:
    assert outcome.escalation is not None
    config = turn.agent.config
    return Notices(
        somebody_online=config.notice_in(config.handoff_notice, outcome.language),
        nobody_online=(
            absence.text if absence else config.notice_in(config.away_notice, outcome.language)
        ),
        in_queue=config.notice_in(config.queue_notice, outcome.language),
        wait=config.notice_in(config.wait_notice, outcome.language),
        question=outcome.packet.question_meanwhile if outcome.packet else "",
        once_as=await _outage(tx, thread, outcome.escalation),
        nobody_once_as=absence.told_as(thread.id) if absence else None,
    )


async def _outage(tx: Transaction, thread: Locked, why: Escalation) -> str | None:
    """The key of an outage of the models, as this conversation sees it: until the next AI reply."""
    if why.reason is not Reason.MODEL_DOWN:
        return None
    answered = await tx.sql.fetchval(
        "SELECT max(to_seq) FROM turn WHERE conversation_id = $1 AND by = 'agent' "
        "AND outcome = 'replied'",
        thread.id,
    )
    return f"models-down:{thread.id}:{answered or 0}"
