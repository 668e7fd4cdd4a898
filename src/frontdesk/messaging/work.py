"""Due work of messaging: channels to connect, to look at and to let go; files to fetch and to delete;
raw webhooks to delete."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.core.db import Connection
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.core.work import Due
from frontdesk.messaging import jobs, media, media_keeping, templates
from frontdesk.messaging.channels import CHANNEL
from frontdesk.messaging.checkups import handle_channel
from frontdesk.messaging.inbox import prune_webhooks
from frontdesk.messaging.media_jobs import handle_media

PRUNE = "messaging.prune"
OVERDUE_MEDIA = "messaging.media_overdue"
FETCH = Due(kind=media.MEDIA, list_ids=media.list_due, handle=handle_media, at_once=8)
LIST_TEMPLATES = Due(
    kind=templates.CATALOGUE,
    list_ids=templates.list_due,
    handle=templates.list_anew,
    at_once=4,
    sweep_seconds=5,
)
LIVE = Due(kind=CHANNEL, list_ids=jobs.list_due, handle=handle_channel, at_once=10)


def messaging_work(settings: Settings) -> tuple[Due, ...]:
    """Messaging's kinds of due work."""
    days = settings.retention.webhook_days

    async def list_ids(connection: Connection, _limit: int) -> Sequence[tuple[UUID, UUID]]:
        found = await connection.fetchval(
            "SELECT 1 FROM webhook_event WHERE state IN ('done', 'discarded') "
            "AND received_at < now() - make_interval(days => $1) LIMIT 1",
            days,
        )
        return [(NIL, NIL)] if found else []

    async def list_overdue(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        return await media_keeping.list_overdue(connection, limit, settings.retention.media_days)

    return (
        LIVE,
        FETCH,
        LIST_TEMPLATES,
        Due(
            kind=OVERDUE_MEDIA,
            list_ids=list_overdue,
            handle=media_keeping.forget_overdue,
            at_once=10,
            sweep_seconds=60,
        ),
        Due(kind=PRUNE, list_ids=list_ids, handle=prune, at_once=1, sweep_seconds=60),
    )


async def prune(resources: Resources, _tenant_id: UUID, _row_id: UUID) -> None:
    """Delete old raw webhooks in small portions. Run twice, the second run finds nothing left."""
    days = resources.settings.retention.webhook_days
    async with resources.db.system() as connection:
        while await prune_webhooks(connection, days):
            pass
