"""Where an embedded server's files are, and as which user it runs.

Postgres refuses to run as root, and the user it then runs as may not be able to reach a checkout or
a virtual environment under /root. No parent folder is ever given other permissions: what can't be
reached is put, or copied, where it can be.
"""

import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


class EmbeddedServiceError(Exception):
    """An embedded server can't be started or stopped; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The user a server runs as; uid 0 means: as whoever we are."""

    uid: int
    gid: int


def site_folder(package: str, name: str, url_variable: str) -> Path:
    """The folder that holds an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServiceError(
            f"There is no {name} to start: the package {package} is not installed. Install "
            f"`frontdesk[embedded]`, or run a server of your own and set {url_variable}."
        )
    return Path(next(iter(spec.submodule_search_locations))).parent


def reachable_folder(folder: Path) -> tuple[Path, Account]:
    """A folder that exists and that the server's user can reach, and that user.

    Raises:
        EmbeddedServiceError: we are root and there is no other user to run a server as.
        OSError: the folder can't be made.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    owner_uid = nearest.stat().st_uid
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return folder, Account(0, 0)
    account = _known_account(owner_uid)
    if account is not None and nearest != folder:
        os.chown(folder, account.uid, account.gid)
    account = account or _known_account("nobody")
    if account is None:
        raise EmbeddedServiceError(
            "As root, the servers run as the user nobody, and there is none. "
            "Run this as an ordinary user."
        )
    if _can_use(folder, account, os.X_OK):
        return folder, account
    name = f"frontdesk-{_short_hash(str(folder))}"
    moved = _private_folder(name)
    note = folder / "data-is-elsewhere.txt"
    if not note.exists():
        # The folder is new, or somebody deleted it to begin afresh.
        shutil.rmtree(moved)
        moved = _private_folder(name)
        note.write_text(f"The servers' user can't reach this folder. Their data is in {moved}.\n")
        log.info("uid %d can't reach %s: its data goes to %s", account.uid, folder, moved)
    return moved, account


def _known_account(user: int | str) -> Account | None:
    if user == 0:
        return None
    with suppress(KeyError):
        entry = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
        return Account(entry.pw_uid, entry.pw_gid)
    return None  # initdb wants to know its user by name.


def _can_use(path: Path, account: Account, access: int) -> bool:
    """Whether the account may enter all parent folders of a path and has this access to it."""
    if not account.uid:
        return True

    def grants(part: Path, wanted: int) -> bool:
        about = part.stat()
        mine = about.st_uid == account.uid
        shift = 6 if mine else 3 if about.st_gid == account.gid else 0
        return (about.st_mode >> shift) & wanted == wanted

    path = path.resolve()
    return grants(path, access) and all(grants(parent, os.X_OK) for parent in path.parents)


def readable_install(
    site: Path, package: str, installed: tuple[str, ...], account: Account
) -> Path:
    """Where the server's user can read the wheel's files: their place, or a copy kept for it."""
    if _can_use(site / installed[0], account, os.R_OK | os.X_OK) and all(
        _can_use(site / name, account, os.R_OK) for name in installed
    ):
        return site
    about = (site / installed[0]).stat()
    version = f"{site / package} {about.st_size} {about.st_mtime_ns}"
    copy = _private_folder(f"frontdesk-{package}-{_short_hash(version)}")
    if (copy / "complete").exists():
        return copy
    making = Path(tempfile.mkdtemp(dir=copy))
    for name in installed:
        (making / name).parent.mkdir(parents=True, exist_ok=True)
        if (site / name).is_dir():
            shutil.copytree(site / name, making / name)
        else:
            shutil.copy2(site / name, making / name)
    for path in (making, *making.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    for top in {name.partition("/")[0] for name in installed}:
        with suppress(OSError):  # Another process was faster, with the same.
            (making / top).rename(copy / top)
    shutil.rmtree(making)
    (copy / "complete").touch()
    return copy


def _private_folder(name: str) -> Path:
    """A folder of ours where every user may read but only we may write."""
    shared = Path("/var/tmp")  # noqa: S108  # It outlives a reboot; its owner is checked below.
    path = (shared if shared.is_dir() else Path(tempfile.gettempdir())) / name
    path.mkdir(mode=0o755, exist_ok=True)
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise EmbeddedServiceError(f"{path} is not ours; somebody else made it. Remove it.")
    path.chmod(0o755)  # Our own folder: the umask may have taken the reading away.
    return path


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
