"""A model as judge of tone and rubric, which is heeded only where it agrees with people."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk import gateway
from frontdesk.agent_config import AgentSnapshot, masking_of
from frontdesk.core.resources import Resources
from frontdesk.evaluation.case_schemas import CaseBody
from frontdesk.evaluation.costs import Costs
from frontdesk.evaluation.rules import Agreement
from frontdesk.evaluation.schemas import JudgedPublic
from frontdesk.prompts import as_data, fill, load_prompt

FEATURE = "judge"
# Where nobody says what is good: for traffic.
ANY_GOOD_ANSWER = (
    "It answers what was asked, or says plainly what it cannot tell; it promises nothing it should "
    "not; it is polite and fit to be sent."
)
_OUTPUT_TOKENS = 400
_MOST_EXAMPLES = 40


class Judgement(BaseModel):
    """What a judge makes of an answer. The reasons come first: a model that has judged already only
    looks for excuses."""

    reasons: str = Field(description="One or two sentences.")
    score: int = Field(description="1 (not at all) to 5 (entirely).", ge=1, le=5)
    passes: bool = Field(description="Whether it may be sent as it is.")


async def judge(
    resources: Resources,
    tenant_id: UUID,
    agent: AgentSnapshot,
    *,
    asked: Sequence[str],
    answer: str,
    tone: str = "",
    rubric: str = "",
    contact_name: str | None,
    costs: Costs,
) -> JudgedPublic:
    """What the judge says of an answer, at temperature 0.

    Args:
        contact_name: of who asked, where that is known; masked, as it was in what was answered.

    Raises:
        ModelsUnavailable, BudgetReached, PromptRejected: no model could be asked.
    """
    prompt = await load_prompt(resources, tenant_id, "judge")
    filled = fill(
        prompt, {"company_name": agent.config.company_name, "tone": tone, "rubric": rubric}
    )
    said = as_data("\n".join(asked))
    completion = await gateway.complete(
        resources,
        gateway.CompletionRequest(
            tenant_id=tenant_id,
            masking=masking_of(agent.config, contact_name, None),
            feature=FEATURE,
            messages=(
                {"role": "system", "content": filled.text},
                {
                    "role": "user",
                    "content": f"<asked>\n{said}\n</asked>\n<answer>\n{as_data(answer)}\n</answer>",
                },
            ),
            schema=Judgement,
            temperature=0,
            max_output_tokens=_OUTPUT_TOKENS,
            agent_id=agent.agent_id,
            prompt_name=prompt.name,
            prompt_version=prompt.version,
            variables=filled.variables,
        ),
    )
    costs.count(completion)
    found = completion.parsed
    assert isinstance(found, Judgement)
    return JudgedPublic(passes=found.passes, score=found.score, reasons=found.reasons)


async def calibrate(
    resources: Resources,
    tenant_id: UUID,
    agent: AgentSnapshot,
    cases: Sequence[CaseBody],
    costs: Costs,
) -> Agreement:
    """How often the judge agrees with the people who labelled the cases' examples.

    Raises:
        ModelsUnavailable, BudgetReached, PromptRejected: no model could be asked.
    """
    examples = [(case, label) for case in cases if case.is_judged for label in case.labelled]
    agreed = 0
    for case, label in examples[:_MOST_EXAMPLES]:
        judged = await judge(
            resources,
            tenant_id,
            agent,
            asked=case.messages,
            answer=label.answer,
            tone=case.tone,
            rubric=case.rubric,
            contact_name=case.contact.name,
            costs=costs,
        )
        agreed += judged.passes == label.passes
    return Agreement(agreed, min(len(examples), _MOST_EXAMPLES))
