"""Stage 5: whether a person must take over, and the packet that person gets."""

from dataclasses import replace

from frontdesk.agent_config import Absence, WhenClosed
from frontdesk.conversation import was_sent
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traced
from frontdesk.escalation import (
    NO_REASON,
    Escalation,
    HandoffPacket,
    Packet,
    PacketFact,
    plain_packet,
)
from frontdesk.gateway import BudgetReached, PromptRejected
from frontdesk.pipeline.asking import ask, prompt_for
from frontdesk.pipeline.checks import check, leaks
from frontdesk.pipeline.guard import bounds_of
from frontdesk.pipeline.prompt import canary_of, transcript
from frontdesk.pipeline.ruling import absence_of, look
from frontdesk.pipeline.shedding import Extra, goes_without
from frontdesk.pipeline.tool_loop import Work
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Reply, Triaged, Turn
from frontdesk.prompts import as_data, fill

# A person waits for the packet: better a plain one soon than a fine one late.
PACKET_DEADLINE_SECONDS = 15
# Characters; it stands under the notice that they wait.
MOST_OF_A_QUESTION = 300


def draft_escalation(
    turn: Turn, triaged: Triaged, draft: Reply, failed_tools: int
) -> Escalation | None:
    """Why a person must take over although there is a draft, or None."""
    escalation = look(
        turn,
        mood=triaged.sentiment,
        confidence=draft.confidence,
        failed_tools=failed_tools,
        agent_asked=(draft.reasoning or NO_REASON) if draft.action == "escalate" else "",
    )
    turn.trace.add(
        "escalate",
        reason=escalation.reason if escalation else None,
        rule=escalation.rule if escalation else "No rule fired.",
    )
    return escalation


@traced("handoff")
async def handed_off(
    resources: Resources,
    turn: Turn,
    language: str,
    escalation: Escalation,
    *,
    draft: Reply | None = None,
    work: Work | None = None,
    ask_model: bool = True,
) -> Outcome:
    """A handoff with its packet: written by a model if one answers in time, else gathered.

    Out of business hours no handoff, where the tenant wants none then: a word on when it opens.
    """
    absence = absence_of(turn, language)
    if absence is not None and turn.agent.config.when_closed is WhenClosed.MESSAGE:
        return await _told_when_it_opens(resources, turn, language, escalation, absence)
    ask_model = ask_model and not await goes_without(resources, turn, Extra.PACKET)
    packet = (
        await _write_packet(resources, turn, language, escalation, draft, work)
        if ask_model
        else None
    )
    if packet is None:
        why = (
            f"{escalation.rule} No model answered to write this." if ask_model else escalation.rule
        )
        packet = gather_packet(turn, why, draft)
    if work is not None:
        packet = packet.model_copy(update={"tool_steps": work.steps})
    turn.trace.add(
        "packet",
        written_by=packet.written_by,
        reason=escalation.reason,
        rule=escalation.rule,
        facts=len(packet.facts),
    )
    return Outcome(
        kind=OutcomeKind.HAND_OFF,
        language=language,
        reason=escalation.rule,
        escalation=escalation,
        packet=packet,
        remembered=tuple(work.remembered) if work else (),
    )


def _question(turn: Turn, language: str, asked: str, told: str, work: Work | None) -> str:
    """What the contact is asked while they wait: held to what any answer is, else nothing.

    Args:
        told: what who wrote it was told to do, and why. They were shown the draft, too, and it may be
            one that was refused for what it gives away.
    """
    if not asked.strip() or not turn.agent.config.asks_while_waiting:
        return ""
    bounds = replace(
        bounds_of(turn, language, work.prompt if work else None),
        limit=MOST_OF_A_QUESTION,
        canary=canary_of(turn.claim.tenant_id),
    )
    guarded = check(asked.strip(), bounds)
    # Apart, since a link in them is nobody's word: they may quote what a model gave as its reason.
    gives_away = leaks(asked, replace(bounds, secret=told))
    return "" if guarded.problem or gives_away else guarded.text


async def _told_when_it_opens(
    resources: Resources, turn: Turn, language: str, escalation: Escalation, absence: Absence
) -> Outcome:
    reason = f"{escalation.rule} It is outside business hours."
    told_as = absence.told_as(turn.claim.conversation_id)
    if not turn.trace.on_paper:
        async with resources.db.hot(turn.claim.tenant_id) as tx:
            if await was_sent(tx, told_as):
                why = f"{reason} The contact was told when it opens."
                return Outcome(OutcomeKind.IGNORE, language, why)
    return Outcome(OutcomeKind.REPLY, language, reason, text=absence.text, once_as=told_as)


async def _write_packet(
    resources: Resources,
    turn: Turn,
    language: str,
    escalation: Escalation,
    draft: Reply | None,
    work: Work | None,
) -> Packet | None:
    prompt = fill(
        await prompt_for(resources, turn, "handoff"),
        {"company_name": turn.agent.config.company_name, "reason": escalation.why},
    )
    lines = transcript(turn)
    memory = turn.background.memory
    notes = f"{memory.summary.as_data(with_ids=True)}\n" if memory else ""
    thread = "\n".join(
        f"[{message_id}] {author}: {as_data(text)}" for message_id, author, text in lines
    )
    last_draft = f"\n<draft>{as_data(draft.text)}</draft>" if draft else ""
    steps = "\n".join(as_data(step) for step in work.steps) if work else ""
    tools = f"\n<tools>\n{steps}\n</tools>" if steps else ""
    # Not in the system message, which is sent as it is: it may quote what the contact wrote.
    rule = f"\n<reason>{as_data(escalation.rule)}</reason>"
    data = f"{notes}<transcript>\n{thread}\n</transcript>{tools}{last_draft}{rule}"
    try:
        completion = await ask(
            resources,
            turn,
            "handoff",
            (
                {"role": "system", "content": prompt.text},
                {"role": "user", "content": data},
            ),
            HandoffPacket,
            prompt=prompt,
            max_output_tokens=900,
            deadline_seconds=PACKET_DEADLINE_SECONDS,
        )
    except (Unavailable, BudgetReached, PromptRejected) as error:
        turn.trace.add("packet", error=str(error))
        return None
    written = completion.parsed
    assert isinstance(written, HandoffPacket)
    told = f"{prompt.text}\n{escalation.rule}"
    known = {str(message_id) for message_id, _, _ in lines}
    known |= {str(fact.message_id) for fact in memory.summary.facts} if memory else set()
    return Packet(
        written_by=completion.model,
        **written.model_dump(exclude={"facts", "confidence", "question_meanwhile"}),
        question_meanwhile=_question(turn, language, written.question_meanwhile, told, work),
        # Of its answer the agent knows itself; of a packet, its writer.
        confidence=draft.confidence if draft else written.confidence,
        prompt_version=prompt.prompt.version,
        call_ids=list(completion.call_ids),
        # A fact without its message is a claim of the model's own.
        facts=[
            PacketFact(text=f.text, message_id=f.message_id)
            for f in written.facts
            if f.message_id in known
        ],
    )


def gather_packet(turn: Turn, why: str, draft: Reply | None) -> Packet:
    """A packet without a model: what is known of the thread, and why people get it."""
    lines = transcript(turn)
    return plain_packet(
        memory=turn.background.memory,
        contact_lines=[(str(i), text) for i, author, text in lines if author == "contact"],
        agent_lines=[text for _, author, text in lines if author == "agent"],
        reasoning=why if draft is None else f"{why} {draft.reasoning}",
        confidence=draft.confidence if draft else None,
        suggested_next_action=draft.suggested_next_action if draft else None,
    )
