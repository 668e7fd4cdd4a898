"""HTTP of escalation: take over, reply, release, close; who is available; the queue."""

from uuid import UUID

from frontdesk.conversation import (
    AnotherIsOpen,
    ConversationClosed,
    MessagePublic,
    NoSuchConversation,
)
from frontdesk.core.api import (
    IdempotencyKey,
    ReadsConversations,
    Router,
    Staff,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.callers import require_member
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.escalation import presence, reassigning, service, watchdog
from frontdesk.escalation.bridge_routes import router as bridge
from frontdesk.escalation.errors import (
    AlreadyTaken,
    ColleagueAnswered,
    KeyReused,
    NeverHandedOver,
    NoRoom,
    NoSuchDraft,
    NoSuchTeam,
    NotTakenOver,
    NotYours,
    OptedOut,
)
from frontdesk.escalation.rule_routes import router as rules
from frontdesk.escalation.schemas import (
    AssignmentCreate,
    AvailabilityPublic,
    AvailabilityUpdate,
    CloseCreate,
    HandoffPublic,
    HandoffWhole,
    OverduePublic,
    Ownership,
    ReleaseCreate,
    ReplyCreate,
)
from frontdesk.escalation.suggestion_routes import router as suggestions
from frontdesk.escalation.team_routes import router as teams
from frontdesk.escalation.template_routes import router as templates
from frontdesk.messaging import ChannelGone, MediaNotThere, MediaSent, RetryHopeless, WindowClosed

people = Router(prefix="/api/v1", tags=["human agents"])
_OWNING = problems(NoSuchConversation, ConversationClosed, NotTakenOver, NotYours)


@people.post(
    "/conversations/{conversation_id}/take-over",
    summary="Take a conversation over",
    responses=problems(Forbidden, NoSuchConversation, ConversationClosed, AlreadyTaken),
)
async def take_over(
    conversation_id: UUID, who: WritesConversations, session: TenantSession
) -> Ownership:
    """Take it from the AI or out of the queue. Of two who try at once, one wins.

    From the answer on no AI message starts; `ai_in_flight` tells whether one was already on its
    way.
    """
    require_member(who)
    return await service.take_over(session, conversation_id, who)


@people.post(
    "/conversations/{conversation_id}/messages",
    status_code=201,
    summary="Reply to the contact",
    responses=problems(
        NoSuchConversation,
        NoSuchDraft,
        ConversationClosed,
        NotTakenOver,
        NotYours,
        ColleagueAnswered,
        WindowClosed,
        KeyReused,
        NotFound,
        MediaNotThere,
        MediaSent,
    ),
)
async def reply(
    conversation_id: UUID,
    body: ReplyCreate,
    who: WritesConversations,
    session: TenantSession,
    idempotency_key: IdempotencyKey = None,
) -> MessagePublic:
    """Send a text, a file uploaded before, or both. With an `Idempotency-Key`, sending twice (a
    double click) sends one message.

    With a `draft_id` it is recorded how far the text is from that draft. Outside the 24-hour window
    the refusal names, as `templates`, those that would work.
    """
    return await service.reply(session, conversation_id, who, body, idempotency_key)


@people.post(
    "/messages/{message_id}/retry",
    status_code=202,
    summary="Send a failed message again",
    responses=problems(
        NotFound,
        ConversationClosed,
        NotTakenOver,
        NotYours,
        RetryHopeless,
        OptedOut,
        WindowClosed,
        ChannelGone,
    ),
)
async def retry_message(
    message_id: UUID, who: WritesConversations, session: TenantSession
) -> MessagePublic:
    """Once more, where `can_retry` says that it may succeed.

    One of unknown outcome is settled instead: `POST /api/v1/messages/{message_id}/resolution`.
    """
    return await service.retry(session, message_id, who)


@people.post(
    "/conversations/{conversation_id}/release",
    summary="Give a conversation back to the AI",
    responses=_OWNING,
)
async def release(
    conversation_id: UUID,
    who: WritesConversations,
    session: TenantSession,
    body: ReleaseCreate | None = None,
) -> Ownership:
    """The AI answers what nobody has answered, once, and knows what your `note` says."""
    return await service.release(session, conversation_id, who, body.note if body else "")


@people.put(
    "/conversations/{conversation_id}/assignment",
    summary="Give a conversation to a colleague or a team",
    responses=problems(
        Forbidden,
        NoSuchConversation,
        ConversationClosed,
        NotTakenOver,
        NotYours,
        NotFound,
        NoSuchTeam,
        NoRoom,
    ),
)
async def reassign(
    conversation_id: UUID,
    body: AssignmentCreate,
    who: WritesConversations,
    session: TenantSession,
) -> Ownership:
    """Yours, one that waits, or as an admin anybody's. A colleague must be online and have room: 409
    `no_room`, unless an admin forces it. For a team it waits until one of them is free."""
    return await reassigning.reassign(session, conversation_id, who, body)


@people.post(
    "/conversations/{conversation_id}/close",
    summary="Close a conversation",
    responses=problems(NoSuchConversation, ConversationClosed, NotYours),
)
async def close(
    conversation_id: UUID, body: CloseCreate, who: WritesConversations, session: TenantSession
) -> Ownership:
    """End it; the contact's next message opens another conversation."""
    return await service.close(session, conversation_id, who, body.reason)


@people.post(
    "/conversations/{conversation_id}/reopen",
    summary="Reopen a conversation",
    responses=problems(NoSuchConversation, AnotherIsOpen),
)
async def reopen(
    conversation_id: UUID, who: WritesConversations, session: TenantSession
) -> Ownership:
    """Open a closed conversation again; the AI has it then."""
    return await service.reopen(session, conversation_id, who)


@people.get(
    "/conversations/{conversation_id}/handoff",
    summary="Read the handoff packet",
    responses=problems(NoSuchConversation, NeverHandedOver),
)
async def get_handoff(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> HandoffWhole:
    """Why people got it, what is known, what was tried and what to do next."""
    return await service.get_handoff(session, conversation_id)


@people.get("/handoffs", summary="List the queue", responses=problems())
async def list_waiting(who: ReadsConversations, session: TenantSession) -> list[HandoffPublic]:
    """Handoffs that wait for a human agent, the most urgent and longest waiting first."""
    return await service.list_waiting(session)


@people.get("/overdue", summary="List contacts who wait too long", responses=problems())
async def list_overdue(who: ReadsConversations, session: TenantSession) -> list[OverduePublic]:
    """Who has waited longer than `overdue_after_minutes`, longest first, at most 200: whose it is to
    answer, and why nobody has. Each is also the feed's `conversation.overdue`, once."""
    return await watchdog.list_overdue(session)


@people.get("/me/availability", summary="Read my availability", responses=problems())
async def get_my_availability(who: Staff, session: TenantSession) -> AvailabilityPublic:
    """Whether I take conversations, and how many I have."""
    return await presence.get_presence(session, who.user_id)


@people.put("/me/availability", summary="Come online or go away", responses=problems(Forbidden))
async def set_my_availability(
    body: AvailabilityUpdate, who: Staff, session: TenantSession
) -> AvailabilityPublic:
    """Online, I am given conversations up to my limit, the waiting ones at once."""
    require_member(who)
    return await presence.set_presence(session, who.user_id, body.presence, body.max_conversations)


@people.get("/availability", summary="Who is available", responses=problems())
async def list_availability(who: Staff, session: TenantSession) -> list[AvailabilityPublic]:
    """All human agents with their presence and load, those online first."""
    return await presence.list_presence(session)


router = Router(
    routes=[
        *people.routes,
        *bridge.routes,
        *teams.routes,
        *templates.routes,
        *rules.routes,
        *suggestions.routes,
    ]
)
