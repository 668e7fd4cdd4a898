"""The folder that exports and the ledger of erasures lie in, which web and workers share."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

from frontdesk.core.resources import Resources


def export_file(resources: Resources, tenant_id: UUID, export_id: UUID) -> Path:
    """Where the file of an export is, once it is made."""
    return _folder(resources, "exports", str(tenant_id)) / f"{export_id}.zip"


def ledger_file(resources: Resources) -> Path:
    """The list of erasures that outlives a restore of the database: a line of JSON each."""
    return _folder(resources) / "erasures.jsonl"


def note_in_ledger(resources: Resources, entry: dict[str, Any]) -> None:
    """Add a line and return once it is on the disk; a repeated line does no harm."""
    with ledger_file(resources).open("ab") as ledger:
        os.chmod(ledger.fileno(), 0o600)
        ledger.write(json.dumps(entry, default=str).encode() + b"\n")
        ledger.flush()
        os.fsync(ledger.fileno())


def _folder(resources: Resources, *parts: str) -> Path:
    folder = Path(resources.settings.privacy.folder).joinpath(*parts)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
