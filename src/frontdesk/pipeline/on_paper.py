"""A turn made of messages that nobody wrote: it has no conversation, so nothing can be decided or sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from frontdesk.agent_config import AgentSnapshot
from frontdesk.conversation import (
    HISTORY_MESSAGES,
    VERBATIM_MESSAGES,
    Background,
    Claim,
    Memory,
    PastMessage,
    summarise_on_paper,
)
from frontdesk.core import ids
from frontdesk.core.resources import Resources
from frontdesk.pipeline.asking import prompt_for
from frontdesk.pipeline.turn import Trace, Turn
from frontdesk.prompts import PromptSnapshot


@dataclass(frozen=True)
class PaperLine:
    """Something that stands in the thread before the burst. `author`: contact, agent or human_agent."""

    author: str
    text: str


def on_paper(
    tenant_id: UUID,
    agent: AgentSnapshot,
    messages: Sequence[str],
    *,
    history: Sequence[PaperLine] = (),
    memory: Memory | None = None,
    contact_name: str | None = None,
    language: str | None = None,
    prompts: Mapping[str, PromptSnapshot] | None = None,
    feature: str | None = None,
) -> Turn:
    """The turn that `think` can be given to find out what an agent would answer.

    Args:
        agent: with the configuration to be tried, saved or not.
        messages: what the contact writes, in one burst.
        history: what stands before it, oldest first; none for a new contact.
        memory: what is remembered of what stands before the history.
        contact_name: masked in what models get, as a contact's is.
        language: the one the conversation has had so far (ISO 639-1).
        prompts: texts to be tried, by name; the others are what is in production.
        feature: what its model calls count as; None: each as what it is.
    """
    past = tuple(
        _message(line.author, line.text, number if line.author == "contact" else None)
        for number, line in enumerate(history, start=1)
    )
    burst = tuple(
        _message("contact", text, number)
        for number, text in enumerate(messages, start=len(past) + 1)
    )
    return Turn(
        claim=Claim(
            tenant_id=tenant_id,
            conversation_id=ids.NIL,
            channel_id=ids.NIL,
            contact_id=ids.NIL,
            agent_id=agent.agent_id,
            epoch=0,
            lease_token=0,
            inbound_seq=len(past) + len(burst),
            handled_seq=len(past),
            attempts=1,
            language=language,
            waited_seconds=0,
            phone_number_id="",
            access_token_sealed="",
            channel_sends=False,
            contact_name=contact_name,
        ),
        background=Background(burst=burst, history=past, memory=memory),
        agent=agent,
        trace=Trace(on_paper=True, feature=feature),
        prompts=prompts or {},
    )


async def with_memory(resources: Resources, turn: Turn) -> Turn:
    """The turn on paper as the desk would have it: a long history summarised, its end word for word.

    Raises:
        ModelsUnavailable, BudgetReached, PromptRejected: the summary found no model.
    """
    history = turn.background.history
    if turn.background.memory is not None or len(history) <= HISTORY_MESSAGES:
        return replace(
            turn, background=replace(turn.background, history=history[-HISTORY_MESSAGES:])
        )
    memory, completions = await summarise_on_paper(
        resources,
        turn.claim.tenant_id,
        turn.agent,
        history,
        prompt=await prompt_for(resources, turn, "summary"),
        masking=turn.masking,
        feature=turn.trace.feature or "summary",
    )
    for completion in completions:
        turn.trace.count(completion)
    background = replace(turn.background, history=history[-VERBATIM_MESSAGES:], memory=memory)
    return replace(turn, background=background)


def _message(author: str, text: str, seq: int | None) -> PastMessage:
    return PastMessage(
        id=ids.new(),
        author=author,
        type="text",
        text=text,
        seq=seq,
        has_media=False,
        wamid=None,
    )
