"""Exports: a zip with one file of JSON Lines per table, made by a worker, fetched for a while.

All tables are read in one snapshot. Which there are the database says, so nothing is forgotten;
what must not leave (hashes, sealed secrets) is held back by the columns' names.
"""

import asyncio
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select

from frontdesk import conversation, feed
from frontdesk.core import ids
from frontdesk.core.callers import Principal
from frontdesk.core.db import Connection, Session, Transaction, take_time
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.messaging import MediaNotThere, MediaPublic, list_files, open_media
from frontdesk.observability import audit
from frontdesk.privacy.catalogue import Table, list_tables
from frontdesk.privacy.errors import AlreadyRunning, ExportGone
from frontdesk.privacy.files import export_file
from frontdesk.privacy.happenings import ExportChanged
from frontdesk.privacy.models import DataExport, ExportState
from frontdesk.privacy.people import must_exist, pattern_of_contact
from frontdesk.privacy.schemas import ExportPublic

EXPORT = "privacy.export"
MAX_ATTEMPTS = 3
# Renewed with every table; a table that takes longer is read by two workers, the last file wins.
_LEASE_SECONDS = 900
_ROWS_AT_ONCE = 500
# What is read while an erasure goes on may hold whom it erases, and is made once more: everything of
# the tenant for any of its contacts, a contact for itself, both for the whole tenant. One that only
# waits takes along what is done by the time it goes on, so no queue of erasures holds an export up.
_OVERTAKEN = """
SELECT EXISTS (SELECT FROM erasure WHERE ($2::uuid IS NULL OR coalesce(contact_id, $2) = $2)
    AND state <> 'failed' AND (stage IN ('scrub', 'verify') OR finished_at >= $1))
"""
_AGAIN_SECONDS = 60
_README = """\
One file of JSON Lines per table, a row each, in the order of its key; manifest.json lists them with
their rows. files/ holds what was sent as files, under the ids of media.jsonl, which tells what each
is. Times are UTC, amounts USD. Passwords, tokens and their hashes are not in it.
"""
# People and the tenant itself have no `tenant_id`; row-level security shows those of the tenant.
_BESIDE = {
    "tenant": "SELECT to_jsonb(t)::text AS line FROM tenant t",
    "app_user": "SELECT jsonb_build_object('id', id, 'email', email, 'name', name, 'created_at', "
    "created_at)::text AS line FROM app_user ORDER BY id",
}


async def start_export(session: Session, who: Principal, contact_id: UUID | None) -> ExportPublic:
    """Make an export due.

    Raises:
        NoSuchContact: the tenant has no such contact.
        AlreadyRunning: another export of the tenant is being made.
    """
    if contact_id is not None:
        await must_exist(session, contact_id)
    export_id = ids.new()
    try:
        await session.sql.execute(
            "INSERT INTO data_export (id, contact_id, requested_by, state, due_at) "
            "VALUES ($1, $2, $3, 'queued', now())",
            export_id,
            contact_id,
            who.user_id,
        )
    except asyncpg.UniqueViolationError:
        raise AlreadyRunning("Wait for the export that is being made.") from None
    await _audit(session, who, "export.requested", export_id, contact_id=contact_id)
    session.ring(EXPORT, export_id)
    return await get_export(session, export_id)


async def list_exports(session: Session, *, limit: int, cursor: str | None) -> Page[ExportPublic]:
    """A page of exports, newest first."""
    query = select(DataExport)
    return await newest_page(
        session, query, col(DataExport.id), ExportPublic.model_validate, limit=limit, cursor=cursor
    )


