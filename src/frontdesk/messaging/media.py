"""Files of messages: fetched from WhatsApp as due work, kept, and forgotten when their time is over.

A message that came with a file has a row here, which is the job of fetching it. What came of it
stands in the row: where the file is, what it is by its content, or why it is not there.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import NotFound, TooLarge
from frontdesk.core.events import publish
from frontdesk.core.http import FetchRefused, NoAnswer, NotConnected
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.core.storage import NotKept, storage_of
from frontdesk.messaging import graph_accounts as meta
from frontdesk.messaging.errors import MediaNotFailed, MediaNotThere, MediaSent, NotSendable
from frontdesk.messaging.events import MediaSettled
from frontdesk.messaging.graph_accounts import MetaRefused, MetaUnavailable
from frontdesk.messaging.happenings import MediaChanged
from frontdesk.messaging.incoming_content import file_name
from frontdesk.messaging.incoming_items import MediaRef
from frontdesk.messaging.media_rules import (
    MOST_ATTEMPTS,
    WORDS_OF,
    digests_told,
    is_metas,
    pause_seconds,
)
from frontdesk.messaging.media_types import sendable, type_of
from frontdesk.messaging.models import MediaState
from frontdesk.messaging.registry import ChannelRegistry
from frontdesk.messaging.schemas import MediaPublic

log = structlog.get_logger(__name__)

MEDIA = "messaging.media"
# Longer than fetching one may take, with both calls at their longest and the storing.
LEASE_SECONDS = 180
COLUMNS = (
    "id, conversation_id, message_id, kind, state, mime_type, filename, size_bytes, "
    "last_error AS error"
)
# The row stays and says so; a worker deletes the file.
FORGET = (
    "state = 'deleted', due_at = now(), attempts = attempts + 1, whatsapp_id = NULL, "
    "declared = NULL, filename = NULL, sha256 = NULL, last_error = NULL, is_awaited = false, "
    "wants_words = false"
)
# The conversation first, as everywhere: whoever hears what became of a file will want to lock it.
LOCK_THREAD = "SELECT 1 FROM conversation WHERE id = $1 FOR UPDATE"
_LIST_DUE = """
SELECT tenant_id, id FROM media WHERE due_at <= now()
ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY is_awaited DESC, due_at), due_at LIMIT $1
"""
_CLAIM = """
UPDATE media m SET attempts = m.attempts + 1, due_at = now() + make_interval(secs => $2)
FROM channel h WHERE m.id = $1 AND m.due_at <= now()
    AND h.tenant_id = m.tenant_id AND h.id = m.channel_id
RETURNING m.id, m.conversation_id, m.message_id, m.state, m.attempts, m.whatsapp_id, m.declared,
    m.filename, m.mime_type, m.wants_words, h.phone_number_id, h.access_token_sealed,
    (SELECT contact_id FROM conversation k WHERE k.tenant_id = m.tenant_id
        AND k.id = m.conversation_id) AS contact_id
"""


@dataclass(frozen=True)
class MediaJob:
    """A file to be fetched, listened to or deleted, by this worker until `attempts` is another
    number."""

    id: UUID
    conversation_id: UUID
    message_id: UUID | None
    state: str
    attempts: int
    whatsapp_id: str | None
    declared: dict[str, Any]
    filename: str | None
    mime_type: str | None
    wants_words: bool
    phone_number_id: str
    access_token_sealed: str
    contact_id: UUID | None


@dataclass(frozen=True)
class Found:
    """What a file turned out to be."""

    mime_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Upload:
    """A file that WhatsApp takes, and as what kind of message."""

    kind: str
    filename: str | None
    found: Found


class _NotThere(Exception):
    """The file can't be had; the message says why to people, and no attempt changes it."""


def media_key(tenant_id: UUID, media_id: UUID) -> str:
    """Where the storage keeps a file."""
    return f"{tenant_id}/media/{media_id}"


