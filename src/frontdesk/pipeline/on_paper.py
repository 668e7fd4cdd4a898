"""A turn made of messages that nobody wrote: it has no conversation, so nothing can be decided or sent."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.agent_config import AgentSnapshot
from frontdesk.conversation import Background, Claim, PastMessage
from frontdesk.core import ids
from frontdesk.pipeline.turn import Trace, Turn


def on_paper(
    tenant_id: UUID, agent: AgentSnapshot, messages: Sequence[str], *, feature: str | None = None
) -> Turn:
    """The turn that `think` can be given to find out what an agent would answer.

    Args:
        agent: with the configuration to be tried, saved or not.
        messages: what a new contact writes, in one burst.
        feature: what its model calls count as; None: each as what it is.
    """
    burst = tuple(
        PastMessage(
            id=ids.new(),
            author="contact",
            type="text",
            text=text,
            seq=number,
            has_media=False,
            wamid=None,
        )
        for number, text in enumerate(messages, start=1)
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
            inbound_seq=len(burst),
            handled_seq=0,
            attempts=1,
            language=None,
            waited_seconds=0,
            phone_number_id="",
            access_token_sealed="",
            channel_sends=False,
        ),
        background=Background(burst=burst, history=()),
        agent=agent,
        trace=Trace(on_paper=True, feature=feature),
    )
