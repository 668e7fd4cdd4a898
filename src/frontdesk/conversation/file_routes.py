"""HTTP of files that are to be sent."""

from uuid import UUID

from fastapi import Request

from frontdesk.conversation import files
from frontdesk.conversation.errors import NoSuchConversation
from frontdesk.core.api import ResourcesDep, Router, WritesConversations, problems
from frontdesk.core.errors import TooLarge
from frontdesk.core.uploads import NoForm, uploaded_file
from frontdesk.messaging import MediaPublic, NotSendable

api = Router(prefix="/api/v1", tags=["conversations"])
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}


@api.post(
    "/conversations/{conversation_id}/files",
    status_code=201,
    summary="Upload a file to send",
    responses=problems(NoSuchConversation, TooLarge, NoForm, NotSendable),
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
    },
)
async def upload_file(
    conversation_id: UUID, request: Request, who: WritesConversations, resources: ResourcesDep
) -> MediaPublic:
    """Store a picture, film, sound or document; send it with a reply that names its id.

    What it is, is told by its content. WhatsApp takes JPEG and PNG up to 5 MB, sound and film up to
    16 MB, documents up to 100 MB. What is not sent within a day is deleted.
    """
    most_bytes = resources.settings.limits.media_bytes
    await files.must_exist(resources, who, conversation_id)
    async with uploaded_file(request, most_bytes=most_bytes) as file:
        return await files.keep_file(resources, who, conversation_id, file)
