"""When the money for models is used up: an answer from knowledge word for word, or a person.

Cheaper models have been tried by then; the gateway sees to that.
"""

from dataclasses import replace

from frontdesk import knowledge
from frontdesk.core.resources import Resources
from frontdesk.gateway import BudgetReached
from frontdesk.knowledge import Chunk
from frontdesk.pipeline.asking import look_up
from frontdesk.pipeline.checks import Guarded, check
from frontdesk.pipeline.escalate import handed_off
from frontdesk.pipeline.guard import bounds_of
from frontdesk.pipeline.ruling import look, must
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Turn

# So much of what was asked must stand in a piece of knowledge for it to be an answer by itself.
_COVERED = 0.5


async def answer_on_a_budget(
    resources: Resources, turn: Turn, language: str, reached: BudgetReached
) -> Outcome:
    """What becomes of a burst for which no model may be asked; the trace says which budget it was."""
    if rule := look(turn, own=True, budget_spent=str(reached)):
        return await handed_off(resources, turn, language, rule, ask_model=False)
    found = await look_up(resources, turn, turn.burst_text)
    chunk = _plain_answer(turn.burst_text, found.chunks)
    guarded = None if chunk is None else _guarded(turn, language, chunk)
    answered = chunk is not None and guarded is not None and guarded.problem is None
    turn.trace.add(
        "budget",
        reason=str(reached),
        step="knowledge" if answered else "person",
        source=chunk.title if chunk else None,
        problem=guarded.problem if guarded else None,
    )
    if chunk is None or guarded is None or guarded.problem is not None:
        rule = must(turn, budget_spent=str(reached))
        return await handed_off(resources, turn, language, rule, ask_model=False)
    return Outcome(
        kind=OutcomeKind.REPLY,
        language=language,
        reason=f"{reached} Answered with “{chunk.title}” word for word.",
        text=guarded.text,
    )


def _plain_answer(question: str, chunks: tuple[Chunk, ...]) -> Chunk | None:
    """The one piece that plainly answers a question; None when none does, or several might."""
    covered = {chunk.id: knowledge.coverage(question, chunk) for chunk in chunks}
    best = sorted(chunks, key=lambda chunk: -covered[chunk.id])
    if not best or covered[best[0].id] < _COVERED:
        return None
    if len(best) > 1 and covered[best[1].id] == covered[best[0].id]:
        return None
    return best[0]


def _guarded(turn: Turn, language: str, chunk: Chunk) -> Guarded:
    bounds = bounds_of(turn, language)
    return check(chunk.text, replace(bounds, quotable=chunk.text))
