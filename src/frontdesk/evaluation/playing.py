"""One case played through the real stages on paper: a burst, or a whole conversation with a persona."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk import gateway, pipeline
from frontdesk.conversation import Memory, Remembered, Summary
from frontdesk.core import ids
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.evaluation.candidates import Pinned
from frontdesk.evaluation.case_schemas import CaseBody, PaperMemory, Persona
from frontdesk.evaluation.costs import Costs
from frontdesk.evaluation.judging import judge
from frontdesk.evaluation.rules import Action, Expected, Seen, failures
from frontdesk.evaluation.schemas import CaseResult, JudgedPublic, PaperLinePublic
from frontdesk.gateway import BudgetReached, PromptRejected
from frontdesk.pipeline import Outcome, OutcomeKind, PaperLine
from frontdesk.prompts import PromptInvalid, fill, load_prompt

FEATURE = "evaluation"
PERSONA = "persona"
_CUSTOMER_TOKENS = 400
# What keeps a case from being played at all: it fails and says so.
NO_ANSWER = (BudgetReached, Unavailable, PromptRejected, PromptInvalid)


class CustomerTurn(BaseModel):
    """What a played customer does next."""

    message: str = Field(description="What you write next; empty when you stop.")
    goal_reached: bool = Field(description="Whether the last answer gave you what you wanted.")
    gives_up: bool = Field(description="Whether you would leave now, without it.")
    reasoning: str = Field(description="One sentence on why.")


@dataclass
class Played:
    """A case while it is played, and what came of it."""

    costs: Costs = field(default_factory=Costs)  # What the desk would pay for it.
    around: Costs = field(default_factory=Costs)  # The judge's and the customer's.
    lines: list[PaperLine] = field(default_factory=list)
    outcome: Outcome | None = None
    turns: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def answers(self) -> str:
        """All that was answered."""
        return "\n".join(line.text for line in self.lines if line.author == "agent")


async def play(
    resources: Resources,
    tenant_id: UUID,
    pinned: Pinned,
    item_id: UUID,
    case: CaseBody,
    *,
    repeat: int = 1,
    heeds_judge: bool = False,
) -> CaseResult:
    """How a case goes. Asked again, models are asked and paid again; nothing else comes of it.

    Args:
        heeds_judge: a case fails when the judge says so; else its verdict is only told.
    """
    started = time.perf_counter()
    played = Played()
    judged: JudgedPublic | None = None
    try:
        if case.persona is None:
            history = [PaperLine(line.author, line.text) for line in case.history]
            await _answer(resources, tenant_id, pinned, case, played, history, case.messages)
        else:
            await _converse(resources, tenant_id, pinned, case, case.persona, played)
        seconds = time.perf_counter() - started
        played.problems += _problems(case, played, pinned)
        if case.is_judged and played.answers and not played.problems:
            judged = await judge(
                resources,
                tenant_id,
                pinned.agent,
                asked=case.messages or _said_by_contact(played),
                answer=played.answers,
                tone=case.tone,
                rubric=case.rubric,
                contact_name=case.contact.name,
                costs=played.around,
            )
            if heeds_judge and not judged.passes:
                played.problems.append(f"the judge: {judged.reasons}")
    except NO_ANSWER as error:
        seconds = time.perf_counter() - started
        played.problems.append(f"no answer: {error}")
    outcome = played.outcome
    return CaseResult(
        item_id=item_id,
        name=case.name,
        repeat=repeat,
        passed=not played.problems,
        failures=played.problems,
        judged=judged,
        outcome=outcome.kind if outcome else None,
        reason=outcome.reason if outcome else "",
        text=outcome.text if outcome else None,
        sources=_titles(outcome),
        turns=played.turns,
        transcript=(
            [PaperLinePublic(author=line.author, text=line.text) for line in played.lines]
            if case.persona
            else []
        ),
        seconds=round(seconds, 3),
        input_tokens=played.costs.input_tokens,
        output_tokens=played.costs.output_tokens,
        cost_usd=played.costs.usd,
        around_usd=played.around.usd,
        tags=case.tags,
    )


def action_of(outcome: Outcome) -> Action:
    """What became of a burst, in the words of cases."""
    if outcome.kind is OutcomeKind.REPLY:
        return Action.CLOSE if outcome.closes else Action.REPLY
    return Action(outcome.kind.value)


async def _answer(
    resources: Resources,
    tenant_id: UUID,
    pinned: Pinned,
    case: CaseBody,
    played: Played,
    history: Sequence[PaperLine],
    burst: Sequence[str],
) -> Outcome:
    turn = pipeline.on_paper(
        tenant_id,
        pinned.agent,
        burst,
        history=history,
        memory=_memory(case.memory),
        contact_name=case.contact.name,
        language=case.contact.language,
        prompts=pinned.prompts,
        feature=FEATURE,
    )
    try:
        turn = await pipeline.with_memory(resources, turn)
        outcome = await pipeline.think(resources, turn)
    finally:
        trace = turn.trace
        played.costs.add(trace.input_tokens, trace.output_tokens, trace.cost_usd)
    played.outcome = outcome
    played.turns += 1
    played.lines += [PaperLine("contact", text) for text in burst]
    if outcome.text:
        played.lines.append(PaperLine("agent", outcome.text))
    return outcome


async def _converse(
    resources: Resources,
    tenant_id: UUID,
    pinned: Pinned,
    case: CaseBody,
    persona: Persona,
    played: Played,
) -> None:
    """Let a persona write until the goal is reached, they give up, a person takes over, or it is
    too long."""
    history = [PaperLine(line.author, line.text) for line in case.history]
    reached = False
    for _ in range(persona.most_turns):
        customer = await _ask_customer(
            resources, tenant_id, pinned, persona, [*history, *played.lines], played.around
        )
        reached = customer.goal_reached
        if reached or customer.gives_up or not customer.message.strip():
            break
        so_far = [*history, *played.lines]
        outcome = await _answer(
            resources, tenant_id, pinned, case, played, so_far, [customer.message]
        )
        if outcome.kind is OutcomeKind.HAND_OFF:
            break
    if not reached and case.action not in (Action.HAND_OFF, Action.ANY):
        played.problems.append("the goal was not reached")


async def _ask_customer(
    resources: Resources,
    tenant_id: UUID,
    pinned: Pinned,
    persona: Persona,
    lines: Sequence[PaperLine],
    costs: Costs,
) -> CustomerTurn:
    prompt = await load_prompt(resources, tenant_id, PERSONA)
    filled = fill(
        prompt,
        {
            "company_name": pinned.agent.config.company_name,
            "who": persona.who,
            "goal": persona.goal,
            "mood": persona.mood,
            "language": persona.language,
            "facts": persona.facts,
        },
    )
    # Seen from the customer: what the desk answered is said to them.
    thread = [
        {"role": "assistant" if line.author == "contact" else "user", "content": line.text}
        for line in lines
    ]
    completion = await gateway.complete(
        resources,
        gateway.CompletionRequest(
            tenant_id=tenant_id,
            feature=FEATURE,
            routed_as=PERSONA,
            messages=(
                {"role": "system", "content": filled.text},
                *(thread or [{"role": "user", "content": "(You begin.)"}]),
            ),
            schema=CustomerTurn,
            temperature=0,
            max_output_tokens=_CUSTOMER_TOKENS,
            agent_id=pinned.agent.agent_id,
            prompt_name=prompt.name,
            prompt_version=prompt.version,
            variables=filled.variables,
        ),
    )
    costs.count(completion)
    found = completion.parsed
    assert isinstance(found, CustomerTurn)
    return found


def _problems(case: CaseBody, played: Played, pinned: Pinned) -> list[str]:
    outcome = played.outcome
    if outcome is None:
        return ["nothing was written"]
    offered = tuple(pinned.agent.config.languages)
    seen = Seen(
        action=action_of(outcome),
        text=played.answers,
        sources=_titles(outcome),
    )
    action = case.action
    if case.persona is not None and action is Action.REPLY and seen.action is not Action.HAND_OFF:
        action = Action.ANY  # The last burst may have been a thank-you, which nobody answers.
    expected = Expected(
        must_contain=case.must_contain,
        must_not_contain=case.must_not_contain,
        matches=case.matches,
        language=case.language,
        action=action,
        sources=case.sources,
    )
    return failures(
        expected, seen, language_of=lambda text: pipeline.read_language(text, offered).language
    )


def _titles(outcome: Outcome | None) -> list[str]:
    return [source.title for source in outcome.sources if source.title] if outcome else []


def _said_by_contact(played: Played) -> list[str]:
    return [line.text for line in played.lines if line.author == "contact"]


def _memory(kept: PaperMemory | None) -> Memory | None:
    if kept is None:
        return None
    return Memory(
        Summary(
            intent=kept.intent,
            facts=tuple(Remembered(text=fact, message_id=ids.NIL) for fact in kept.facts),
            promises=tuple(Remembered(text=text, message_id=ids.NIL) for text in kept.promises),
            open_questions=tuple(kept.open_questions),
        ),
        through_id=None,
    )
