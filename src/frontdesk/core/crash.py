"""Crash points: places where a fault test kills or stops the process, as `kill` would.

Nothing arms them but the fault suite, which does so in a process of its own before the product's
code runs. No setting and no environment variable can: outside a test `crash` does nothing.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CrashPlan:
    """Die at each of these points, so many times over all processes that share the folder."""

    points: tuple[str, ...]
    times: int
    folder: Path
    signal: int = signal.SIGKILL
    """SIGSTOP lets a process pause there instead, until somebody sends SIGCONT."""

    def deaths(self) -> int:
        """How many there have been so far."""
        return len(list(self.folder.iterdir()))

    @property
    def is_fulfilled(self) -> bool:
        """Whether there have been as many as there are to be."""
        return self.deaths() == self.times * len(self.points)


_plan: CrashPlan | None = None


def arm(plan: CrashPlan) -> None:
    """Let this process die at the plan's point. Only for fault tests."""
    global _plan  # noqa: PLW0603  # A process dies as a whole.
    _plan = plan


def crash(point: str) -> None:
    """Die here if a fault test asked for this point and has not had its deaths yet."""
    if _plan is None or point not in _plan.points:
        return
    for number in range(_plan.times):
        try:
            (_plan.folder / f"{point}.{number}").touch(exist_ok=False)
        except FileExistsError:
            continue  # This death was another process's.
        os.kill(os.getpid(), _plan.signal)
        return
