"""Long work tells how far it is: one line on standard error that moves, and only on a terminal."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Told how much is done, and of how much where that is known.
Tell = Callable[[int, int | None], None]
_NEW_LINE = "\r\x1b[K"


@contextmanager
def progress(doing: str) -> Iterator[Tell]:
    """A line such as `comparing  ████░░░░ 4 of 12` while the block runs; gone when it ends.

    Written to a file or a pipe, nothing is: programs and logs want no moving lines.
    """
    told = ""

    def tell(done: int, total: int | None = None) -> None:
        nonlocal told
        line = f"{doing}  {_bar(done, total)}{done}" + (f" of {total}" if total else "")
        if line != told and sys.stderr.isatty():
            told = line
            sys.stderr.write(f"{_NEW_LINE}{line}")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if told:
            sys.stderr.write(_NEW_LINE)
            sys.stderr.flush()


def _bar(done: int, total: int | None) -> str:
    if not total:
        return ""
    width = min(30, max(10, shutil.get_terminal_size().columns - 50))
    filled = width * min(done, total) // total
    return f"{'█' * filled}{'░' * (width - filled)} "
