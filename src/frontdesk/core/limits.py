"""Rate limits: token buckets in Redis, shared by all processes; local buckets while it is down."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from arq import ArqRedis

from frontdesk.core.patience import Patience

# KEYS: buckets; ARGV, three for each: which group it is of, tokens a second, bucket size. A group
# takes a token of each of its buckets, or of none. Answers each group's wait in milliseconds, 0 when
# the tokens were taken. Redis's own clock, so processes agree.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local waits, first = {}, 1
while first <= #KEYS do
  local k, wait, left = first, 0, {}
  while k <= #KEYS and ARGV[3 * k - 2] == ARGV[3 * first - 2] do
    local rate, size = tonumber(ARGV[3 * k - 1]) / 1000, tonumber(ARGV[3 * k])
    local b = redis.call('HMGET', KEYS[k], 'n', 't')
    left[k] = math.min(size, (tonumber(b[1]) or size) + (now - (tonumber(b[2]) or now)) * rate) - 1
    if left[k] < 0 then wait = math.max(wait, math.ceil(-left[k] / rate)) end
    k = k + 1
  end
  if wait == 0 then
    for taken = first, k - 1 do
      redis.call('HSET', KEYS[taken], 'n', left[taken], 't', now)
      local full = tonumber(ARGV[3 * taken]) / tonumber(ARGV[3 * taken - 1]) * 1000
      redis.call('PEXPIRE', KEYS[taken], math.ceil(full) + 1000)
    end
  end
  waits[#waits + 1] = wait
  first = k
end
return waits
"""


REDIS_PATIENCE_SECONDS = 0.5
_MOST_LOCAL = 10_000


@dataclass(frozen=True)
class Bucket:
    """A token bucket. Its key starts with the tenant id, or with what stands for nobody's."""

    key: str
    per_second: float
    burst: float


class RateLimiter:
    """Takes from token buckets. While Redis is down each process goes on with its own copies, which
    know only what it has let through itself: laxer, never closed."""

    def __init__(self, redis: ArqRedis) -> None:
        self._script = redis.register_script(_TAKE)
        self._patience = Patience(REDIS_PATIENCE_SECONDS)
        # Tokens left and when, the bucket used longest ago first.
        self._local: dict[str, tuple[float, float]] = {}

    async def wait_seconds(self, *buckets: Bucket) -> float:
        """Take a token of each bucket; 0 when all had one, else how long until they have."""
        return (await self.wait_seconds_each([buckets]))[0]

    async def wait_seconds_each(self, groups: Sequence[Sequence[Bucket]]) -> list[float]:
        """`wait_seconds` of each group, in order and in one round trip."""
        if not groups:
            return []
        keys, arguments = [], []
        for number, buckets in enumerate(groups):
            for bucket in buckets:
                keys.append(f"limit:{bucket.key}")
                arguments += [number, bucket.per_second, bucket.burst]
        waits = await self._patience.ask(lambda: self._script(keys, arguments))
        if waits is None:
            return [self._take_locally(buckets) for buckets in groups]
        for buckets, wait in zip(groups, waits, strict=True):
            if not wait:
                self._take_locally(buckets)
        return [wait / 1000 for wait in waits]

    def _take_locally(self, buckets: Sequence[Bucket]) -> float:
        now = time.monotonic()
        left = {}
        wait = 0.0
        for bucket in buckets:
            tokens, at = self._local.get(bucket.key, (bucket.burst, now))
            left[bucket.key] = min(bucket.burst, tokens + (now - at) * bucket.per_second) - 1
            wait = max(wait, -left[bucket.key] / bucket.per_second)
        if wait > 0:
            return wait
        for key, tokens in left.items():
            self._local.pop(key, None)
            self._local[key] = (tokens, now)
        while len(self._local) > _MOST_LOCAL:
            del self._local[next(iter(self._local))]
        return 0.0
