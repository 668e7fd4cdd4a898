"""Reading documents that others made: in a child process that can only end itself."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from frontdesk.core.json import loads
from frontdesk.core.text import clean
from frontdesk.knowledge.errors import Unreadable

_SCRIPT = Path(__file__).with_name("extract.py")
# Of the child's CPU; a thousand pages of PDF take a tenth of it.
CPU_SECONDS = 60
# A crowded machine may give it less than a core.
_WALL_SECONDS = 150


@dataclass(frozen=True)
class Document:
    """What a file or page says, as Markdown; `links` as they stand in it."""

    markdown: str
    title: str | None
    pages: int | None
    links: tuple[str, ...]


async def read_document(file: Path) -> Document:
    """A document as Markdown; what kind it is, is told by its content.

    Raises:
        Unreadable: it is no document that we read, is too large or a bomb; the message says why.
    """
    result = file.with_name(f"{file.name}.json")
    # -I and an empty environment: it finds no code of others, and no secret of ours.
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_SCRIPT),
        str(file),
        str(result),
        str(CPU_SECONDS),
        env={},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_WALL_SECONDS):
            code = await child.wait()
    except TimeoutError:
        raise Unreadable("It takes too long to read.") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if code != 0:
        raise Unreadable("It takes too much time or memory to read.")
    told = loads(await asyncio.to_thread(result.read_bytes))
    if "problem" in told:
        raise Unreadable(clean(told["problem"]))
    return Document(
        markdown=clean(told["markdown"]),
        title=clean(told["title"]) if told["title"] else None,
        pages=told["pages"],
        links=tuple(map(clean, told["links"])),
    )


@asynccontextmanager
async def document_file() -> AsyncIterator[Path]:
    """A place on this machine's disk for a document in hand."""
    with tempfile.TemporaryDirectory(prefix="frontdesk-knowledge-") as folder:
        yield Path(folder) / "document"