async def receive_media(
    tx: Transaction,
    channel_id: UUID,
    conversation_id: UUID,
    message_id: UUID | None,
    kind: str,
    media: MediaRef,
    *,
    limited: bool = False,
    awaited: bool = False,
    hurries: bool = True,
) -> UUID:
    """Make the file of a message due to be fetched, once this transaction has committed; its id.

    Args:
        limited: its sender is over the rate at which messages are answered, so nothing is fetched
            unless somebody asks for it.
        awaited: the AI's turn waits for it; of sound and pictures, for what they say in words.
        hurries: somebody may be looking; what does not is fetched when a worker looks for work.
    """
    media_id = ids.new()
    await tx.sql.execute(
        "INSERT INTO media (id, conversation_id, channel_id, message_id, kind, whatsapp_id, declared, "
        "filename, state, due_at, last_error, is_awaited, wants_words) VALUES ($1, $2, $3, $4, $5, $6, "
        "$7, $8, CASE WHEN $9::text IS NULL THEN 'pending' ELSE 'failed' END, "
        "CASE WHEN $9::text IS NULL THEN now() END, $9, $10, $11)",
        media_id,
        conversation_id,
        channel_id,
        message_id,
        kind,
        media.id,
        dumps({"mime_type": media.mime_type, "sha256": media.sha256, "voice": media.voice}),
        media.filename,
        "The contact sent too much at once: it is fetched when you ask for it."
        if limited
        else None,
        awaited and not limited,
        awaited and not limited and kind in WORDS_OF,
    )
    if hurries and not limited:
        tx.ring(MEDIA, media_id)
    return media_id


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Files to be fetched or deleted; tenants take turns."""
    rows = await connection.fetch(_LIST_DUE, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def claim_media(resources: Resources, tenant_id: UUID, media_id: UUID) -> MediaJob | None:
    """Claim what is due of a file; None when nothing is, or another worker has it."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, media_id, float(LEASE_SECONDS))
    return MediaJob(**{**row, "declared": loads(row["declared"] or "{}")}) if row else None


async def delete_file(resources: Resources, tenant_id: UUID, job: MediaJob) -> None:
    """Delete a file whose row says that it is deleted."""
    await storage_of(resources).delete(media_key(tenant_id, job.id))
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "UPDATE media SET due_at = NULL WHERE id = $1 AND attempts = $2", job.id, job.attempts
        )


async def fetch_and_keep(resources: Resources, tenant_id: UUID, job: MediaJob) -> None:
    """Fetch a file from WhatsApp and keep it, or note why it does not come."""
    if job.attempts > MOST_ATTEMPTS:
        await _fail(resources, tenant_id, job, "Fetching it ended its worker each time.")
        return
    try:
        async with scratch_file() as file:
            told = await _fetch(resources, tenant_id, job, file)
            found = await look_at(file, job.filename)
            _check_digest(found, job.declared.get("sha256"), told.get("sha256"))
            await storage_of(resources).put(media_key(tenant_id, job.id), file)
    except _NotThere as reason:
        await _fail(resources, tenant_id, job, str(reason))
    except (MetaUnavailable, NotConnected, NoAnswer) as error:
        await _put_off(resources, tenant_id, job, str(error))
    else:
        await _note_stored(resources, tenant_id, job, found)


