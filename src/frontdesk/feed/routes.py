"""HTTP of the feed: the live stream, and the same events for clients that poll."""

from typing import Annotated

from fastapi import Header, Query, Request
from sse_starlette import EventSourceResponse

from frontdesk.core.api import ResourcesDep, Router, Staff, problems
from frontdesk.core.asgi import CrossSiteRequest, check_origin, origin_of
from frontdesk.core.errors import Forbidden
from frontdesk.feed import reading
from frontdesk.feed.fanout import hub
from frontdesk.feed.schemas import FeedPage
from frontdesk.feed.stream import FeedResponse

router = Router(prefix="/api/v1/feed", tags=["feed"])

# Any text is let through: one that is no number gets a `reset`, which a client can act on.
After = Annotated[
    str | None,
    Query(max_length=100, description="The `seq` of the last event you have.", examples=["4711"]),
]


@router.get(
    "",
    summary="Watch the live feed",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Server-sent events without end: `id` is the event's number, `event` "
            "its kind, `data` its payload as JSON with the time `at`.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "id: 4711\nevent: conversation.changed\n"
                    'data: {"conversation_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",'
                    '"at":"2026-11-21T09:30:00.000000Z"}\n\n',
                }
            },
        },
        **problems(Forbidden, CrossSiteRequest),
    },
)
async def watch_feed(
    request: Request,
    who: Staff,
    resources: ResourcesDep,
    after: After = None,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="What a browser sends by itself.")
    ] = None,
) -> EventSourceResponse:
    """Every event of the tenant, once and in order, across reconnects.

    A new reader first gets `hello` with the number to go on from. One that reconnects with
    `Last-Event-ID` gets what it missed, or `reset` when that is no longer to be had: then load
    everything anew and go on reading. Lines that begin with a colon only keep the way open.
    """
    # A reading request, and yet refused from other sites: it shows what happens as it happens.
    headers = request.headers
    web = resources.settings.web
    ours = origin_of(web.public_url)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    check_origin("GET", site, origin, ours, web.allowed_origins)
    stream = await hub(resources).open(who, last_event_id or after)
    return FeedResponse(stream)


@router.get("/events", summary="Poll the feed", responses=problems())
async def list_feed_events(
    who: Staff,
    resources: ResourcesDep,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=reading.MOST_ROWS, description="Events at most.")] = 100,
) -> FeedPage:
    """The events after `after`, oldest first; without it, only the number to begin with."""
    async with resources.db.hot(who.tenant_id) as tx:
        return await reading.read_page(tx, after, who, limit)
