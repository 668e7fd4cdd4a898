"""HTTP of explanations: why a message is as it is."""

from uuid import UUID

from frontdesk.core.api import ReadsConversations, Router, TenantSession, problems
from frontdesk.core.errors import NotFound
from frontdesk.pipeline import explaining
from frontdesk.pipeline.explain_schemas import ExplanationPublic

router = Router(prefix="/api/v1", tags=["conversations"])


@router.get(
    "/messages/{message_id}/explain", summary="Explain a message", responses=problems(NotFound)
)
async def explain_message(
    message_id: UUID, who: ReadsConversations, session: TenantSession
) -> ExplanationPublic:
    """Why this message is as it is, in plain words: of one of ours how it came about, of a contact's
    what became of it.

    What was asked, verdicts and rules, the knowledge that was shown and how it was found, each model
    that was tried and why another one was, what the check found, who sent it, cost and times. `gone`
    says what can't be told any more.
    """
    return await explaining.explain_message(session, message_id)
