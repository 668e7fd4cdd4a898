"""Rate limits: token buckets in Redis, shared by all processes; local buckets while it is down."""

import time

from arq import ArqRedis

from frontdesk.core.redis import REDIS_DOWN

# KEYS[1] bucket; ARGV: tokens a second, bucket size, tokens wanted. Answers the wait in
# milliseconds, 0 when the tokens were taken. Redis's own clock, so processes agree.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local rate, size, want = tonumber(ARGV[1]) / 1000, tonumber(ARGV[2]), tonumber(ARGV[3])
local b = redis.call('HMGET', KEYS[1], 'n', 't')
local n = math.min(size, (tonumber(b[1]) or size) + (now - (tonumber(b[2]) or now)) * rate)
if n < want then return math.ceil((want - n) / rate) end
redis.call('HSET', KEYS[1], 'n', n - want, 't', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(size / rate) + 1000)
return 0
"""


class RateLimiter:
    """Token buckets by key. Keys start with the tenant id, or with what stands for nobody's."""

    def __init__(self, redis: ArqRedis) -> None:
        self._script = redis.register_script(_TAKE)
        self._local: dict[str, tuple[float, float]] = {}
        self._redis_down_until = 0.0

    async def wait_seconds(self, key: str, *, per_second: float, burst: float) -> float:
        """Take one token from the bucket; 0 when it was there, else how long until one is.

        While Redis is down each process keeps its own buckets: laxer, never closed.
        """
        if time.monotonic() >= self._redis_down_until:
            try:
                return float(await self._script([f"limit:{key}"], [per_second, burst, 1])) / 1000
            except REDIS_DOWN:
                self._redis_down_until = time.monotonic() + 1
        return self._take_local(key, per_second, burst)

    def _take_local(self, key: str, per_second: float, burst: float) -> float:
        now = time.monotonic()
        if len(self._local) > 10_000:
            self._local.clear()
        tokens, at = self._local.get(key, (burst, now))
        tokens = min(burst, tokens + (now - at) * per_second)
        if tokens < 1:
            return (1 - tokens) / per_second
        self._local[key] = (tokens - 1, now)
        return 0.0
