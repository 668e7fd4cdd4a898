"""Crash points: places where a fault test kills or stops the process, as `kill` would.

Nothing arms them but the fault suite, which does so in a process of its own before the product's
code runs. No setting and no environment variable can: outside a test `crash` does nothing.
"""

import os
import signal
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Death:
    """A process that ended, or paused, at a point."""

    point: str
    pid: int
    work: frozenset[str]
    """Names of what it had in hand."""


@dataclass(frozen=True)
class CrashPlan:
    """Die at each of these points, so many times over all processes that share the folder."""

    points: tuple[str, ...]
    times: int
    folder: Path
    signal: int = signal.SIGKILL
    """SIGSTOP lets a process pause there instead, until somebody sends SIGCONT."""
    only: object = None
    """Only with this in hand, if it is given."""
    again: bool = False
    """At each point only with what the first that died there had in hand, once one has."""

    def deaths(self) -> list[Death]:
        """Those there have been so far."""
        found = []
        for path in self.folder.iterdir():
            if told := path.read_text().split():  # Else it is being written.
                pid, *work = told
                found.append(Death(path.stem, int(pid), frozenset(work)))
        return found

    @property
    def is_fulfilled(self) -> bool:
        """Whether there have been as many at each point as there are to be."""
        wanted = dict.fromkeys(self.points, self.times)
        return Counter(death.point for death in self.deaths()) == wanted

    def is_meant(self, point: str, work: frozenset[str]) -> bool:
        """Whether who has this in hand at a point is to die there, if anybody is."""
        if point not in self.points or (self.only is not None and _name(self.only) not in work):
            return False
        first = self.folder / f"{point}.0"
        return not (self.again and first.exists()) or bool(work & set(first.read_text().split()))


_plan: CrashPlan | None = None


def arm(plan: CrashPlan) -> None:
    """Let this process die at the plan's point. Only for fault tests."""
    global _plan  # noqa: PLW0603  # A process dies as a whole.
    _plan = plan


def crash(point: str, *in_hand: object) -> None:
    """Die here if a fault test asked for this point and has not had its deaths yet.

    `in_hand` says of what: ids of rows, or a webhook's bytes.
    """
    if _plan is None:
        return
    work = frozenset(map(_name, in_hand))
    if not _plan.is_meant(point, work):
        return
    for number in range(_plan.times):
        try:
            with (_plan.folder / f"{point}.{number}").open("x") as file:
                file.write(" ".join([str(os.getpid()), *work]))
        except FileExistsError:
            continue  # This death was another process's.
        os.kill(os.getpid(), _plan.signal)
        return


def _name(item: object) -> str:
    """What it is called in every process."""
    return f"{zlib.crc32(repr(item).encode()):08x}"
