"""Files that human agents send: uploaded into a conversation first, then sent with a reply."""

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

from starlette.datastructures import UploadFile

from frontdesk.conversation.inbox import get_conversation
from frontdesk.core.callers import Principal
from frontdesk.core.resources import Resources
from frontdesk.core.storage import storage_of
from frontdesk.messaging import (
    MediaPublic,
    begin_upload,
    end_upload,
    look_at_upload,
    media_key,
    scratch_file,
)


async def must_exist(resources: Resources, who: Principal, conversation_id: UUID) -> None:
    """Look whether there is such a conversation, before a file is read; raises
    `NoSuchConversation`."""
    async with resources.db.hot(who.tenant_id) as tx:
        await get_conversation(tx, conversation_id)


async def keep_file(
    resources: Resources, who: Principal, conversation_id: UUID, upload: UploadFile
) -> MediaPublic:
    """Keep an uploaded file until it is sent; one that never is goes after a day.

    No transaction is open while it is stored. Whatever ends it before it is whole, the row is due
    and takes the file along.

    Raises:
        NotFound, NotSendable, TooLarge
    """
    async with scratch_file() as file:
        await asyncio.to_thread(_copy, upload, file)
        looked = await look_at_upload(file, upload.filename)
        async with resources.db.hot(who.tenant_id) as tx:
            media_id = await begin_upload(tx, conversation_id, who.user_id, looked)
        await storage_of(resources).put(media_key(who.tenant_id, media_id), file)
    async with resources.db.hot(who.tenant_id) as tx:
        return await end_upload(tx, media_id)


def _copy(upload: UploadFile, file: Path) -> None:
    with file.open("wb") as into:
        shutil.copyfileobj(upload.file, into)
