"""What the kernel says a process has used, and what is made of many samples."""

import os
import re
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads; Linux counts in hundredths."""
    user, system, _, _ = _times(pid)
    return (user + system) / _TICKS_PER_SECOND


def tree_cpu_seconds(pid: int) -> float:
    """The same for a server and its children, those that have ended included."""
    total = sum(_times(pid))
    # A child that ends meanwhile is added to what its parent has reaped.
    for child in _children(pid):
        try:
            total += sum(_times(child))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / _TICKS_PER_SECOND


def peak_mib(pid: int) -> float:
    """The most memory a process has had resident so far, in MiB."""
    return _status_kib(pid, "VmHWM") / 1024


def resident_kib(pid: int) -> int:
    """The memory a process has resident now, in KiB."""
    return _status_kib(pid, "VmRSS")


def percentile(samples: Sequence[float], share: float) -> float:
    """The value that `share` of the samples do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def median(samples: Iterable[float]) -> float:
    """The middle value; the lower one of two."""
    return percentile(list(samples), 0.5)


def _status_kib(pid: int, field: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def _times(pid: int) -> tuple[int, int, int, int]:
    """User, system, and both of the children that were waited for, in ticks."""
    # The name in parentheses may hold spaces; what follows it does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    return user, system, children_user, children_system


def _children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(folder.name))
    return found
