"""Stage 3, before the prompt: what is looked up for a burst, and what the knowledge has of it.

A question that leans on what was said before is looked up together with the contact's last one, or
as a cheap model writes it out, where the agent is set so. Another call may put what was found into
order. Neither is needed for an answer: without a model's help it goes on as without.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, Field

from frontdesk import knowledge
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean, excerpt
from frontdesk.gateway import BudgetReached, ModelsUnavailable, PromptRejected
from frontdesk.knowledge import Chunk, Fit, Found
from frontdesk.pipeline.asking import ask, look_up, prompt_for
from frontdesk.pipeline.turn import Turn
from frontdesk.prompts import as_data, fill

NO_HELP = (ModelsUnavailable, BudgetReached, PromptRejected)
# The contact waits for it, and the answer is still to come.
_DEADLINE_SECONDS = 4.0
_SHOWN_MESSAGES = 6
_SHOWN_CHARACTERS = 600
_MOST_QUESTION_CHARACTERS = 500
# A wide net, of which the best are kept.
_WIDE, _KEPT = 12, 6


class RewrittenQuestion(BaseModel):
    """A question that stands by itself."""

    question: str = Field(
        description="The question, as asked by somebody who has said nothing yet."
    )


class PieceOrder(BaseModel):
    """Pieces of knowledge in the order in which they answer a question."""

    order: list[int] = Field(description="Numbers of the pieces that help, the best first.")


@dataclass(frozen=True)
class Question:
    """What is looked up.

    Args:
        how: as it was asked, joined to the one before, or rewritten by a model.
    """

    text: str
    how: Literal["asked", "joined", "rewritten"] = "asked"


async def look_up_for(resources: Resources, turn: Turn) -> tuple[Question, Found]:
    """What a burst asks, and what the agent knows of it; the trace tells how a model helped."""
    config = turn.agent.config
    question = await question_of(resources, turn)
    limit = _WIDE if config.reranks_knowledge else _KEPT
    with resources.metrics.retrieval_seconds.time():
        found = await look_up(resources, turn, question.text, limit)
    if config.reranks_knowledge and found.relevance.fit is Fit.FITS and len(found.chunks) > 1:
        found = await _reranked(resources, turn, question, found)
    return question, found


async def question_of(resources: Resources, turn: Turn) -> Question:
    """What is looked up for a burst: its text, or what that means after what was said before."""
    asked = turn.seen_text
    earlier = [m.text for m in turn.background.history if m.author == "contact" and m.text]
    if turn.agent.config.rewrites_questions and earlier and knowledge.leans_on_before(asked):
        rewritten = await _rewritten(resources, turn, asked)
        if rewritten is not None:
            return Question(rewritten, "rewritten")
    joined = knowledge.stand_alone(asked, earlier)
    return Question(joined, "asked" if joined == asked else "joined")


async def _rewritten(resources: Resources, turn: Turn, asked: str) -> str | None:
    """The question as a model writes it out; None when none does."""
    prompt = fill(
        await prompt_for(resources, turn, "rewrite"),
        {"company_name": turn.agent.config.company_name},
    )
    shown = "\n".join(
        f"{m.author}: {as_data(excerpt(m.words, _SHOWN_CHARACTERS))}"
        for m in turn.background.history[-_SHOWN_MESSAGES:]
        if m.words
    )
    told = f"<transcript>\n{shown}\n</transcript>\n<question>\n{as_data(asked)}\n</question>"
    try:
        completion = await ask(
            resources,
            turn,
            "rewrite",
            ({"role": "system", "content": prompt.text}, {"role": "user", "content": told}),
            RewrittenQuestion,
            prompt=prompt,
            max_output_tokens=300,
            deadline_seconds=_DEADLINE_SECONDS,
        )
    except NO_HELP as error:
        turn.trace.add("rewrite", error=str(error))
        return None
    answer = completion.parsed
    assert isinstance(answer, RewrittenQuestion)
    text = clean(answer.question).strip()[:_MOST_QUESTION_CHARACTERS]
    turn.trace.add(
        "rewrite", asked=asked, question=text, model=completion.model, cost_usd=completion.cost_usd
    )
    return text or None


async def _reranked(resources: Resources, turn: Turn, question: Question, found: Found) -> Found:
    """What was found in a model's order, the best of it only; as it was when no model helps."""
    prompt = fill(
        await prompt_for(resources, turn, "rerank"),
        {"company_name": turn.agent.config.company_name},
    )
    pieces = "\n\n".join(
        f"{number}. {as_data(chunk.title)}\n{as_data(chunk.text)}"
        for number, chunk in enumerate(found.chunks, start=1)
    )
    told = f"<question>\n{as_data(question.text)}\n</question>\n<pieces>\n{pieces}\n</pieces>"
    try:
        completion = await ask(
            resources,
            turn,
            "rerank",
            ({"role": "system", "content": prompt.text}, {"role": "user", "content": told}),
            PieceOrder,
            prompt=prompt,
            max_output_tokens=300,
            deadline_seconds=_DEADLINE_SECONDS,
            chunk_ids=tuple(str(chunk.id) for chunk in found.chunks),
        )
    except NO_HELP as error:
        turn.trace.add("rerank", error=str(error))
        return replace(found, chunks=found.chunks[:_KEPT])
    answer = completion.parsed
    assert isinstance(answer, PieceOrder)
    chunks = in_order(found.chunks, answer.order)
    turn.trace.add(
        "rerank",
        order=answer.order,
        kept=[chunk.title for chunk in chunks],
        model=completion.model,
        cost_usd=completion.cost_usd,
    )
    return replace(found, chunks=chunks)


def in_order(chunks: Sequence[Chunk], order: Sequence[int]) -> tuple[Chunk, ...]:
    """The pieces a model names, in its order, and behind them those it leaves out: it may be wrong.

    Args:
        order: numbers from 1 on; what is no piece's number is passed over.
    """
    named = [chunks[number - 1] for number in dict.fromkeys(order) if 0 < number <= len(chunks)]
    return (*named, *(chunk for chunk in chunks if chunk not in named))[:_KEPT]
