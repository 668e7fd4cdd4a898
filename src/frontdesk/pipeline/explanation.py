"""Why a message is as it is, put together from what was recorded of it: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from frontdesk.conversation import Actor, Direction, MessagePublic, TurnPublic
from frontdesk.escalation import SentDraft
from frontdesk.knowledge import Piece
from frontdesk.observability import LlmCallSummary
from frontdesk.pipeline.explain_schemas import (
    AskedMessage,
    ExplainedCall,
    ExplainedPiece,
    ExplainedStep,
    ExplanationPublic,
    SentBy,
)
from frontdesk.pipeline.sentences import Line, failure_words, guard_findings_of, rules_of, steps_of

_UNEXPLAINED = {
    Direction.IN: "No turn has taken care of this message yet.",
    Direction.OUT: "No turn made this message.",
}


@dataclass(frozen=True)
class Recorded:
    """All that is recorded of a message.

    `burst` is what the contact said that its turn takes care of, `pieces` those pieces of knowledge
    in its prompt that still exist, `names` those of users by their ids.
    """

    message: MessagePublic
    conversation_id: UUID
    burst: tuple[MessagePublic, ...] = ()
    turn: TurnPublic | None = None
    calls: tuple[LlmCallSummary, ...] = ()
    texts_gone_at: datetime | None = None
    pieces: Mapping[UUID, Piece] | None = None
    draft: SentDraft | None = None
    names: Mapping[UUID, str] | None = None


def explain(found: Recorded) -> ExplanationPublic:
    """The explanation of a message, ours or the contact's."""
    message, turn = found.message, found.turn
    trace: Sequence[Line] = turn.trace if turn else ()
    loaded = next((line for line in trace if line["stage"] == "load"), {})
    return ExplanationPublic(
        message_id=message.id,
        conversation_id=found.conversation_id,
        direction=message.direction,
        text=message.text,
        created_at=message.created_at,
        summary=_summary(found),
        asked=[
            AskedMessage(message_id=m.id, text=m.text, created_at=m.created_at) for m in found.burst
        ],
        turn_id=turn.id if turn else None,
        outcome=turn.outcome if turn else None,
        reason=turn.reason if turn else None,
        steps=[ExplainedStep(**vars(step)) for step in steps_of(trace)],
        rules=list(rules_of(trace)),
        knowledge=_knowledge(trace, found.pieces or {}),
        calls=[_call(call) for call in found.calls],
        guard=list(guard_findings_of(trace)),
        sent_by=_sent_by(found),
        input_tokens=turn.input_tokens if turn else 0,
        output_tokens=turn.output_tokens if turn else 0,
        cost_usd=turn.cost_usd if turn else Decimal(0),
        seconds=turn.latency_seconds if turn else None,
        waited_seconds=loaded.get("waited_seconds"),
        delivery=message.delivery or message.state,
        error=message.error,
        trace_id=loaded.get("trace_id"),
        gone=_gone(found),
    )


def _summary(found: Recorded) -> str:
    message, turn = found.message, found.turn
    if message.ignored_reason is not None:
        return f"This message asks for no answer ({message.ignored_reason.replace('_', ' ')})."
    if turn is None:
        if message.direction is Direction.OUT:
            return f"{_author(found)} {_UNEXPLAINED[Direction.OUT]}"
        return _UNEXPLAINED[Direction.IN]
    if message.direction is Direction.OUT:
        return f"{_author(found)} It answers what is under `asked`."
    by = "The AI agent" if turn.by == Actor.AGENT else _person(found, turn.user_id) or "Frontdesk"
    words = {
        "replied": "answered it",
        "handoff": "gave it to people",
        "ignored": "left it without an answer",
        "refused": "said what the desk is for",
    }
    why = f": {turn.reason}" if turn.reason else "."
    return f"{by} {words.get(turn.outcome, turn.outcome)}{why}"


def _author(found: Recorded) -> str:
    message = found.message
    if message.author == Actor.AGENT:
        return "The AI agent wrote this."
    if message.author == Actor.HUMAN_AGENT:
        return f"{_person(found, message.user_id) or 'A person, on the phone app,'} wrote this."
    return "Frontdesk sent this by itself, as the agent's configuration says."


