"""Version numbers, differences and experiments of prompts: pure functions."""

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from uuid import UUID

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


class Unit(StrEnum):
    """Whose turns get the same variant."""

    CONVERSATION = "conversation"
    TENANT = "tenant"


class ExperimentState(StrEnum):
    """How far an experiment or a canary has got; off is none that is open."""

    RUNNING = "running"
    HELD = "held"  # Everybody gets production until a person, or a guard, decides.
    ROLLED_FORWARD = "rolled_forward"  # A variant went to production.
    ROLLED_BACK = "rolled_back"  # Production stays as it was.


OPEN_STATES = frozenset({ExperimentState.RUNNING, ExperimentState.HELD})
_STEPS = {
    ExperimentState.RUNNING: frozenset(ExperimentState) - {ExperimentState.RUNNING},
    ExperimentState.HELD: frozenset(ExperimentState) - {ExperimentState.HELD},
}


def may_move(state: ExperimentState, to: ExperimentState) -> bool:
    """Whether an experiment may take this step; what has ended stays as it ended."""
    return to in _STEPS.get(state, frozenset())


def variant_of(
    shares: Sequence[tuple[str, float]], *, experiment_id: UUID, prompt: str, unit_id: UUID
) -> str | None:
    """The variant of a conversation or tenant, or None for production.

    The same one each time, whatever process asks. Variants take their shares from the bottom up, so
    whoever has the only variant keeps it when its share grows. The experiment is part of the hash,
    or it would always be the same conversations on which things are tried.
    """
    digest = hashlib.sha256(f"{experiment_id}:{prompt}:{unit_id}".encode()).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    for name, share in shares:
        if position < share:
            return name
        position -= share
    return None
