"""Version numbers and differences of prompts: pure functions."""

import difflib
import hashlib
from collections.abc import Iterable
from enum import StrEnum

FIRST_VERSION = "1.0.0"
CLOSE_MATCH = 0.6


class Bump(StrEnum):
    """Which part of a version grows: how much a change changes."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


def version_key(version: str) -> tuple[int, int, int]:
    """A version as numbers, so that 1.10.0 comes after 1.9.0."""
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def bump_for(before: str, after: str, *, same_variables: bool) -> Bump:
    """Which part of the version a change of the text asks for.

    - major: it uses other variables, so it is told other things.
    - minor: lines came, went, or were rewritten: a rule is there or is not.
    - patch: lines were reworded, each keeping most of its words (by difflib's measure of a close
      match: a ratio of 0.6).
    """
    if not same_variables:
        return Bump.MAJOR
    old, new = _lines(before), _lines(after)
    for kind, *(a, b, c, d) in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if kind != "equal" and (b - a != d - c or not all(map(_alike, old[a:b], new[c:d]))):
            return Bump.MINOR
    return Bump.PATCH


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


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _alike(before: str, after: str) -> bool:
    return difflib.SequenceMatcher(None, before.split(), after.split()).ratio() >= CLOSE_MATCH


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
