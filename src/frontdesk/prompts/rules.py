"""Version numbers and differences of prompts: pure functions."""

import difflib
import hashlib
from collections.abc import Iterable
from enum import StrEnum

FIRST_VERSION = "1.0.0"


class Bump(StrEnum):
    """Which part of a version grows: how much a change changes."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


def version_key(version: str) -> tuple[int, int, int]:
    """A version as numbers, so that 1.10.0 comes after 1.9.0."""
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def next_version(versions: Iterable[str], bump: Bump) -> str:
    """The version after the highest of these."""
    highest = max((version_key(version) for version in versions), default=None)
    if highest is None:
        return FIRST_VERSION
    major, minor, patch = highest
    if bump is Bump.MAJOR:
        return f"{major + 1}.0.0"
    if bump is Bump.MINOR:
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def normalised(content: str) -> str:
    """The text as it is stored: one kind of line end, nothing behind the last line."""
    return content.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"


def content_hash(content: str) -> str:
    """SHA-256 of the text, in hex."""
    return hashlib.sha256(content.encode()).hexdigest()


def difference(before: str, after: str, *, names: tuple[str, str]) -> str:
    """What changed, as a unified diff; empty when nothing did."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), *names, n=3
        )
    )
