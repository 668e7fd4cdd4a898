"""Dependencies: locked with hashes, installed as locked, none known to be bad."""

import json
import os
import re
import site
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-local.txt")
# Releases that carried a thief. The index has taken most away; a mirror may not have.
HIJACKED = {
    "litellm": {"1.82.7", "1.82.8"},
    "num2words": {"0.5.15", "0.5.16"},
    "ultralytics": {"8.3.41", "8.3.42", "8.3.45", "8.3.46"},
}
# Python runs these at every start. What else puts one there wants to run unasked: 1.82.8 did so.
EXPECTED_PTH = {
    "_editable_impl_frontdesk.pth",
    "_virtualenv.pth",
    "a1_coverage.pth",
    "distutils-precedence.pth",
}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)(.*)$")
_AUDIT_SECONDS = 120


@dataclass(frozen=True)
class Audit:
    """What came of asking for known vulnerabilities: a sentence, and what is wrong."""

    said: str
    problems: list[str] = field(default_factory=list)


def find_problems(root: Path) -> list[str]:
    """What is wrong with the lock files or with what is installed; nothing is asked of anybody."""
    texts = {name: (root / name).read_text() for name in LOCKS}
    found = [problem for name, text in texts.items() for problem in wrong_in_lock(name, text)]
    found += not_as_locked(texts["requirements-dev.txt"])
    for folder in map(Path, site.getsitepackages()):
        found += unexpected_at_start(folder)
    return found


def wrong_in_lock(name: str, text: str) -> list[str]:
    """What a lock file holds that is not pinned, has no hash, or is known to be hijacked."""
    found = []
    for entry in entries(text):
        pinned = _PINNED.match(entry)
        if pinned is None:
            found.append(f"{name}: {entry.split()[0]} is not pinned to one version")
            continue
        package, release, rest = pinned.groups()
        if "--hash=sha256:" not in rest:
            found.append(f"{name}: {package} has no hash")
        if release in HIJACKED.get(package.lower(), ()):
            found.append(f"{name}: {package} {release} was hijacked")
    return found


def entries(text: str) -> list[str]:
    """The requirements of a lock file, each on one line with its hashes."""
    joined = text.replace("\\\n", " ")
    lines = (line.partition(" #")[0].strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith(("#", "--"))]


def not_as_locked(text: str) -> list[str]:
    """What is installed in another version than the lock file says."""
    locked: dict[str, set[str]] = {}
    for entry in entries(text):
        if pinned := _PINNED.match(entry):
            # Some have one version for old Pythons and another for new ones.
            locked.setdefault(pinned[1], set()).add(pinned[2])
    found = []
    for package, releases in locked.items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue  # For another platform, or left out of this environment.
        if installed not in releases:
            found.append(f"{package} {installed} is installed; locked is {' or '.join(releases)}")
    return found


def unexpected_at_start(folder: Path) -> list[str]:
    """Files in a folder of packages that make Python run something whenever it starts."""
    names = sorted({path.name for path in folder.glob("*.pth")} - EXPECTED_PTH)
    return [f"{name} runs at every start of Python: who put it there?" for name in names]


def audit(root: Path) -> Audit:
    """Ask pip-audit for known vulnerabilities of what is locked.

    pip-audit ends well when it could ask about nothing: so what it really asked about is counted.
    Where nothing can be asked this says so, and fails if `AUDIT_REQUIRED` is set, as in CI.
    """
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    lock = ["--requirement", str(root / "requirements-dev.txt"), "--disable-pip"]
    try:
        ended = subprocess.run(
            [*command, *lock, "--require-hashes", "--timeout=10"],
            capture_output=True,
            check=False,
            timeout=_AUDIT_SECONDS,
        )
        return judge(json.loads(ended.stdout))
    except (subprocess.TimeoutExpired, ValueError):
        return judge({})


def judge(report: dict[str, list[dict[str, object]]]) -> Audit:
    """What pip-audit's report says, `{}` where there is none."""
    packages = report.get("dependencies", [])
    audited = [package for package in packages if "skip_reason" not in package]
    vulnerable = [
        f"{package['name']} {package['version']}: {', '.join(vuln['id'] for vuln in vulns)}"
        for package in audited
        if isinstance(vulns := package.get("vulns"), list) and vulns
    ]
    if len(audited) * 2 < max(len(packages), 1):
        said = f"Known vulnerabilities: skipped, as the service can't be reached ({len(audited)} of"
        said += f" {len(packages)} packages audited)."
        required = bool(os.environ.get("AUDIT_REQUIRED"))
        return Audit(said, ["The audit is required here and did not take place."] * required)
    return Audit(f"Known vulnerabilities: {len(audited)} packages audited.", vulnerable)
