"""HTTP of conversation: the inbox, threads, and why each answer was given."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.conversation import desk_routes, file_routes, inbox, snoozing, views, watching
from frontdesk.conversation.commitment_routes import router as commitments
from frontdesk.conversation.contact_routes import router as contacts
from frontdesk.conversation.errors import ConversationClosed, NoSuchConversation
from frontdesk.conversation.feedback_routes import api as feedback
from frontdesk.conversation.memory_routes import router as memory
from frontdesk.conversation.models import Actor, Priority, Status
from frontdesk.conversation.schemas import (
    ConversationDetail,
    ConversationPublic,
    InboxConversation,
    MessagePublic,
    ReadMarkUpdate,
    SnoozeUpdate,
    TurnPublic,
    TurnSummary,
    ViewCounts,
    Viewer,
    WatchUpdate,
)
from frontdesk.conversation.views import Filters, Order, View
from frontdesk.core.api import (
    Cursor,
    Limit,
    ReadsConversations,
    ResourcesDep,
    Router,
    Staff,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.callers import require_member
from frontdesk.core.errors import Forbidden, NotFound, RateLimited
from frontdesk.core.pages import Page
from frontdesk.identity import get_member
from frontdesk.messaging import get_channel

own = Router(prefix="/api/v1", tags=["conversations"])


@own.get("/conversations", summary="List the inbox", responses=problems(NotFound))
async def list_conversations(  # Query parameters; FastAPI passes them by name.
    who: ReadsConversations,
    session: TenantSession,
    view: Annotated[
        View | None,
        Query(
            description="A part of the inbox: `mine`, `unassigned` (with people and nobody has it), "
            "`ai`, `all` (not closed), `snoozed`, `closed`. The first three leave out what is "
            "snoozed."
        ),
    ] = None,
    status: Annotated[Status | None, Query(description="Only those in this state.")] = None,
    assigned_to: Annotated[UUID | None, Query(description="Only those a human agent has.")] = None,
    unassigned: Annotated[bool, Query(description="Only those no human agent has.")] = False,
    channel_id: Annotated[UUID | None, Query(description="Only those on this channel.")] = None,
    priority: Annotated[Priority | None, Query(description="Only those this urgent.")] = None,
    tag: Annotated[
        str | None, Query(max_length=40, description="Only those with this tag.")
    ] = None,
    contact: Annotated[
        str | None,
        Query(max_length=128, description="Phone number in digits, BSUID, or part of a name."),
    ] = None,
    order: Annotated[
        Order,
        Query(
            description="`waiting`: longest waiting first, and without any filter only open ones; "
            "`recent`: newest first."
        ),
    ] = Order.WAITING,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InboxConversation]:
    """A page of conversations, by default the one that has waited longest first."""
    if assigned_to is not None:
        await get_member(session, assigned_to)
    if channel_id is not None:
        await get_channel(session, channel_id)
    filters = Filters(
        view=view,
        status=status,
        assigned_to=assigned_to,
        unassigned=unassigned,
        channel_id=channel_id,
        priority=priority,
        tag=tag,
        contact=contact,
        # Finding somebody by a number that is hidden would tell it, guess by guess.
        by_number=not who.masked,
    )
    return await views.list_conversations(
        session, who.user_id, filters, order=order, limit=limit, cursor=cursor
    )


@own.get("/views", summary="Count the views of my inbox", responses=problems())
async def count_views(who: ReadsConversations, session: TenantSession) -> ViewCounts:
    """How many conversations `GET /conversations?view=...` would list, counted up to 1000."""
    return await views.count_views(session, who.user_id)


@own.get(
    "/conversations/{conversation_id}",
    summary="Read a conversation",
    responses=problems(NoSuchConversation),
)
async def get_conversation(
    conversation_id: UUID, who: ReadsConversations, resources: ResourcesDep
) -> ConversationDetail:
    """One conversation with its contact, owner and window, and who looks at it."""
    async with resources.db.hot(who.tenant_id) as tx:
        found = await views.look_into(tx, who.user_id, conversation_id)
    viewers = await watching.list_viewers(resources, who.tenant_id, conversation_id)
    return ConversationDetail(**dict(found), viewers=viewers)


@own.post(
    "/conversations/{conversation_id}/watch",
    summary="Say that you look at a conversation",
    responses=problems(Forbidden, NoSuchConversation, RateLimited),
)
async def watch(
    conversation_id: UUID, body: WatchUpdate, who: Staff, resources: ResourcesDep
) -> list[Viewer]:
    """Colleagues who watch the feed hear of it at once (`conversation.watched`); who is there now."""
    require_member(who)
    return await watching.watch(resources, who.tenant_id, conversation_id, who.user_id, body.doing)


@own.put(
    "/conversations/{conversation_id}/read-mark",
    summary="Mark a conversation as read",
    responses=problems(Forbidden, NoSuchConversation, NotFound),
)
async def mark_read(
    conversation_id: UUID, body: ReadMarkUpdate, who: Staff, session: TenantSession
) -> InboxConversation:
    """Everything up to a message is read, for you alone; what is newer counts as unread."""
    require_member(who)
    return await views.mark_read(session, who.user_id, conversation_id, body.message_id)


@own.put(
    "/conversations/{conversation_id}/snooze",
    summary="Snooze a conversation",
    responses=problems(NoSuchConversation, ConversationClosed),
)
async def snooze(
    conversation_id: UUID, body: SnoozeUpdate, who: WritesConversations, session: TenantSession
) -> ConversationPublic:
    """Out of the way until a time. A message of the contact, a takeover or a close ends it."""
    await snoozing.snooze(session, conversation_id, body.until, user_id=who.user_id)
    return await inbox.get_conversation(session, conversation_id)


@own.delete(
    "/conversations/{conversation_id}/snooze",
    summary="Wake a conversation",
    responses=problems(NoSuchConversation),
)
async def wake(
    conversation_id: UUID, who: WritesConversations, session: TenantSession
) -> ConversationPublic:
    """Back into the inbox at once."""
    await snoozing.wake(session, conversation_id, by=Actor.HUMAN_AGENT)
    return await inbox.get_conversation(session, conversation_id)


@own.get(
    "/conversations/{conversation_id}/messages",
    summary="Read a thread",
    responses=problems(NoSuchConversation, NotFound),
)
async def list_messages(
    conversation_id: UUID,
    who: ReadsConversations,
    session: TenantSession,
    around: Annotated[
        UUID | None,
        Query(description="A message in the middle of the page, instead of a cursor: to jump to."),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessagePublic]:
    """A page of the thread, newest message first, with ticks."""
    return await inbox.list_messages(
        session, conversation_id, limit=limit, cursor=cursor, around=around
    )


@own.get(
    "/conversations/{conversation_id}/turns",
    summary="List the turns of a conversation",
    responses=problems(NoSuchConversation),
)
async def list_turns(
    conversation_id: UUID, who: ReadsConversations, session: TenantSession
) -> list[TurnSummary]:
    """What became of each burst of messages, newest first, with cost and time."""
    return await inbox.list_turns(session, conversation_id)


@own.get("/turns/{turn_id}", summary="Explain a turn", responses=problems(NotFound))
async def get_turn(turn_id: UUID, who: ReadsConversations, session: TenantSession) -> TurnPublic:
    """A turn with its trace: what each stage saw and decided, how long it took, what it cost."""
    return await inbox.get_turn(session, turn_id)


router = Router(
    routes=[
        *own.routes,
        *desk_routes.api.routes,
        *file_routes.api.routes,
        *feedback.routes,
        *memory.routes,
        *commitments.routes,
        *contacts.routes,
    ]
)
