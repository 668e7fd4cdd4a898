"""Stage 4: the model's draft. It proposes a text and an action; what happens is decided by code."""

from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traced
from frontdesk.pipeline.asking import ask
from frontdesk.pipeline.prompt import Prompt
from frontdesk.pipeline.turn import Reply, Turn


@traced("reply")
async def draft_reply(
    resources: Resources, turn: Turn, prompt: Prompt, *, repair: str | None = None
) -> Reply:
    """The model's proposal; with `repair`, a second one that mends what was wrong with the first.

    Raises:
        ModelsUnavailable: no model gave a usable answer before the deadline.
    """
    config = turn.agent.config
    messages = prompt.messages
    if repair is not None:
        messages = (*messages, {"role": "system", "content": repair})
    completion = await ask(
        resources,
        turn,
        "reply",
        messages,
        Reply,
        prompt=prompt.filled,
        max_output_tokens=config.max_output_tokens,
        temperature=config.temperature,
        chunk_ids=prompt.chunk_ids,
        cacheable=repair is None and not turn.background.history,
    )
    draft = completion.parsed
    assert isinstance(draft, Reply)
    turn.trace.add(
        "repair" if repair else "reply",
        action=draft.action,
        confidence=draft.confidence,
        reasoning=draft.reasoning,
        sources=draft.sources,
        suggested_next_action=draft.suggested_next_action,
        model=completion.model,
        cache_hit=completion.cache_hit,
        attempts=completion.attempts,
        failed=completion.failures,
        calls=[str(call_id) for call_id in completion.call_ids],
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        cost_usd=completion.cost_usd,
    )
    return draft