def _person(found: Recorded, user_id: UUID | None) -> str | None:
    if user_id is None:
        return None
    return (found.names or {}).get(user_id, "Somebody who has left")


def _sent_by(found: Recorded) -> SentBy:
    message, turn, draft = found.message, found.turn, found.draft
    versions = {
        f"{call.prompt_name} {call.prompt_version}" for call in found.calls if call.prompt_version
    }
    drafted = None
    if draft is not None:
        changed = f", {draft.edit_ratio:.0%} of it changed" if draft.edit_ratio else ""
        drafted = f"From a draft of a model, {draft.fate}{changed}."
        if draft.prompt_version:
            versions.add(f"{draft.prompt_name} {draft.prompt_version}")
    return SentBy(
        author=message.author,
        user_id=message.user_id,
        name=_person(found, message.user_id),
        agent_version=turn.agent_version if turn else None,
        prompts=sorted(versions),
        experiments=[
            f"{item.get('prompt')}: {item.get('variant')}"
            for item in (turn.exposures if turn else None) or ()
        ],
        draft=drafted,
    )


def _knowledge(trace: Sequence[Line], pieces: Mapping[UUID, Piece]) -> list[ExplainedPiece]:
    """What the prompt held, best first, and which of it the model named as its facts."""
    shown = next((line for line in reversed(trace) if line["stage"] == "prompt"), None)
    if shown is None:
        return []
    named = {
        source
        for line in trace
        if line["stage"] in ("reply", "repair")
        for source in line.get("sources") or ()
    }
    told = []
    titles = [*(shown.get("sources") or ())]
    for rank, found in enumerate(shown.get("chunks") or (), start=1):
        chunk_id = UUID(found["id"])
        piece = pieces.get(chunk_id)
        title = titles[rank - 1] if rank <= len(titles) else piece.title if piece else ""
        told.append(
            ExplainedPiece(
                chunk_id=chunk_id,
                source_id=piece.source_id if piece else None,
                title=title,
                rank=rank,
                found_by=found_by(found),
                score=found.get("score"),
                was_named=title in named,
                text=piece.text if piece else None,
                is_gone=piece is None,
                is_in_use=piece is not None and piece.enabled,
            )
        )
    return told


def found_by(places: Line) -> str:
    """How a piece of knowledge was found, in words."""
    ways = {
        "by_words": "place {} by its words",
        "by_letters": "place {} by its letters",
        "by_meaning": "place {} by its meaning",
    }
    told = [words.format(places[name]) for name, words in ways.items() if places.get(name)]
    if places.get("has_code"):
        told.append("it holds a number that was asked for")
    return ", ".join(told) or "the agent knows so little that all of it was shown"


def _call(call: LlmCallSummary) -> ExplainedCall:
    why = None if call.outcome == "ok" else failure_words(call.outcome)
    return ExplainedCall(
        call_id=call.id,
        request_id=call.request_id,
        feature=call.feature,
        model=call.model_asked,
        attempt=call.attempt,
        outcome=call.outcome,
        why=why,
        prompt=f"{call.prompt_name} {call.prompt_version}" if call.prompt_version else None,
        cache_hit=call.cache_hit,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cost_usd=call.cost_usd,
        seconds=call.latency_seconds,
        link=f"/api/v1/llm-calls/{call.id}",
    )


def _gone(found: Recorded) -> list[str]:
    """What can't be told any more, so that nobody takes silence for an answer."""
    told = []
    if found.message.revoked_at is not None:
        told.append("The contact took this message back, and its text is gone.")
    if found.texts_gone_at is not None:
        told.append(
            f"What models were asked and answered was deleted on {found.texts_gone_at:%Y-%m-%d}; "
            "tokens, costs and outcomes are left."
        )
    turn = found.turn
    if turn is not None and turn.by == Actor.AGENT and not turn.trace:
        told.append("The turn's trace is gone: it was erased.")
    missing = [p for p in _knowledge(turn.trace if turn else (), found.pieces or {}) if p.is_gone]
    if missing:
        names = ", ".join(dict.fromkeys(piece.title for piece in missing))
        told.append(f"Knowledge was changed or deleted since: {names}.")
    return told
