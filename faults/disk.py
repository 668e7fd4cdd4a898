"""A full disk under Postgres: a small file system of its own, or the error where none may be made."""

import asyncio
import errno
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from faults.site import Site

_MIB = 96
_SIMULATED_ON = ("webhook_event", "message", "outbound")


@asynccontextmanager
async def full_disk(site: Site) -> AsyncIterator[None]:
    """Every table lies on a disk without a free byte inside the block, and with some after it.

    Mounting takes root. Without it Postgres raises the same error from a trigger instead.
    """
    folder = site.folder / "small-disk"
    folder.mkdir(exist_ok=True)
    if not _mount(folder):
        site.notes.append("simulated: a small disk may only be mounted by root")
        async with _error_instead(site):
            yield
        return
    owner = (site.ground.postgres.folder / "postgres-data").stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    try:
        await _move(site, "pg_default", "small", create=folder)
        ballast = folder / "ballast"
        await asyncio.to_thread(_fill, ballast)
        try:
            yield
        finally:
            ballast.unlink()
        await site.drain()  # It must go on by itself, on that very disk.
        await _move(site, "small", "pg_default", create=None)
    finally:
        await asyncio.to_thread(_unmount, folder)


def _mount(folder: Path) -> bool:
    options = ["-t", "tmpfs", "-o", f"size={_MIB}m,mode=700", "tmpfs", str(folder)]
    with suppress(FileNotFoundError):
        return subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
    return False


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)


async def _move(site: Site, here: str, there: str, *, create: Path | None) -> None:
    """Move all tables and indexes; nothing may hold a lock on one for long meanwhile."""
    if create is not None:
        await site.sql(f"CREATE TABLESPACE {there} LOCATION '{create}'")
    for kind in ("TABLE", "INDEX"):
        moved = False
        while not moved:
            # It locks one after the other, and so gets in the way of what reads several.
            with suppress(asyncpg.DeadlockDetectedError):
                await site.sql(f"ALTER {kind} ALL IN TABLESPACE {here} SET TABLESPACE {there}")
                moved = True
    if create is None:
        await site.sql(f"DROP TABLESPACE {here}")


def _fill(ballast: Path) -> None:
    """Write until nothing more fits."""
    with ballast.open("wb", buffering=0) as file:
        for block in (bytes(1 << 20), bytes(4096)):
            try:
                while file.write(block) == len(block):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@asynccontextmanager
async def _error_instead(site: Site) -> AsyncIterator[None]:
    await site.sql(
        "CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; "
        "END$$"
    )
    for table in _SIMULATED_ON:
        await site.sql(
            f"CREATE TRIGGER no_room BEFORE INSERT ON {table} EXECUTE FUNCTION no_room()"
        )
    try:
        yield
    finally:
        for table in _SIMULATED_ON:
            await site.sql(f"DROP TRIGGER no_room ON {table}")
