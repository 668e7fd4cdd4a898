"""Runs a module as a process of the benchmark, which ends with it whatever happens.

python -m benchmarks.child MODULE ARGUMENT...
"""

import ctypes
import os
import runpy
import signal
import sys

PARENT = "BENCHMARKS_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process's life to its parent's, then become the module."""
    # Not SIGTERM: a contender whose turn it isn't is stopped, and would never come to handle it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(os.environ[PARENT]):
        sys.exit("the benchmark is gone")
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
