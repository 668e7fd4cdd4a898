"""Password hashes: argon2id, off the event loop, a few at a time."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from frontdesk.core.errors import Unavailable
from frontdesk.identity.errors import WeakPassword
from frontdesk.identity.rules import password_problem

# OWASP's second choice of parameters for argon2id: 19 MiB, 2 passes, 1 lane. More memory would
# let a handful of sign-ins at once push a small machine into swap.
_HASHER = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),))
# The pool is the cap: argon2 releases the GIL, so more threads than cores only cost memory.
_THREADS = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="argon2")
# About two seconds of work on two cores; who comes later is better told to come back.
_MOST_IN_HAND = 100
_in_hand: set[asyncio.Future[Any]] = set()

T = TypeVar("T")


async def hash_new_password(password: str, *, email: str) -> str:
    """The hash to store for a new password.

    Raises:
        WeakPassword: it breaks a rule.
        Unavailable: too many are being hashed already.
    """
    normal = _normal(password)
    if problem := password_problem(normal, email=email):
        raise WeakPassword(problem)
    return await _in_thread(lambda: _HASHER.hash(normal))


async def verify_password(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether the password is right, and a new hash when the stored one is of older parameters.

    Without a stored hash it compares with one that nothing matches: an account that does not exist
    takes as long as one that does.

    Raises:
        Unavailable: too many are being hashed already.
    """
    normal = _normal(password)

    def compare() -> tuple[bool, str | None]:
        matches, renewed = _HASHER.verify_and_update(normal, stored or _nobodys_hash())
        return (matches, renewed) if stored else (False, None)

    return await _in_thread(compare)


def _normal(password: str) -> str:
    # The same letters may be typed as different code points on another device.
    return unicodedata.normalize("NFKC", password)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(os.urandom(32))


async def _in_thread(work: Callable[[], T]) -> T:
    if len(_in_hand) >= _MOST_IN_HAND:
        raise Unavailable("Too many people sign in just now.", retry_after_seconds=2)
    future = asyncio.get_running_loop().run_in_executor(_THREADS, work)
    _in_hand.add(future)
    # Not when the caller goes: a thread can't be cancelled, and what waits for it still costs.
    future.add_done_callback(_in_hand.discard)
    return await asyncio.shield(future)
