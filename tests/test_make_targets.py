"""What `make` runs from beside the package begins, and says what it takes."""

import asyncio
import sys

import pytest


@pytest.mark.parametrize("module", ["benchmarks", "faults"])
async def test_what_stands_beside_the_package_still_fits_it(module: str) -> None:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "--help", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asked.communicate()
    assert asked.returncode == 0
    assert said.startswith(b"usage:")
