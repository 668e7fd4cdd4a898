"""Files as sources: streamed to the store of files, and read from there by a worker."""

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

from starlette.datastructures import UploadFile

from frontdesk.core import ids
from frontdesk.core.resources import Resources
from frontdesk.core.storage import NotKept, storage_of
from frontdesk.core.text import clean
from frontdesk.knowledge.errors import NotReadable, Unreadable
from frontdesk.knowledge.extract import Unreadable as NoKind
from frontdesk.knowledge.extract import kind_of
from frontdesk.knowledge.reading import document_file
from frontdesk.knowledge.schemas import SourcePublic
from frontdesk.knowledge.service import announce_source, get_source, require_agent
from frontdesk.knowledge.snapshots import SOURCE

# A handbook with pictures; what is in it counts, and is capped where it is read.
MOST_BYTES = 25 * 1024 * 1024
# A file that has not arrived by then never will; the row then says so.
_ARRIVES_WITHIN_SECONDS = 900

_INSERT = """
INSERT INTO knowledge_source
    (id, agent_id, title, body, kind, enabled, state, attempts, due_at, filename, size_bytes)
VALUES ($1, $2, $3, '', 'file', true, 'queued', 0, now() + make_interval(secs => $4), $5, $6)
"""


def file_key(tenant_id: UUID, source_id: UUID) -> str:
    """Where the file of a source is kept until it has been read."""
    return f"{tenant_id}/knowledge/{source_id}"


async def must_exist(resources: Resources, tenant_id: UUID, agent_id: UUID) -> None:
    """Look before a file is read from the wire; raises `NoSuchAgentForSource`."""
    async with resources.db.hot(tenant_id) as tx:
        await require_agent(tx, agent_id)


async def add_file(
    resources: Resources,
    tenant_id: UUID,
    agent_id: UUID,
    upload: UploadFile,
    *,
    title: str | None,
    author_id: UUID | None,
) -> SourcePublic:
    """Take a file as a source; a worker reads it. No transaction is open while it is stored.

    Raises:
        NoSuchAgentForSource: the tenant has no such agent.
        NotReadable: by its content it is no kind that is read.
    """
    head = await upload.read(1024)
    await upload.seek(0)
    try:
        kind_of(head)
    except NoKind as error:
        raise NotReadable(str(error)) from None
    source_id = ids.new()
    filename = clean(upload.filename or "").strip()[:200] or "file"
    async with document_file() as file:
        size = await asyncio.to_thread(_copy, upload, file)
        async with resources.db.hot(tenant_id) as tx:
            await require_agent(tx, agent_id)
            name = title or Path(filename).stem
            await tx.sql.execute(
                _INSERT, source_id, agent_id, name, _ARRIVES_WITHIN_SECONDS, filename, size
            )
        await storage_of(resources).put(file_key(tenant_id, source_id), file)
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute("UPDATE knowledge_source SET due_at = now() WHERE id = $1", source_id)
        await announce_source(resources, tx, source_id, agent_id, author_id)
        tx.ring(SOURCE, source_id)
        return await get_source(tx, source_id)


async def fetch_file(resources: Resources, tenant_id: UUID, source_id: UUID, into: Path) -> None:
    """Write a source's file to the disk; raises `Unreadable` when it never arrived."""
    try:
        pieces = await storage_of(resources).open(file_key(tenant_id, source_id))
    except NotKept:
        raise Unreadable("The upload was broken off; upload it again.") from None
    with into.open("wb") as file:
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)


async def drop_file(resources: Resources, tenant_id: UUID, source_id: UUID) -> None:
    """Forget a source's file: once it is read, its text is all that is used."""
    await storage_of(resources).delete(file_key(tenant_id, source_id))


def _copy(upload: UploadFile, file: Path) -> int:
    with file.open("wb") as into:
        shutil.copyfileobj(upload.file, into)
        return into.tell()
