"""Stage 6: what may leave, with one repair by the model if it takes that; else a person answers."""

from dataclasses import replace

from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traced
from frontdesk.pipeline.checks import Bounds, Guarded, check, joined
from frontdesk.pipeline.prompt import Prompt
from frontdesk.pipeline.reply import draft_reply
from frontdesk.pipeline.tool_loop import ABOUT_TOOLS
from frontdesk.pipeline.turn import Reply, Triaged, Turn


@traced("guard")
async def guard_draft(
    resources: Resources,
    turn: Turn,
    triaged: Triaged,
    prompt: Prompt,
    draft: Reply,
    *,
    for_people: bool = False,
) -> Guarded:
    """The draft made fit to be sent, with one repair by the model if it takes that.

    Args:
        for_people: one of them will send it, who may promise that a colleague gets in touch.

    Raises:
        ModelsUnavailable: the repair found no model.
    """
    bounds = replace(bounds_of(turn, triaged.language, prompt), may_promise_a_person=for_people)
    guarded = check(draft.text, bounds)
    repaired = False
    if guarded.problem is not None:
        turn.trace.add("guard", problem=guarded.problem, text=draft.text[:500])
        wish = (
            f"Your last draft can't be sent: {guarded.problem}. Answer again, in the language "
            f"{triaged.language}, in at most {bounds.limit} characters."
        )
        second = await draft_reply(resources, turn, prompt, repair=wish)
        guarded = check(second.text, bounds)
        if guarded.problem is None and second.action == "escalate" and not for_people:
            guarded = Guarded(guarded.text, "the agent would rather have a person answer")
        repaired = True
    verdict = "refused" if guarded.problem else "repaired" if repaired else "passed"
    resources.metrics.guard.labels(verdict).inc()
    turn.trace.add(
        "guard", problem=guarded.problem, characters=len(guarded.text), repaired=repaired
    )
    return guarded


def bounds_of(turn: Turn, language: str, prompt: Prompt | None = None) -> Bounds:
    """What an answer of this turn is held to; without a prompt there is nothing it could give away."""
    config = turn.agent.config
    thread = (*turn.background.history, *turn.background.burst)
    variables = prompt.filled.variables if prompt else {}
    facts = str(variables.get("facts", ""))
    return Bounds(
        language=language,
        offered=tuple(config.languages),
        limit=config.max_reply_characters,
        secret=joined((prompt.system, ABOUT_TOOLS)) if prompt else "",
        instructions=joined((config.persona, config.brand_voice, config.instructions)),
        quotable=joined(
            (
                facts,
                prompt.looked_up if prompt else None,
                config.greeting,
                turn.hand_back.note if turn.hand_back else None,
                *(m.text for m in thread if m.author != "contact"),
            )
        ),
        answered=prompt.tool_results if prompt else "",
        asked=prompt.tool_arguments if prompt else "",
        theirs=joined(m.text for m in thread if m.author == "contact"),
        hosts=config.link_hosts,
        canary=prompt.canary if prompt else None,
    )