async def _fetch(
    resources: Resources, tenant_id: UUID, job: MediaJob, file: Path
) -> dict[str, Any]:
    """Write the file, and give what WhatsApp tells of it. Its address lives for minutes, so it is
    asked for each time."""
    if job.whatsapp_id is None or not job.access_token_sealed:
        raise _NotThere("The number it came to is no longer connected.")
    token = resources.keep(ChannelRegistry).access_token(tenant_id, job.access_token_sealed)
    settings, most_bytes = resources.settings.whatsapp, resources.settings.limits.media_bytes
    too_large = f"It is larger than {most_bytes // 1_048_576} MB."
    try:
        told = await meta.describe_media(resources, job.whatsapp_id, job.phone_number_id, token)
    except MetaRefused as refused:
        if refused.failure.pauses_channel:
            raise MetaUnavailable(refused.failure.words) from None
        raise _NotThere("WhatsApp has it no longer: files are kept there for 7 days.") from None
    url, size = told.get("url"), told.get("file_size")
    if isinstance(size, int) and size > most_bytes:
        raise _NotThere(too_large)
    if not isinstance(url, str) or not is_metas(url, settings.media_hosts, settings.api_base):
        log.warning("media_elsewhere", media_id=str(job.id))
        raise _NotThere("WhatsApp named an address for it that is not its own.")
    try:
        with file.open("wb") as into:
            status = await resources.http.download(
                url,
                into,
                token=token,
                most_bytes=most_bytes,
                timeout_seconds=settings.media_timeout_seconds,
            )
    except FetchRefused:
        raise _NotThere(too_large) from None
    if not 200 <= status < 300:
        raise MetaUnavailable(f"WhatsApp answered HTTP {status} instead of the file.")
    return told


def _check_digest(found: Found, *told: object) -> None:
    digests = digests_told(*told)
    if digests and digests != {found.sha256}:
        raise MetaUnavailable("The file is not the one that WhatsApp announced.")


async def look_at(file: Path, filename: str | None) -> Found:
    """What a file is: its type by content, its size, its digest."""

    def look() -> Found:
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        return Found(type_of(file, filename), file.stat().st_size, digest)

    return await asyncio.to_thread(look)


async def look_at_upload(file: Path, filename: str | None) -> Upload:
    """What an uploaded file is.

    Raises:
        NotSendable: WhatsApp takes no such files. TooLarge: it takes only smaller ones of this kind.
    """
    name = file_name(filename)
    found = await look_at(file, name)
    taken = sendable(found.mime_type)
    if taken is None or found.size_bytes == 0:
        raise NotSendable(f"WhatsApp takes no files of the type {found.mime_type}.")
    kind, most_bytes = taken
    if found.size_bytes > most_bytes:
        raise TooLarge(f"WhatsApp takes {kind}s of at most {most_bytes // 1_048_576} MB.")
    return Upload(kind, name, found)


@asynccontextmanager
async def scratch_file() -> AsyncIterator[Path]:
    """A place on this machine's disk for a file in hand."""
    with tempfile.TemporaryDirectory(prefix="frontdesk-media-") as folder:
        yield Path(folder) / "file"


async def _note_stored(resources: Resources, tenant_id: UUID, job: MediaJob, found: Found) -> None:
    noted = await _settle(
        resources,
        tenant_id,
        job,
        MediaState.STORED,
        mime_type=found.mime_type,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
    )
    if not noted:
        # It was deleted meanwhile, or another worker fetched it too: that one's copy is the same.
        async with resources.db.hot(tenant_id) as tx:
            state = await tx.sql.fetchval("SELECT state FROM media WHERE id = $1", job.id)
        if state not in (MediaState.PENDING, MediaState.STORED):
            await storage_of(resources).delete(media_key(tenant_id, job.id))


async def _fail(resources: Resources, tenant_id: UUID, job: MediaJob, reason: str) -> None:
    log.warning("media_failed", media_id=str(job.id), reason=reason)
    await _settle(resources, tenant_id, job, MediaState.FAILED, last_error=reason)


async def _put_off(resources: Resources, tenant_id: UUID, job: MediaJob, reason: str) -> None:
    wait = pause_seconds(job.attempts)
    if wait is None:
        await _fail(resources, tenant_id, job, f"WhatsApp did not give it: {reason}")
        return
    log.warning("media_waits", media_id=str(job.id), reason=reason, attempt=job.attempts)
    async with resources.db.hot(tenant_id) as tx:
        waits = await tx.sql.fetchval(
            "UPDATE media SET due_at = now() + make_interval(secs => $3), last_error = $4 "
            "WHERE id = $1 AND attempts = $2 AND state = 'pending' RETURNING id",
            job.id,
            job.attempts,
            wait,
            reason[:500],
        )
        if waits:
            tx.ring(MEDIA, job.id, wait + 0.01)


