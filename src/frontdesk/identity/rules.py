"""Decisions of identity: what a password must be, how long a guesser waits, who must stay admin."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from uuid import UUID

from frontdesk.core.callers import Role

# ASVS 5.0, 6.2.1 and 6.2.9: at least 12 characters, and long ones are allowed.
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 128
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"


def password_problem(password: str, *, email: str) -> str | None:
    """What is wrong with a new password, in a sentence, or None.

    No rules about kinds of characters: they make passwords guessable (ASVS 5.0, 6.2.5).
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        return f"Use at least {MIN_PASSWORD_LENGTH} characters."
    if len(password) > MAX_PASSWORD_LENGTH:
        return f"Use at most {MAX_PASSWORD_LENGTH} characters."
    plain = password.casefold()
    if plain in common_passwords():
        return "This password is on lists that guessers try first."
    if plain == email.casefold():
        return "The email is no password."
    if len(set(plain)) < 4:
        return "Use more than three different characters."
    return None


@cache
def common_passwords() -> frozenset[str]:
    """Passwords of 12 characters and more that guessers try first, in lower case."""
    listed = files("frontdesk.identity").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(listed.split())


def is_slug(slug: str) -> bool:
    """Whether this can be a tenant's slug."""
    return len(slug) <= 63 and re.fullmatch(SLUG_PATTERN, slug) is not None


@dataclass(frozen=True)
class Patience:
    """How many failed sign-ins are free, and how the wait after each further one grows."""

    free_failures: int
    longest_wait_seconds: float
    forgotten_after: timedelta


# Against an account the wait stays short: whoever knows an email could lock its owner out for as
# long. An address belongs to whole offices, so more is free there, and longer is fair.
PER_ACCOUNT = Patience(free_failures=5, longest_wait_seconds=60, forgotten_after=timedelta(hours=1))
PER_ADDRESS = Patience(
    free_failures=30, longest_wait_seconds=900, forgotten_after=timedelta(hours=1)
)


@dataclass(frozen=True)
class Attempts:
    """What is known of an account's or an address's failed sign-ins."""

    failures: int
    updated_at: datetime
    blocked_until: datetime | None


def wait_seconds(attempts: Attempts, now: datetime) -> float:
    """How long until the next attempt may be made; 0 is now."""
    if attempts.blocked_until is None:
        return 0
    return max(0.0, (attempts.blocked_until - now).total_seconds())


def after_attempt(attempts: Attempts, patience: Patience, now: datetime) -> Attempts:
    """The attempts with one more, counted as failed until the password proves right.

    Counted before the password is checked, so a hundred guesses at once are a hundred guesses.
    Each failure beyond the free ones doubles the wait: 1 second, 2, 4, … up to the longest.
    """
    forgotten = now - attempts.updated_at > patience.forgotten_after
    failures = 1 if forgotten else attempts.failures + 1
    beyond = failures - patience.free_failures
    if beyond < 0:
        return Attempts(failures, now, None)
    # 2**20 seconds is far beyond any longest wait.
    wait = min(2.0 ** min(beyond, 20), patience.longest_wait_seconds)
    return Attempts(failures, now, now + timedelta(seconds=wait))


@dataclass(frozen=True)
class Belonging:
    """A tenant that a user may sign in to."""

    tenant_id: UUID
    name: str
    slug: str
    role: Role


def chosen(belongings: Sequence[Belonging], slug: str | None) -> Belonging | None:
    """The tenant to sign in to: the named one, or the only one; None when that says none."""
    if slug is not None:
        return next((item for item in belongings if item.slug == slug), None)
    return belongings[0] if len(belongings) == 1 else None


def leaves_no_admin(admins: Collection[UUID], user_id: UUID, *, role: Role, disabled: bool) -> bool:
    """Whether nobody could administer the tenant once the user has this role and state."""
    stays_admin = role is Role.ADMIN and not disabled
    return not stays_admin and set(admins) == {user_id}


# Longer than an answer takes that brings the next token (a statement ends after 15 seconds), and
# than requests lie apart that a browser makes with the same one.
REFRESH_GRACE_SECONDS = 20


class RefreshVerdict(StrEnum):
    """What becomes of whoever shows a refresh token."""

    NEXT = "next"
    AGAIN = "again"
    STOLEN = "stolen"


def judge_refresh(shown: int, present: int, renewed_at: datetime, now: datetime) -> RefreshVerdict:
    """Whether a token of this generation gets the next one, the present one again, or nothing.

    The one before the present is fine for some seconds: requests made at once all carry it. Any
    other was used before, by its owner or by a thief, and nobody can tell which of them this is
    (RFC 9700, 4.14.2).
    """
    if shown == present:
        return RefreshVerdict.NEXT
    if shown == present - 1 and now - renewed_at <= timedelta(seconds=REFRESH_GRACE_SECONDS):
        return RefreshVerdict.AGAIN
    return RefreshVerdict.STOLEN
