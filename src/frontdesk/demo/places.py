"""The demo's folder: its secrets, made once; what it knows of itself; its logs."""

import base64
import fcntl
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from frontdesk.demo.errors import DemoError

ENVIRONMENT = "demo.env"
# All a demo makes in its folder, so that a reset deletes nothing else, whatever the folder is.
_OURS = (
    *("services", "logs", "secrets.json", "state.json", "phones.json", "cookies.txt"),
    ENVIRONMENT,
)


@dataclass(frozen=True)
class Secrets:
    """What must not be guessed, not even from a page open in a browser on the same machine."""

    session_secret: str
    encryption_keys: str
    app_secret: str
    verify_token: str
    access_token: str
    password: str
    """Of every login of the demo; letters and digits, so that it needs no quoting in a shell."""


@dataclass(frozen=True)
class Address:
    """Where a phone finds the shop."""

    url: str
    channel: str | None


@dataclass
class State:
    """What the demo remembers from one start to the next, and tells other commands."""

    web: str = ""
    simulator: str = ""
    phone_number_id: str = ""
    told: list[str] = field(default_factory=list)
    """Names of the stories that have been played."""


class Folder:
    """The demo's folder; nothing is made before `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.state = State()

    @property
    def services(self) -> Path:
        """Where the embedded servers keep their data."""
        return self.path / "services"

    def log_path(self, name: str) -> Path:
        """Where a process of the demo writes what it has to say."""
        return self.path / "logs" / f"{name}.log"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and hold it, so that no second demo starts on it.

        Raises:
            DemoError: another demo holds it.
        """
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
                raise DemoError(
                    f"A demo runs in {self.path} already (process {owner}). Stop it, or choose "
                    "another --folder."
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            self.state = read_state(self.path) or State()
            yield
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Forget everything an earlier demo left here, and nothing that is not a demo's."""
        for name in _OURS:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        (self.path / "logs").mkdir()
        self.state = State()

    def secrets(self) -> Secrets:
        """The secrets of this demo, made when it has none."""
        path = self.path / "secrets.json"
        if not path.exists():
            made = Secrets(
                session_secret=secrets.token_hex(32),
                encryption_keys=f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}",
                app_secret=secrets.token_hex(16),
                verify_token=secrets.token_hex(8),
                access_token=secrets.token_hex(16),
                password=f"lamp{secrets.token_hex(5)}",
            )
            write_private(path, asdict(made))
        return Secrets(**json.loads(path.read_text()))

    def save_environment(self, settings: Mapping[str, str]) -> None:
        """Write settings down as a shell reads them, for commands that are to work on the demo."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())]
        _write_private(self.path / ENVIRONMENT, "".join(lines))

    def save_state(self) -> None:
        """Write the state down."""
        write_private(self.path / "state.json", asdict(self.state))


def read_state(path: Path) -> State | None:
    """What the demo in this folder last wrote down, or None when there is none."""
    try:
        return State(**json.loads((path / "state.json").read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (TypeError, ValueError):
        raise DemoError(
            f"{path / 'state.json'} is damaged, or of another version. Begin afresh: frontdesk "
            "demo --reset"
        ) from None


def find_phone(folder: Path, url: str | None, channel: str | None) -> Address:
    """Where a phone in the terminal writes: to the given simulator, or to that of the demo.

    Raises:
        DemoError: no address is given and the folder holds no demo.
    """
    if url is not None:
        return Address(url, channel)
    state = read_state(folder)
    if state is None or not state.simulator:
        raise DemoError(f"There is no demo in {folder}. Start one (frontdesk demo), or give --url.")
    return Address(state.simulator, channel or state.phone_number_id)


def write_private(path: Path, value: object) -> None:
    """Write JSON that only its owner may read, whole or not at all."""
    _write_private(path, json.dumps(value, indent=2))


def _write_private(path: Path, text: str) -> None:
    making = path.with_suffix(".making")
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    making.replace(path)