async def _settle(
    resources: Resources, tenant_id: UUID, job: MediaJob, state: MediaState, **found: Any
) -> bool:
    """Write down how it ended and tell; False when the row is no longer this job's."""
    columns = {"last_error": None, **found}
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=4))
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(LOCK_THREAD, job.conversation_id)
        row = await tx.sql.fetchrow(
            f"UPDATE media SET state = $3::text, {names}, "  # noqa: S608  # Names of columns.
            "stored_at = CASE WHEN $3::text = 'stored' THEN now() END, "
            "due_at = CASE WHEN $3::text = 'stored' AND wants_words THEN now() END, "
            "attempts = CASE WHEN $3::text = 'stored' THEN 0 ELSE attempts END, "
            "is_awaited = is_awaited AND $3::text = 'stored' AND wants_words "
            "WHERE id = $1 AND attempts = $2 AND state = 'pending' "
            f"RETURNING {COLUMNS}, is_awaited, due_at",
            job.id,
            job.attempts,
            state,
            *columns.values(),
        )
        if row is None:
            return False
        tell_media(tx, row)
        if row["due_at"] is not None:
            tx.ring(MEDIA, job.id)
        if not row["is_awaited"]:
            await settle_media(tx, job.conversation_id, job.message_id)
    return True


async def settle_media(
    tx: Transaction, conversation_id: UUID, message_id: UUID | None, words: str = ""
) -> None:
    """Tell whoever waits for a file that there is nothing more to wait for.

    Args:
        words: what it says, or shows.
    """
    await publish(
        tx,
        MediaSettled(
            tenant_id=tx.tenant_id,
            conversation_id=conversation_id,
            message_id=message_id,
            words=words,
        ),
    )


async def delete_of_message(tx: Transaction, message_id: UUID) -> None:
    """Let the file of a message go, if it has one: its sender took the message back."""
    row = await tx.sql.fetchrow(
        f"UPDATE media SET {FORGET} WHERE message_id = $1 RETURNING {COLUMNS}",  # noqa: S608  # Ours.
        message_id,
    )
    if row is not None:
        tx.ring(MEDIA, row["id"])
        tell_media(tx, row)
        await settle_media(tx, row["conversation_id"], message_id)


def tell_media(tx: Transaction, row: Any) -> None:
    """Put what is known of a file on the feed; a row of the columns of `MediaPublic`."""
    media = MediaPublic.model_validate(dict(row))
    feed.tell(tx, MediaChanged(conversation_id=media.conversation_id, media=media))


async def get_media(tx: Transaction, media_id: UUID) -> MediaPublic:
    """What is known of a file; raises `NotFound`."""
    row = await tx.sql.fetchrow(f"SELECT {COLUMNS} FROM media WHERE id = $1", media_id)  # noqa: S608  # Ours.
    if row is None:
        raise NotFound(f"There is no file {media_id}.")
    return MediaPublic.model_validate(dict(row))


async def fetch_again(tx: Transaction, media_id: UUID) -> MediaPublic:
    """Ask WhatsApp for a file once more; raises `NotFound`, `MediaNotFailed`."""
    media = await get_media(tx, media_id)
    row = await tx.sql.fetchrow(
        "UPDATE media SET state = 'pending', attempts = 0, due_at = now(), last_error = NULL "  # noqa: S608  # Ours.
        f"WHERE id = $1 AND state = 'failed' RETURNING {COLUMNS}",
        media_id,
    )
    if row is None:
        raise MediaNotFailed(f"The file is {media.state}.")
    tx.ring(MEDIA, media_id)
    tell_media(tx, row)
    return MediaPublic.model_validate(dict(row))


