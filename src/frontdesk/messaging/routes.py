"""HTTP of messaging: Meta's webhook, what Meta said, uncertain sends; and the channels' routes."""

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import Field
from sqlmodel import col, select
from starlette.background import BackgroundTask

from frontdesk.core.api import (
    PUBLIC,
    AdminOnly,
    Cursor,
    Limit,
    ResourcesDep,
    Router,
    Staff,
    TenantSession,
    problems,
)
from frontdesk.core.callers import resources_of
from frontdesk.core.errors import Forbidden, NotFound, TooLarge, Unauthenticated
from frontdesk.core.pages import Page, Schema, newest_page
from frontdesk.core.webhooks import read_capped, refuse_unsigned
from frontdesk.messaging import channel_routes, media_routes, outbound, template_routes
from frontdesk.messaging.errors import NotUncertain
from frontdesk.messaging.inbox import WebhookInbox
from frontdesk.messaging.models import AccountEvent
from frontdesk.messaging.schemas import AccountEventPublic
from frontdesk.messaging.signature import challenge_answer, is_signed

log = structlog.get_logger(__name__)

webhook = Router(prefix="/webhooks", tags=["webhooks"], dependencies=[PUBLIC])
api = Router(prefix="/api/v1", tags=["channels"])


@webhook.get(
    "/whatsapp",
    summary="Answer Meta's handshake",
    response_class=PlainTextResponse,
    responses=problems(Forbidden),
)
async def shake_hands(
    resources: ResourcesDep,
    mode: Annotated[str | None, Query(alias="hub.mode", examples=["subscribe"])] = None,
    token: Annotated[str | None, Query(alias="hub.verify_token")] = None,
    challenge: Annotated[str | None, Query(alias="hub.challenge", examples=["1158201444"])] = None,
) -> PlainTextResponse:
    """Meta calls this when the callback URL is saved; it wants its challenge back."""
    expected = resources.settings.whatsapp.verify_token.get_secret_value()
    answer = challenge_answer(mode, token, challenge, expected)
    if answer is None:
        raise Forbidden("The verify token is not ours.")
    return PlainTextResponse(answer)


@webhook.post(
    "/whatsapp",
    summary="Take a webhook from WhatsApp",
    response_class=Response,
    responses=problems(Unauthenticated, TooLarge),
)
async def accept(request: Request) -> Response:
    """Store the body as it is and answer 200; a worker reads it.

    The signature is checked over the raw bytes. The answer comes once the bytes are committed, so
    whatever happens afterwards, nothing Meta delivered is lost.
    """
    resources = resources_of(request)
    body = await read_capped(request, resources.settings.limits.webhook_body_bytes)
    inbox = resources.keep(WebhookInbox)
    signature = request.headers.getlist("x-hub-signature-256")
    if len(signature) != 1 or not is_signed(body, signature[0], inbox.secrets):
        await refuse_unsigned(request)
    await inbox.store(body)
    resources.metrics.webhooks.labels("accepted").inc()
    return Response(status_code=200, background=BackgroundTask(inbox.ring))


# The busiest of all: the application reaches it by a shortcut.
WHATSAPP_WEBHOOK = next(
    route for route in webhook.routes if isinstance(route, APIRoute) and route.endpoint is accept
)


@api.get("/account-events", summary="List what Meta said", responses=problems())
async def list_account_events(
    who: AdminOnly, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[AccountEventPublic]:
    """Account, number and template events, newest first, in words."""
    query = select(AccountEvent)
    return await newest_page(
        session,
        query,
        col(AccountEvent.id),
        AccountEventPublic.model_validate,
        limit=limit,
        cursor=cursor,
    )


class Resolution(Schema):
    """What became of a message whose outcome nobody could find out."""

    arrived: bool = Field(
        description="True: it arrived after all. False: send it again.", examples=[True]
    )


@api.post(
    "/messages/{message_id}/resolution",
    status_code=204,
    tags=["conversations"],
    summary="Settle an uncertain send",
    responses=problems(NotFound, NotUncertain),
)
async def resolve_uncertain(
    message_id: UUID, body: Resolution, who: Staff, session: TenantSession
) -> None:
    """Decide about a message in state `needs_attention`: it arrived, or it is to be sent again."""
    await outbound.resolve_uncertain(session, message_id, arrived=body.arrived)


router = Router(
    routes=[
        *webhook.routes,
        *channel_routes.api.routes,
        *media_routes.api.routes,
        *template_routes.api.routes,
        *api.routes,
    ]
)
