"""A Redis that is down or frozen must hold up nobody: it is waited for a moment, then left alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from frontdesk.core.redis import REDIS_DOWN

T = TypeVar("T")

PAUSE_SECONDS = 3


class Patience:
    """Asks Redis on behalf of callers who have another way.

    Args:
        seconds: how long one caller waits for an answer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._down_until = 0.0

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What the call to Redis gives; None when Redis is down, or was a moment ago."""
        now = time.monotonic()
        if now < self._down_until:
            return None
        if self._down_until:
            # After a pause one caller finds out whether it is back, and only that one waits.
            self._down_until = now + PAUSE_SECONDS
        try:
            async with asyncio.timeout(self._seconds):
                answer = await call()
        except REDIS_DOWN:
            self._down_until = time.monotonic() + PAUSE_SECONDS
            return None
        self._down_until = 0.0
        return answer