async def begin_upload(
    tx: Transaction, conversation_id: UUID, user_id: UUID, upload: Upload
) -> UUID:
    """Make the row of a file that is being stored; its id. If that comes to nothing, the file goes
    with the row's due time.

    Raises:
        NotFound: there is no such conversation.
    """
    media_id: UUID | None = await tx.sql.fetchval(
        "INSERT INTO media (id, conversation_id, channel_id, user_id, kind, state, mime_type, filename, "
        "size_bytes, sha256, due_at) SELECT $1, k.id, k.channel_id, $3, $4, 'deleted', $5, $6, $7, $8, "
        "now() + interval '1 hour' FROM conversation k WHERE k.id = $2 RETURNING id",
        ids.new(),
        conversation_id,
        user_id,
        upload.kind,
        upload.found.mime_type,
        upload.filename,
        upload.found.size_bytes,
        upload.found.sha256,
    )
    if media_id is None:
        raise NotFound("There is no such conversation.")
    return media_id


async def end_upload(tx: Transaction, media_id: UUID) -> MediaPublic:
    """Note that an uploaded file is stored; raises `NotFound` when it was erased meanwhile."""
    stored = await tx.sql.fetchval(
        "UPDATE media SET state = 'stored', stored_at = now(), due_at = NULL "
        "WHERE id = $1 AND state = 'deleted' AND attempts = 0 RETURNING id",
        media_id,
    )
    if stored is None:
        # The worker that deleted it may have come before its bytes.
        await tx.sql.execute(
            "UPDATE media SET due_at = now(), attempts = attempts + 1 "
            "WHERE id = $1 AND state = 'deleted'",
            media_id,
        )
    return await get_media(tx, media_id)


async def attach(tx: Transaction, media_id: UUID, conversation_id: UUID) -> MediaPublic:
    """An uploaded file that may go with a message, locked until the transaction ends.

    Raises:
        NotFound: there is no such file of this conversation, or nobody uploaded it.
        MediaSent: it went with another message. MediaNotThere: it was deleted.
    """
    row = await tx.sql.fetchrow(
        f"SELECT {COLUMNS} FROM media WHERE id = $1 AND conversation_id = $2 "  # noqa: S608  # Ours.
        "AND user_id IS NOT NULL FOR UPDATE",
        media_id,
        conversation_id,
    )
    if row is None:
        raise NotFound(f"There is no file {media_id}.")
    media = MediaPublic.model_validate(dict(row))
    if media.message_id is not None:
        raise MediaSent
    if media.state is not MediaState.STORED:
        raise MediaNotThere("It was deleted.")
    return media


async def note_message(tx: Transaction, media_id: UUID, message_id: UUID) -> None:
    """Tie a file to the message it goes with."""
    await tx.sql.execute("UPDATE media SET message_id = $2 WHERE id = $1", media_id, message_id)


async def note_handed_over(tx: Transaction, media_id: UUID, whatsapp_id: str) -> None:
    """Keep under which id WhatsApp has a file of ours."""
    await tx.sql.execute(
        "UPDATE media SET whatsapp_id = $2, uploaded_at = now() WHERE id = $1 AND state = 'stored'",
        media_id,
        whatsapp_id,
    )


async def open_media(
    resources: Resources,
    tenant_id: UUID,
    media: MediaPublic,
    start: int = 0,
    length: int | None = None,
) -> AsyncIterator[bytes]:
    """The bytes of a file, from `start` on; raises `MediaNotThere`."""
    if media.state is not MediaState.STORED:
        words = {
            MediaState.PENDING: "It is being fetched from WhatsApp.",
            MediaState.DELETED: "It was deleted.",
        }
        raise MediaNotThere(words.get(media.state) or media.error)
    try:
        return await storage_of(resources).open(media_key(tenant_id, media.id), start, length)
    except NotKept:
        raise MediaNotThere("The store of files has lost it.") from None
