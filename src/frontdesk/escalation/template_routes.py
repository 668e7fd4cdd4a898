"""HTTP of sending templates."""

from uuid import UUID

from frontdesk.conversation import ConversationClosed, MessagePublic, NoSuchConversation
from frontdesk.core.api import (
    IdempotencyKey,
    Now,
    ReadsConversations,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.errors import NotFound
from frontdesk.escalation import templating
from frontdesk.escalation.errors import (
    KeyReused,
    NotTakenOver,
    NotYours,
    OptedOut,
    TemplateNotSendable,
    TemplateUnfit,
)
from frontdesk.escalation.schemas import TemplatePreview, TemplateSend

router = Router(prefix="/api/v1/conversations/{conversation_id}/templates", tags=["human agents"])
_TEMPLATE = (NoSuchConversation, NotFound, TemplateNotSendable, TemplateUnfit, OptedOut)


@router.post(
    "/preview",
    summary="See a template and its price",
    responses=problems(*_TEMPLATE),
)
async def preview_template(
    conversation_id: UUID,
    body: TemplateSend,
    who: ReadsConversations,
    session: TenantSession,
    resources: ResourcesDep,
    now: Now,
) -> TemplatePreview:
    """What the contact would read and what it is expected to cost. It sends nothing."""
    return await templating.preview_template(resources, session, conversation_id, body, now=now)


@router.post(
    "",
    status_code=201,
    summary="Send a template",
    responses=problems(*_TEMPLATE, ConversationClosed, NotTakenOver, NotYours, KeyReused),
)
async def send_template(
    conversation_id: UUID,
    body: TemplateSend,
    who: WritesConversations,
    session: TenantSession,
    idempotency_key: IdempotencyKey = None,
) -> MessagePublic:
    """Send an approved template, in the 24-hour window or outside it; it answers what is open.

    With an `Idempotency-Key`, sending twice sends one message.
    """
    return await templating.send_template(session, conversation_id, who, body, idempotency_key)
