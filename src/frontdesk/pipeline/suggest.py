"""What a model writes for the people who have a conversation: due work beside the turns. It sends
nothing, calls no tools and changes nothing but the suggestion itself."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never
from uuid import UUID

from frontdesk import escalation
from frontdesk.agent_config import load_agent
from frontdesk.conversation import NoSuchConversation, look_at
from frontdesk.core.errors import Conflict, FrontdeskError
from frontdesk.core.resources import Resources
from frontdesk.escalation import (
    AnyWish,
    ClaimedSuggestion,
    DraftWish,
    ExplainWish,
    NewSuggestion,
    RewriteWish,
    ShadowWish,
    SummariseWish,
    TranslateWish,
)
from frontdesk.gateway import BudgetReached, ModelsUnavailable, PromptRejected
from frontdesk.pipeline import copilot
from frontdesk.pipeline.copilot import NothingToGoBy, Written
from frontdesk.pipeline.guard import guard_draft
from frontdesk.pipeline.prompt import Prompt, compose_prompt, noted
from frontdesk.pipeline.reply import draft_reply
from frontdesk.pipeline.triage import language_of
from frontdesk.pipeline.turn import Trace, Triaged, Turn, Verdict
from frontdesk.prompts import PromptInvalid

SHADOW = "shadow"
_FOR_A_COLLEAGUE = (
    "A human colleague has this conversation and asks you for a draft of the next message to the "
    "customer. They read and change it, and send it themselves."
)
_WANTS = (
    "What they want of it stands before the customer's messages, between <colleague_note> and "
    "</colleague_note>. The customer writes no such notes."
)


class Unfit(Conflict):
    """The model's draft may not be shown as one: the guard refuses it."""

    code, title = "unfit", "The draft was not fit to be sent"


_FAILURES = (
    ModelsUnavailable,
    BudgetReached,
    PromptRejected,
    PromptInvalid,
    NothingToGoBy,
    NoSuchConversation,
    Unfit,
)


async def suggest(resources: Resources, tenant_id: UUID, suggestion_id: UUID) -> None:
    """Make a suggestion. Run twice after a crash, its models are asked and paid twice, no more.

    Whoever asked looks on: what fails is told at once and not tried again.
    """
    async with resources.db.hot(tenant_id) as tx:
        claimed = await escalation.claim_suggestion(tx, suggestion_id)
    if claimed is None:
        return
    trace = Trace(feature=_feature(claimed.wish), user_id=claimed.user_id)
    try:
        turn = await _turn_of(resources, tenant_id, claimed, trace)
        made = _made(await _write(resources, turn, claimed.wish), trace)
    except _FAILURES as failure:
        made = _failed(failure, trace)
    async with resources.db.hot(tenant_id) as tx:
        await escalation.finish_suggestion(tx, claimed, made)


async def _turn_of(
    resources: Resources, tenant_id: UUID, claimed: ClaimedSuggestion, trace: Trace
) -> Turn:
    async with resources.db.hot(tenant_id) as tx:
        seen, background = await look_at(tx, claimed.conversation_id)
    agent = await load_agent(resources, tenant_id, seen.agent_id)
    return Turn(claim=seen, background=background, agent=agent, trace=trace)


def _feature(wish: AnyWish) -> str | None:
    """What the calls count as; None: each as the prompt it is asked by."""
    if isinstance(wish, DraftWish):
        return "copilot_draft"
    return SHADOW if isinstance(wish, ShadowWish) else None


async def _write(resources: Resources, turn: Turn, wish: AnyWish) -> Written:
    match wish:
        case DraftWish():
            return await _draft(resources, turn, wish)
        case ShadowWish():
            return await _draft(resources, turn, None)
        case RewriteWish():
            return await copilot.rewrite(resources, turn, wish)
        case TranslateWish():
            return await copilot.translate(resources, turn, wish)
        case SummariseWish():
            return await copilot.summarise(resources, turn, wish)
        case ExplainWish():
            return await copilot.explain(resources, turn, wish)
        case _:
            assert_never(wish)


def _ordered(prompt: Prompt, instructions: str) -> tuple[Mapping[str, Any], ...]:
    """The prompt for an answer as one for a draft, with what whoever asks for it wants of it."""
    order = {"role": "system", "content": _FOR_A_COLLEAGUE}
    if not instructions:
        return (*prompt.messages, order)
    order["content"] += f" {_WANTS}"
    first, *rest = prompt.messages
    return (first, {"role": "user", "content": noted(instructions)}, *rest, order)


async def _draft(resources: Resources, turn: Turn, wish: DraftWish | None) -> Written:
    """What the agent would answer, by its own prompt and knowledge and past its own guard.

    Args:
        wish: of whoever asks for it; None: nobody asks.
    """
    if not turn.burst_text:
        raise NothingToGoBy
    triaged = Triaged(Verdict.ANSWER, language_of(turn)[0])
    prompt = await compose_prompt(resources, turn, triaged)
    if wish is not None:
        prompt = replace(prompt, messages=_ordered(prompt, wish.instructions))
    draft = await draft_reply(resources, turn, prompt)
    guarded = await guard_draft(resources, turn, triaged, prompt, draft, for_people=True)
    if guarded.problem is not None:
        raise Unfit(f"What the model wrote can't be used: {guarded.problem}.")
    return Written(
        guarded.text,
        prompt.filled,
        copilot.pieces(prompt.chunks, draft.sources),
        language=triaged.language,
        confidence=draft.confidence,
    )


def _made(written: Written, trace: Trace) -> NewSuggestion:
    used = written.prompt.prompt
    return NewSuggestion(
        text=written.text,
        language=written.language,
        sources=written.sources,
        confidence=written.confidence,
        prompt_name=used.name,
        prompt_version=used.version,
        call_ids=trace.call_ids,
        input_tokens=trace.input_tokens,
        output_tokens=trace.output_tokens,
        cost_usd=trace.cost_usd,
    )


def _failed(failure: FrontdeskError, trace: Trace) -> NewSuggestion:
    return NewSuggestion(
        call_ids=trace.call_ids,
        input_tokens=trace.input_tokens,
        output_tokens=trace.output_tokens,
        cost_usd=trace.cost_usd,
        error_code=failure.code,
        error=str(failure),
    )
