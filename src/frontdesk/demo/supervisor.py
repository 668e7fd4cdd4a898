"""The demo's processes: started, watched, started again when they crash, and stopped in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from frontdesk.demo.errors import DemoError
from frontdesk.demo.places import Folder

# A process that crashes this often within a minute won't get better by itself.
_MOST_CRASHES, _CRASHES_COUNT_SECONDS = 4, 60.0
_LOOK_SECONDS = 0.1
_SHOWN_LINES = 12


@dataclass(frozen=True)
class Program:
    """One process of the demo: `frontdesk` with these arguments."""

    name: str
    arguments: tuple[str, ...]
    stop_seconds: float
    """How long it may take to end what it has in hand; then it is killed."""


class Supervisor:
    """Runs programs as child processes of this one. Use it in the main thread's event loop.

    The kernel ends the children when the *thread* that started them ends, and a child asks for
    that itself (`FRONTDESK_PARENT_PID`); the main thread is the one that ends last.

    Args:
        environment: of every child.
        note: called with a sentence when something happens that people should know.
    """

    def __init__(
        self, folder: Folder, environment: Mapping[str, str], note: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._environment = {**environment, "FRONTDESK_PARENT_PID": str(os.getpid())}
        self._note = note
        self._running: dict[str, tuple[Program, asyncio.subprocess.Process]] = {}
        self._crashes: dict[str, list[float]] = {}

    def pid(self, name: str) -> int:
        """The process id of a running program."""
        return self._running[name][1].pid

    async def start(self, program: Program) -> None:
        """Start a program; what it writes goes to its log, which begins anew."""
        self._folder.log_path(program.name).unlink(missing_ok=True)
        await self._spawn(program)

    async def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run `frontdesk` with these arguments to its end, and return what it printed.

        Raises:
            DemoError: it failed; the message holds its last words.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "frontdesk", *arguments),
            env={**self._environment, **(environment or {})},
            cwd=self._folder.path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        out, err = await process.communicate()
        if process.returncode:
            said = (err or out).decode(errors="replace").splitlines()[-_SHOWN_LINES:]
            raise DemoError("\n".join([f"frontdesk {arguments[0]} failed.", *said]))
        return out.decode()

    def must_live(self) -> None:
        """See that everything started is alive; for whoever waits for it to become ready.

        Raises:
            DemoError: a program ended; the message holds its last words.
        """
        for program, process in self._running.values():
            if process.returncode is not None:
                raise DemoError(self._obituary(program, process.returncode))

    async def watch(self) -> None:
        """Start again whatever crashes, for ever.

        Raises:
            DemoError: a program crashes again and again.
        """
        while True:
            for program, process in list(self._running.values()):
                if process.returncode is not None:
                    await self._revive(program, process.returncode)
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """Stop everything, in the order it was started in; nothing is left running."""
        for program, process in self._running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), program.stop_seconds)
                except TimeoutError:
                    self._note(f"The {program.name} takes too long to stop and is ended.")
                    with suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
        self._running.clear()

    async def _spawn(self, program: Program) -> None:
        with self._folder.log_path(program.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "frontdesk", *program.arguments),
                env=self._environment,
                # A .env in the caller's folder is for running Frontdesk for real.
                cwd=self._folder.path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches every process of the terminal's foreground group; only we are to
                # hear it, so that the processes can be stopped in order.
                start_new_session=True,
            )
        self._running[program.name] = (program, process)

    async def _revive(self, program: Program, code: int) -> None:
        now = time.monotonic()
        recent = [
            at for at in self._crashes.get(program.name, []) if now - at < _CRASHES_COUNT_SECONDS
        ]
        self._crashes[program.name] = [*recent, now]
        if len(recent) >= _MOST_CRASHES:
            raise DemoError(self._obituary(program, code))
        pause = 0.5 * 2.0 ** len(recent)
        self._note(
            f"The {program.name} {_ending(code)} and starts again in {pause:g} s "
            f"(see {self._folder.log_path(program.name)})."
        )
        await asyncio.sleep(pause)
        await self._spawn(program)

    def _obituary(self, program: Program, code: int) -> str:
        path = self._folder.log_path(program.name)
        return "\n".join(
            [f"The {program.name} {_ending(code)}. Its last words, in {path}:", *last_lines(path)]
        )


def last_lines(path: Path) -> list[str]:
    """The last lines of a log; none when there is none."""
    with suppress(OSError):
        return path.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
    return []


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
