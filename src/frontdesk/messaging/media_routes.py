"""HTTP of files: read one, and ask WhatsApp for one again."""

import re
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Header
from fastapi.responses import StreamingResponse

from frontdesk.core.api import (
    ReadsConversations,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.errors import NotFound
from frontdesk.messaging import media
from frontdesk.messaging.errors import MediaNotFailed, MediaNotThere
from frontdesk.messaging.media_types import UNKNOWN, is_shown
from frontdesk.messaging.schemas import MediaPublic

api = Router(prefix="/api/v1/media", tags=["conversations"])
# Whatever is in the file: nothing runs, nothing is loaded, no other page holds it.
_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_TYPES: dict[str, dict[str, str]] = {UNKNOWN: {}, "image/*": {}, "audio/*": {}}


@api.get(
    "/{media_id}",
    summary="Fetch a file",
    response_class=StreamingResponse,
    responses={
        **problems(NotFound, MediaNotThere),
        200: {"content": _TYPES, "description": "The file"},
        206: {"content": _TYPES, "description": "The part of it that `Range` asks for"},
    },
)
async def read_media(
    media_id: UUID,
    who: ReadsConversations,
    resources: ResourcesDep,
    asked: Annotated[
        str | None, Header(alias="Range", max_length=100, examples=["bytes=0-"])
    ] = None,
) -> StreamingResponse:
    """The bytes. Pictures and sound are told as what they are; the rest is only to be saved."""
    async with resources.db.hot(who.tenant_id) as tx:  # Not while the store is asked.
        found = await media.get_media(tx, media_id)
    size = found.size_bytes or 0
    start, length = _part(asked, size)
    pieces = await media.open_media(resources, who.tenant_id, found, start, length)
    mime_type = found.mime_type or UNKNOWN
    shown = is_shown(mime_type)
    headers = {
        "Content-Disposition": _disposition("inline" if shown else "attachment", found),
        "Content-Security-Policy": _SANDBOX,
        "Accept-Ranges": "bytes",
        "Content-Length": str(length),
    }
    if length < size:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return StreamingResponse(
        pieces,
        status_code=206 if length < size else 200,
        media_type=mime_type if shown else UNKNOWN,
        headers=headers,
    )


@api.post(
    "/{media_id}/fetch",
    status_code=202,
    summary="Ask WhatsApp for a file again",
    responses=problems(NotFound, MediaNotFailed),
)
async def fetch_media_again(
    media_id: UUID, who: WritesConversations, session: TenantSession
) -> MediaPublic:
    """Try once more to fetch a file in state `failed`; `media.changed` on the feed tells the end."""
    return await media.fetch_again(session, media_id)


def _part(asked: str | None, size: int) -> tuple[int, int]:
    """Where the part that is asked for begins and how long it is; all of it when it makes no sense,
    as RFC 9110 (14.2) allows."""
    found = _RANGE.fullmatch(asked or "")
    if found is None or int(found[1]) >= size:
        return 0, size
    start = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return (start, last - start + 1) if last >= start else (0, size)


def _disposition(how: str, found: MediaPublic) -> str:
    name = found.filename or f"{found.kind}-{found.id}"
    plain = re.sub(r"[^\w. -]", "_", name, flags=re.ASCII)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
