"""A folder of its own for exports and the ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from frontdesk.core.settings import Settings


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """Where exports and the ledger of erasures lie during this test."""
    before, settings.privacy.folder = settings.privacy.folder, str(tmp_path)
    yield tmp_path
    settings.privacy.folder = before