async def get_export(session: Session, export_id: UUID) -> ExportPublic:
    """One export; raises `NotFound`."""
    row = (await session.exec(select(DataExport).where(DataExport.id == export_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such export.")
    return ExportPublic.model_validate(row)


async def fetch_file(
    resources: Resources, session: Session, who: Principal, export_id: UUID, *, now: datetime
) -> Path:
    """The file of an export, noted in the audit log; raises `NotFound`, `ExportGone`."""
    export = await get_export(session, export_id)
    path = export_file(resources, who.tenant_id, export_id)
    expired = export.expires_at is None or export.expires_at <= now
    if export.state is not ExportState.DONE or expired or not path.exists():
        raise ExportGone
    await _audit(session, who, "export.downloaded", export_id, contact_id=export.contact_id)
    return path


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Exports to be made, or whose file has expired; tenants take turns."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM data_export WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def handle_export(resources: Resources, tenant_id: UUID, export_id: UUID) -> None:
    """Make the file, or delete it when its time is over. Run twice, it is made again or gone."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(
            "UPDATE data_export SET attempts = attempts + 1, "
            "due_at = now() + make_interval(secs => $2) WHERE id = $1 AND due_at <= now() "
            "RETURNING state, contact_id, attempts, now() AS began_at",
            export_id,
            float(_LEASE_SECONDS),
        )
    if row is None:
        return
    if row["state"] == ExportState.DONE:
        await _expire(resources, tenant_id, export_id)
    elif row["attempts"] > MAX_ATTEMPTS:
        await _move(resources, tenant_id, export_id, "state = 'failed', due_at = NULL")
    else:
        await _make(resources, tenant_id, export_id, row)


async def _make(resources: Resources, tenant_id: UUID, export_id: UUID, claimed: Any) -> None:
    path = export_file(resources, tenant_id, export_id)
    partial = path.with_suffix(f".{claimed['attempts']}.partial")
    try:
        counts = await _write(resources, tenant_id, export_id, claimed["contact_id"], partial)
        size, digest = await asyncio.to_thread(_measure, partial)
        days = await _days(resources, tenant_id)
        os.replace(partial, path)
    except Exception as error:
        partial.unlink(missing_ok=True)
        reason = f"{type(error).__name__}: {error}"[:500]
        await _move(resources, tenant_id, export_id, "last_error = $2", reason)
        raise
    async with resources.db.hot(tenant_id) as tx:
        overtaken = await tx.sql.fetchval(_OVERTAKEN, claimed["began_at"], claimed["contact_id"])
        if overtaken:
            path.unlink(missing_ok=True)
            later = (
                "attempts = attempts - 1, stage = '', due_at = now() + make_interval(secs => $2)"
            )
            await _change(tx, export_id, later, float(_AGAIN_SECONDS))
            return
        await _change(
            tx,
            export_id,
            "state = 'done', stage = '', row_count = $2, size_bytes = $3, sha256 = $4, "
            "finished_at = now(), last_error = NULL, due_at = now() + make_interval(days => $5), "
            "expires_at = now() + make_interval(days => $5)",
            sum(counts.values()),
            size,
            digest,
            days,
        )


async def _write(
    resources: Resources,
    tenant_id: UUID,
    export_id: UUID,
    contact_id: UUID | None,
    partial: Path,
) -> dict[str, int]:
    """Write all tables into the file; the rows of each."""
    counts: dict[str, int] = {}
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        async with resources.db.hot(tenant_id) as tx:
            await tx.sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await take_time(tx.sql)
            for name, statement, values in await _statements(tx, contact_id):
                await _move(
                    resources,
                    tenant_id,
                    export_id,
                    "stage = $2, due_at = now() + make_interval(secs => $3)",
                    name,
                    float(_LEASE_SECONDS),
                )
                counts[name] = await _write_table(tx, archive, name, statement, values)
            files = await list_files(tx, contact_id)
        stage = "stage = 'files', due_at = now() + make_interval(secs => $2)"
        for media in files:
            await _move(resources, tenant_id, export_id, stage, float(_LEASE_SECONDS))
            await _write_file(resources, tenant_id, archive, media)
        manifest = {
            "tenant_id": str(tenant_id),
            "contact_id": contact_id and str(contact_id),
            "made_at": datetime.now(UTC).isoformat(),
            "files": [
                {"name": f"{name}.jsonl", "table": name, "rows": rows}
                for name, rows in counts.items()
            ],
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=2))
        archive.writestr("README.txt", _README)
    return counts


async def _statements(
    tx: Transaction, contact_id: UUID | None
) -> list[tuple[str, str, tuple[Any, ...]]]:
    """(table, statement, its values) of all that is exported."""
    tables = await list_tables(tx.sql)
    if contact_id is None:
        mine = [
            (table.name, _select(table, "$1::text[] IS NOT NULL"), (table.secrets,))
            for table in tables
        ]
        return [*((name, sql, ()) for name, sql in _BESIDE.items()), *mine]
    # The whole person: `$1` and `$2` of each of their contacts, one after the other.
    values: list[Any] = []
    for each in await conversation.person_of(tx, contact_id):
        values += [each, await pattern_of_contact(tx, each)]
    found: list[tuple[str, str, tuple[Any, ...]]] = []
    for table in tables:
        if table.holding.of_contact is not None:
            theirs = [
                f"({_numbered(table.holding.of_contact, first)}) "
                f"AND ${first}::uuid IS NOT NULL AND ${first + 1}::text IS NOT NULL"
                for first in range(1, len(values), 2)
            ]
            secrets = f"${len(values) + 1}::text[]"
            statement = _select(table, f"({' OR '.join(theirs)})", secrets=secrets)
            found.append((table.name, statement, (*values, table.secrets)))
    return found


def _numbered(condition: str, first: int) -> str:
    """A holding's condition whose two parameters begin with this number."""
    return re.sub(r"\$([12])", lambda found: f"${first + int(found[1]) - 1}", condition)


def _select(table: Table, condition: str, *, secrets: str = "$1::text[]") -> str:
    return (
        f"SELECT (to_jsonb({table.name}) - {secrets})::text AS line FROM {table.name} "  # noqa: S608  # Names of our tables.
        f"WHERE {condition} ORDER BY {', '.join(table.key)}"
    )


async def _write_table(
    tx: Transaction,
    archive: zipfile.ZipFile,
    name: str,
    statement: str,
    values: tuple[Any, ...],
) -> int:
    rows = 0
    with archive.open(f"{name}.jsonl", "w", force_zip64=True) as entry:
        cursor = await tx.sql.cursor(statement, *values)
        while lines := await cursor.fetch(_ROWS_AT_ONCE):
            text = "".join(f"{line['line']}\n" for line in lines).encode()
            # Packing takes longer than reading; the loop has other work.
            await asyncio.to_thread(entry.write, text)
            rows += len(lines)
    return rows


async def _write_file(
    resources: Resources, tenant_id: UUID, archive: zipfile.ZipFile, media: MediaPublic
) -> None:
    """Add a file of a message, unless it was deleted meanwhile."""
    try:
        pieces = await open_media(resources, tenant_id, media)
    except MediaNotThere:
        return
    with archive.open(f"files/{media.id}", "w", force_zip64=True) as entry:
        async for piece in pieces:
            await asyncio.to_thread(entry.write, piece)


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


async def _expire(resources: Resources, tenant_id: UUID, export_id: UUID) -> None:
    export_file(resources, tenant_id, export_id).unlink(missing_ok=True)
    await _move(resources, tenant_id, export_id, "state = 'expired', due_at = NULL")


async def _days(resources: Resources, tenant_id: UUID) -> int:
    days = resources.settings.retention.export_days
    async with resources.db.hot(tenant_id) as tx:
        own: int | None = await tx.sql.fetchval("SELECT export_days FROM tenant_retention")
    return min(days, own or days)


async def _move(
    resources: Resources, tenant_id: UUID, export_id: UUID, assignments: str, *values: Any
) -> None:
    async with resources.db.hot(tenant_id) as tx:
        await _change(tx, export_id, assignments, *values)


async def _change(tx: Transaction, export_id: UUID, assignments: str, *values: Any) -> None:
    """Change the row, and tell the admins' dashboards how far it is."""
    row = await tx.sql.fetchrow(
        f"UPDATE data_export SET {assignments} WHERE id = $1 RETURNING state, stage",  # noqa: S608  # Our own words.
        export_id,
        *values,
    )
    assert row is not None
    told = ExportChanged(export_id=export_id, state=row["state"], stage=row["stage"])
    feed.tell(tx, told, feed.Audience.ADMINS)


async def _audit(
    tx: Transaction, who: Principal, action: str, export_id: UUID, *, contact_id: UUID | None
) -> None:
    await audit(
        tx,
        action,
        "data_export",
        export_id,
        user_id=who.user_id,
        details={"contact_id": contact_id} if contact_id else {},
        request_id=who.request_id,
    )
