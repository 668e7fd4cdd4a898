"""What is due of a file: fetching it, putting it into words, or deleting it."""

from uuid import UUID

from frontdesk.core.resources import Resources
from frontdesk.messaging.media import claim_media, delete_file, fetch_and_keep
from frontdesk.messaging.models import MediaState
from frontdesk.messaging.wording import write_down


async def handle_media(resources: Resources, tenant_id: UUID, media_id: UUID) -> None:
    """Do what the state of a file says is due. Run twice, only what the later claim finds is noted."""
    job = await claim_media(resources, tenant_id, media_id)
    if job is None:
        return
    if job.state == MediaState.PENDING:
        await fetch_and_keep(resources, tenant_id, job)
    elif job.state == MediaState.STORED:
        await write_down(resources, tenant_id, job)
    else:
        await delete_file(resources, tenant_id, job)
