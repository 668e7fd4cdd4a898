"""Starting, questioning, stopping and ending the processes that take part."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from benchmarks.child import PARENT

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60.0


class Failed(Exception):
    """Something that was to be measured did not work; the message says what."""


class Process:
    """A module running on its own.

    Args:
        name: what it is called in messages, and its log file's name.
        folder: where it runs and keeps its log.
        variables: all of its environment but what Python itself needs.
        answers: whether it answers a line of JSON to each line it is given; else its standard
            output belongs to the log.
    """

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        folder: Path,
        variables: Mapping[str, str],
        answers: bool,
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.child", module, *arguments],
                stdin=subprocess.PIPE if answers else subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else log,
                stderr=log,
                cwd=folder,
                env={
                    **kept,
                    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
                    PARENT: str(os.getpid()),
                    **variables,
                },
            )
        self._unread = b""
        self._stopped = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, timeout_seconds: float = _START_SECONDS, **question: Any) -> Any:
        """Give it one line and return its answer.

        Raises:
            Failed: it ended, did not answer in time, or answered with an error.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(question) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure("has ended") from None
        return self.answer(timeout_seconds)

    def answer(self, timeout_seconds: float = _START_SECONDS) -> Any:
        """Its next line, without having asked: how it says that it is ready."""
        answer = orjson.loads(self._line(timeout_seconds))
        if isinstance(answer, dict) and "error" in answer:
            raise self._failure(answer["error"])
        return answer

    def check(self) -> None:
        """Raise `Failed` unless it runs."""
        if self._process.poll() is not None:
            raise self._failure(f"ended with {self._process.returncode}")

    def rest(self) -> None:
        """Stop its clock: whose turn it isn't must not take CPU from the other."""
        if not self._stopped:
            os.kill(self.pid, signal.SIGSTOP)
            self._stopped = True

    def go_on(self) -> None:
        """Let it run again."""
        if self._stopped:
            os.kill(self.pid, signal.SIGCONT)
            self._stopped = False

    def end(self) -> None:
        """End it, in good order if that takes no more than a few seconds."""
        self.go_on()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _line(self, timeout_seconds: float) -> bytes:
        assert self._process.stdout is not None
        give_up_at = time.monotonic() + timeout_seconds
        while b"\n" not in self._unread:
            left = give_up_at - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, left))
            if not ready:
                raise self._failure(f"did not answer within {timeout_seconds:.0f} seconds")
            chunk = os.read(self._process.stdout.fileno(), 1 << 20)
            if not chunk:
                self._process.wait()
                raise self._failure(f"ended with {self._process.returncode}")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def last_words(self) -> list[str]:
        """The end of its log."""
        return self._log.read_text(errors="replace").splitlines()[-12:]

    def _failure(self, what: str) -> Failed:
        return Failed("\n".join([f"{self.name} {what}.", *self.last_words()]))
