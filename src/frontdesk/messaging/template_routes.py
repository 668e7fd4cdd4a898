"""HTTP of the template catalogue."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.core.api import AdminOnly, ReadsConversations, Router, TenantSession, problems
from frontdesk.core.errors import NotFound
from frontdesk.messaging import templates
from frontdesk.messaging.channels import get_channel
from frontdesk.messaging.schemas import TemplatePublic

api = Router(prefix="/api/v1/templates", tags=["channels"])


@api.get("", summary="List templates", responses=problems(NotFound))
async def list_templates(
    who: ReadsConversations,
    session: TenantSession,
    channel_id: Annotated[UUID | None, Query(description="Only those of this number.")] = None,
    sendable: Annotated[
        bool, Query(description="Only those that can be sent from here now.")
    ] = False,
) -> list[TemplatePublic]:
    """The message templates of your WhatsApp accounts, with what they need, by name.

    They are listed from Meta once a day, and soon after Meta says that one has changed.
    """
    if channel_id is not None:
        await get_channel(session, channel_id)
    return await templates.list_templates(session, channel_id=channel_id, sendable=sendable)


@api.post("/sync", status_code=204, summary="List templates anew", responses=problems())
async def sync_templates(who: AdminOnly, session: TenantSession) -> None:
    """Ask Meta for the templates of all your accounts now; `templates.changed` on the feed tells."""
    await templates.sync_templates(session)
