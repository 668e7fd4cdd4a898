"""Backups: what can be told of a dump by looking, and of a database that was restored from one.

A dump that nobody has restored is a hope. So a file is only looked at, and says so; what counts is a
restored database, in which the promises must hold as they do in the live one.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from frontdesk.core.db import Connection, Database
from frontdesk.core.resealing import count_by_key, summary
from frontdesk.core.settings import DatabaseSettings, Settings
from frontdesk.doctor.diagnosis import Diagnosis, broken, warning, well
from frontdesk.doctor.postgres import connected
from frontdesk.observability import check_invariants

# What `pg_dump --format=custom` begins with, and a plain one.
_CUSTOM, _PLAIN = b"PGDMP", b"--\n-- PostgreSQL database dump"
# What no dump of a desk may be without.
COUNTED = ("tenant", "membership", "channel", "contact", "conversation", "message", "audit_entry")
_DAY_HOURS = 26  # A daily one, and two hours for it to be made.
_SEES_ALL = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_NEWEST = "SELECT max(received_at) FROM webhook_event"
_VERSION = "SELECT version_num FROM alembic_version"


async def look_at_dump(file: Path) -> list[Diagnosis]:
    """What a dump's file tells: how old it is, whether it is whole, what is in it."""
    try:
        head, status = await asyncio.to_thread(_head, file)
    except OSError as error:
        return [broken("dump", f"{file}: {error.strerror}", "Name the newest dump.")]
    hours = (time.time() - status.st_mtime) / 3600
    words = f"{file.name}, {status.st_size / 1e6:.1f} MB, {hours:.0f} hours old"
    if not head.startswith((_CUSTOM, _PLAIN)):
        return [broken("dump", f"{words}: pg_dump did not write this", "Look at what wrote it.")]
    found = [
        warning("dump", words, "Dumps are missing since; look at what should make them.")
        if hours > _DAY_HOURS
        else well("dump", words)
    ]
    if head.startswith(_CUSTOM):
        found.append(await _contents(file))
    found.append(
        warning(
            "restored",
            "whether it can be restored, only a restore tells",
            "Restore it into a database of its own, then: frontdesk backup check --restored URL",
        )
    )
    return found


async def look_at_restored(settings: Settings, url: str) -> list[Diagnosis]:
    """Whether a restored database is a whole desk: version, counts, promises, and keys that open it."""
    try:
        async with connected(url) as restored:
            if not await restored.fetchval(_SEES_ALL):
                return [
                    broken(
                        "restored",
                        "this role sees no rows of tenants",
                        "Name the role frontdesk_system, or a superuser, in the URL.",
                    )
                ]
            counts = await _counts(restored)
            found = [
                await _version(restored),
                await _newest(restored),
                await _keys(settings, url),
                *await _compared(settings, counts),
            ]
            return found + [
                well("promises", result.words)
                if result.ok
                else broken(
                    "promises",
                    f"{result.name} is broken {result.broken} times",
                    "If the live database holds it, the backup is not whole; see docs/runbooks/README.md.",
                )
                for result in await check_invariants(
                    # Nobody works in it, so what was due has been due since.
                    restored,
                    older_than_minutes=60 * 24 * 365,
                )
            ]
    except (TimeoutError, asyncpg.PostgresError, OSError) as error:
        return [
            broken("restored", f"can't be read: {error}", "Check the URL, and the restore's log.")
        ]


def _head(file: Path) -> tuple[bytes, os.stat_result]:
    with file.open("rb") as opened:
        return opened.read(64), os.fstat(opened.fileno())


async def _contents(file: Path) -> Diagnosis:
    """Whether the dump's own list names every table it must hold."""
    tool = shutil.which("pg_restore")
    if tool is None:
        return warning(
            "dump_contents",
            "pg_restore is not here to list it",
            "Look where Postgres is installed.",
        )
    process = await asyncio.create_subprocess_exec(
        tool, "--list", str(file),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    listed, failure = await process.communicate()
    if process.returncode:
        return broken("dump_contents", failure.decode(errors="replace").strip(), "Make a new dump.")
    there = {line.split(" ")[-2] for line in listed.decode().splitlines() if " TABLE DATA " in line}
    if missing := sorted(set(COUNTED) - there):
        return broken(
            "dump_contents",
            f"without the rows of {', '.join(missing)}",
            "Dump the whole database, as a role that sees all tenants.",
        )
    return well("dump_contents", f"the rows of {len(there)} tables")


async def _counts(connection: Connection) -> dict[str, int]:
    return {
        table: await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # Ours.
        for table in COUNTED
    }


async def _version(restored: Connection) -> Diagnosis:
    return well(
        "version", f"at {await restored.fetchval(_VERSION)}; frontdesk migrate brings it up"
    )


async def _newest(restored: Connection) -> Diagnosis:
    newest = await restored.fetchval(_NEWEST)
    if newest is None:
        return warning("newest", "no webhook is in it", "Is it the right database?")
    hours = (datetime.now(UTC) - newest).total_seconds() / 3600
    words = f"the newest webhook came {hours:.1f} hours ago; what came since would be lost"
    if hours > _DAY_HOURS:
        return warning("newest", words, "Meta delivers again what it could not for 7 days.")
    return well("newest", words)


async def _keys(settings: Settings, url: str) -> Diagnosis:
    """Without the keys of its time a backup's secrets stay shut, and they are in no backup."""
    secret = SecretStr(url)
    database = Database(DatabaseSettings(url=secret, system_url=secret), {})
    await database.open()
    try:
        counts = summary(await count_by_key(database))
    finally:
        await database.close()
    if unknown := sorted(counts.keys() - settings.security.encryption_keys.keys()):
        return broken(
            "keys",
            f"{counts.total()} secrets, some sealed with keys that are not configured: "
            f"{', '.join(unknown)}",
            "Put them back into SECURITY__ENCRYPTION_KEYS, from where you keep them.",
        )
    return well("keys", f"{counts.total()} secrets are sealed with keys that are configured")


async def _compared(settings: Settings, counts: Mapping[str, int]) -> list[Diagnosis]:
    """The counts beside those of the live database, when that can be reached."""
    words = ", ".join(f"{count} {table}" for table, count in counts.items())
    try:
        async with connected(settings.database.system_dsn) as live:
            now = await _counts(live)
    except (TimeoutError, asyncpg.PostgresError, OSError):
        return [warning("counts", words, "The live database can't be reached: compare by hand.")]
    if empty := [table for table, count in now.items() if count and not counts[table]]:
        return [
            broken(
                "counts",
                f"nothing of {', '.join(empty)}, of which the live database has rows",
                "Dump as a role that sees all tenants; pg_dump as another one leaves rows out.",
            )
        ]
    shares = ", ".join(f"{table} {counts[table]} of {now[table]}" for table in counts)
    return [well("counts", shares)]
