"""The shadow agent: it thinks a turn through like any other, and people get what it would have said."""

from dataclasses import replace

from frontdesk.escalation import Escalation, NewSuggestion, Reason
from frontdesk.pipeline.escalate import gather_packet
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Turn

_RULE = "The agent only proposes answers."


def proposed(turn: Turn, outcome: Outcome) -> Outcome:
    """The outcome itself, or with an agent that only proposes a handoff with its answer as proposal.

    What it ignores it ignores, and whom it hands over it hands over; in neither is a text of its own.
    """
    if not turn.agent.config.shadow or outcome.text is None:
        return outcome
    packet = gather_packet(turn, f"{_RULE} {outcome.reason}".strip(), None)
    trace = turn.trace
    proposal = NewSuggestion(
        text=outcome.text,
        language=outcome.language,
        sources=outcome.sources,
        confidence=outcome.confidence,
        prompt_name="reply" if outcome.prompt_version else None,
        prompt_version=outcome.prompt_version,
        call_ids=trace.call_ids,
        input_tokens=trace.input_tokens,
        output_tokens=trace.output_tokens,
        cost_usd=trace.cost_usd,
    )
    return replace(
        outcome,
        kind=OutcomeKind.HAND_OFF,
        reason=_RULE,
        text=None,
        closes=False,
        escalation=Escalation(Reason.SHADOW, _RULE),
        packet=packet.model_copy(update={"confidence": outcome.confidence}),
        proposal=proposal,
    )
