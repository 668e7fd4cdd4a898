"""How the stages of a turn ask a model: who it is for, what it may take, and what it has cost."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from frontdesk import gateway, knowledge
from frontdesk.core.resources import Resources
from frontdesk.gateway import Completion
from frontdesk.knowledge import Found
from frontdesk.pipeline.turn import Turn
from frontdesk.prompts import FilledPrompt, PromptSnapshot, load_prompt


async def prompt_for(resources: Resources, turn: Turn, name: str) -> PromptSnapshot:
    """The prompt in use, or what an experiment gives the turn's conversation instead.

    On paper a turn is of no conversation, so it gets what is to be tried, or what is in production.
    """
    if name in turn.prompts:
        return turn.prompts[name]
    return await load_prompt(
        resources, turn.claim.tenant_id, name, conversation_id=turn.billed_conversation_id
    )


async def look_up(resources: Resources, turn: Turn, question: str, limit: int = 6) -> Found:
    """What a turn's agent knows of a question; its vector is paid for by the conversation."""
    return await knowledge.look_up(
        resources,
        turn.claim.tenant_id,
        turn.claim.agent_id,
        question,
        limit,
        conversation_id=turn.billed_conversation_id,
        contact_id=turn.billed_contact_id,
        masking=turn.masking,
    )


async def ask(
    resources: Resources,
    turn: Turn,
    feature: str,
    messages: tuple[Mapping[str, Any], ...],
    schema: type[BaseModel],
    *,
    prompt: FilledPrompt,
    max_output_tokens: int,
    temperature: float = 0,
    deadline_seconds: float | None = None,
    chunk_ids: tuple[str, ...] = (),
    tools: tuple[Mapping[str, Any], ...] = (),
    cacheable: bool = False,
    is_followed: bool = False,
) -> Completion:
    """Ask a model on behalf of a turn; its trace counts what that took.

    Args:
        prompt: what `messages` were made with.
        tools: what the model may have called before it answers.
        cacheable: nothing of this one conversation is in it; on paper each answer is a fresh one.
        is_followed: the turn's next call comes soon, and takes the record of this one with it.
        deadline_seconds: None for what is left of the turn's one deadline.

    Raises:
        ModelsUnavailable: no model gave a usable answer before the deadline.
        PromptRejected: the models refuse this very prompt.
        BudgetReached: the money for models is used up.
    """
    used, exposure = prompt.prompt, prompt.prompt.exposure
    burst = turn.background.burst
    if exposure is not None:
        turn.trace.expose(used.name, used.version, exposure)
    if deadline_seconds is None:
        deadline_seconds = turn.seconds_left(resources.settings.llm.deadline_seconds)
    completion = await gateway.complete(
        resources,
        gateway.CompletionRequest(
            tenant_id=turn.claim.tenant_id,
            feature=turn.trace.feature or feature,
            routed_as=feature,
            messages=messages,
            schema=schema,
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            models=turn.agent.config.models,
            deadline_seconds=deadline_seconds,
            masking=turn.masking,
            conversation_id=turn.billed_conversation_id,
            contact_id=turn.billed_contact_id,
            message_id=burst[-1].id if burst else None,
            user_id=turn.trace.user_id,
            agent_id=turn.claim.agent_id,
            agent_version=turn.agent.version,
            prompt_name=used.name,
            prompt_version=used.version,
            variables=prompt.variables,
            experiment_id=exposure.experiment_id if exposure else None,
            variant=exposure.variant if exposure else None,
            chunk_ids=chunk_ids,
            tools=tools,
            cacheable=cacheable and not turn.trace.on_paper,
            is_followed=is_followed and not turn.trace.on_paper,
        ),
    )
    if completion.thrift is not None:
        turn.trace.add(
            "budget", reason=completion.thrift, step="cheaper model", model=completion.model
        )
    turn.trace.count(completion)
    return completion
