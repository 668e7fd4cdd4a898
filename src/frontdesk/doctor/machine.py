"""This machine: its Python, and the room on its disks."""

import asyncio
import platform
import shutil
from pathlib import Path

from frontdesk.core.settings import Settings
from frontdesk.doctor.diagnosis import Diagnosis, Patient, broken, warning, well

_LEAST_BYTES, _FEW_BYTES = 200e6, 2e9


async def look_at_python(_: Patient) -> list[Diagnosis]:
    """Which Python runs this."""
    return [well("python", platform.python_version())]


async def look_at_disks(patient: Patient) -> list[Diagnosis]:
    """Whether there is room where this machine keeps files; Postgres's disk it can't see."""
    folders = _folders(patient.resources.settings)
    return await asyncio.to_thread(lambda: [_look(name, folder) for name, folder in folders])


def _folders(settings: Settings) -> list[tuple[str, Path]]:
    named = [("PRIVACY__FOLDER", settings.privacy.folder)]
    if settings.storage.s3_bucket is None:
        named.append(("STORAGE__FOLDER", settings.storage.folder))
    return [(name, Path(folder)) for name, folder in named]


def _look(name: str, folder: Path) -> Diagnosis:
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    words = f"{free / 1e9:.1f} GB free for {name} ({folder})"
    act = "Make room, or move the folder to a larger disk."
    if free < _LEAST_BYTES:
        return broken("disk", words, act)
    return warning("disk", words, act) if free < _FEW_BYTES else well("disk", words)
