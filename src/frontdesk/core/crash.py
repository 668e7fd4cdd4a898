"""Crash points: places where a fault test kills this process. Outside such a test they do nothing.

`FRONTDESK_TEST_CRASH=after_claim:/tmp/marker` kills the process the first time it passes the point
`after_claim`, and writes the marker so that the next process passes it unharmed.
"""

import os
import signal
from pathlib import Path

_POINT, _, _MARKER = os.environ.get("FRONTDESK_TEST_CRASH", "").partition(":")


def crash(point: str) -> None:
    """Die here, as `kill -9` would have it, if a fault test asked for this point."""
    if point != _POINT:
        return
    marker = Path(_MARKER)
    if marker.exists():
        return
    marker.write_text(point)
    os.kill(os.getpid(), signal.SIGKILL)
