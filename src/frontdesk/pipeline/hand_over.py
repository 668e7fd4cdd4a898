"""A file of ours on its way to a contact: WhatsApp is given it before the message that names it.

It happens before the mark, so that a send stays one POST: whatever becomes of it, no message has
left us. Done twice, WhatsApp has the file twice, and the message names one of them.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from frontdesk.core.resources import Resources
from frontdesk.messaging import (
    UPLOAD_LIVES,
    ChannelRegistry,
    MediaNotThere,
    MediaState,
    get_media,
    note_handed_over,
    open_media,
    scratch_file,
    upload_media,
)


@dataclass(frozen=True)
class OurFile:
    """The file of a message that goes out, and under which id WhatsApp has it."""

    id: UUID
    whatsapp_id: str | None
    uploaded_at: datetime | None
    state: str = MediaState.STORED

    @property
    def is_on_its_way(self) -> bool:
        """Whether it has yet to reach us."""
        return self.state == MediaState.PENDING

    def is_at_whatsapp(self, now: datetime) -> bool:
        """Whether WhatsApp still has it: for 30 days (WhatsApp Cloud API: media)."""
        return (
            self.whatsapp_id is not None
            and self.uploaded_at is not None
            and now < self.uploaded_at + UPLOAD_LIVES
        )


async def hand_over(
    resources: Resources,
    tenant_id: UUID,
    file: OurFile,
    phone_number_id: str,
    access_token_sealed: str,
) -> None:
    """Give WhatsApp the file and keep the id it has there.

    Raises:
        MediaNotThere: the file was deleted. MetaRefused, MetaUnavailable: WhatsApp did not take it.
    """
    async with resources.db.hot(tenant_id) as tx:
        media = await get_media(tx, file.id)
    token = resources.keep(ChannelRegistry).access_token(tenant_id, access_token_sealed)
    if media.mime_type is None:
        raise MediaNotThere("It was deleted.")
    async with scratch_file() as copy:
        with copy.open("wb") as into:
            async for piece in await open_media(resources, tenant_id, media):
                into.write(piece)
        whatsapp_id = await upload_media(
            resources, phone_number_id, token, copy, media.mime_type, media.filename
        )
    async with resources.db.hot(tenant_id) as tx:
        await note_handed_over(tx, file.id, whatsapp_id)
