"""Files in requests: read to the disk as they come, and no more of them than is taken."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from frontdesk.core.errors import Invalid, TooLarge, UnsupportedMediaType

# What multipart adds to a file: its boundary, its headers.
_AROUND_BYTES = 8 * 1024


class NoForm(UnsupportedMediaType):
    """The body is no `multipart/form-data`, which is how files are sent."""

    title = "Send multipart/form-data"


@asynccontextmanager
async def uploaded_file(request: Request, *, most_bytes: int) -> AsyncIterator[UploadFile]:
    """The one file of a request, under the name `file`; gone when the block ends.

    Call it when it is known who asks: nothing has been read by then.

    Raises:
        NoForm, Invalid, TooLarge: what was sent is no form, has no such file, or is longer.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise NoForm
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes + _AROUND_BYTES:
        raise TooLarge(f"At most {most_bytes} bytes.")
    parser = MultiPartParser(
        request.headers,
        _at_most(request, most_bytes + _AROUND_BYTES),
        max_files=1,
        max_fields=1,
        max_part_size=1024,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise Invalid(f"The form can't be read: {error}") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("The form holds no file under the name `file`.")
        yield file
    finally:
        await form.close()


async def _at_most(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise TooLarge(f"At most {most_bytes} bytes.")
        yield part
