"""The circuit breaker of each model: shared in Redis, local to the process while Redis is down.

It opens after five failures in a row within a minute, or after one whose `Retry-After` is longer than
half a minute. It lets nothing through for half a minute, or for as long as the provider said, then lets
one call try. A process that has seen it
closed believes so for a second, so calls that go well cost no round trip.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from arq import ArqRedis
from redis.commands.core import AsyncScript

from frontdesk.core.redis import REDIS_DOWN
from frontdesk.gateway.attempts import Outcome

FAILURES = 5
WINDOW_SECONDS = 60.0
OPEN_SECONDS = 30.0
LONGEST_OPEN_SECONDS = 300.0
# How long the one call that tries may take before another may; longer than any attempt.
PROBE_SECONDS = 60.0
BELIEVED_SECONDS = 1.0

COUNTED = frozenset({Outcome.PROVIDER_DOWN, Outcome.TIMEOUT, Outcome.RATE_LIMITED})


@dataclass(frozen=True)
class Admission:
    """Whether a call may go to a model; if not, when it may be asked again."""

    is_open: bool = False
    is_probe: bool = False
    wait_seconds: float = 0.0


# One hash per model: `open` until when, `probe` until when, `f` the times of the latest failures in
# a row. Redis's own clock in milliseconds, so processes agree. KEYS[1]; ARGV in comments.
_ADMIT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local b = redis.call('HMGET', KEYS[1], 'open', 'probe', 'f')
if not b[1] then return {0, b[3] and 1 or 0} end
if now < tonumber(b[1]) then return {2, tonumber(b[1]) - now} end
if b[2] and now < tonumber(b[2]) then return {2, tonumber(b[2]) - now} end
redis.call('HSET', KEYS[1], 'probe', now + ARGV[1])
return {1, 0}
"""
# ARGV: failures, window, open for, whether this one is enough.
_FAIL = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local b = redis.call('HMGET', KEYS[1], 'open', 'f')
if b[1] and ARGV[4] ~= '1' then return 0 end
local times, n = {now}, 1
for at in string.gmatch(b[2] or '', '%d+') do
  if n < tonumber(ARGV[1]) and now - at <= tonumber(ARGV[2]) then
    times[#times + 1] = at
    n = n + 1
  end
end
if ARGV[4] == '1' or n >= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'open', now + ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[3] + 600000)
  return 1
end
redis.call('HSET', KEYS[1], 'f', table.concat(times, ' '))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
"""
# ARGV: whether this was the probe. Answers to calls from before it opened don't close it.
_SUCCEED = """
if ARGV[1] == '1' then return redis.call('DEL', KEYS[1]) end
return redis.call('HDEL', KEYS[1], 'f')
"""
_LOOK = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return math.max(0, tonumber(redis.call('HGET', KEYS[1], 'open') or 0) - now)
"""
_WITHDRAW = "return redis.call('HDEL', KEYS[1], 'probe')"


@dataclass
class Circuit:
    """The breaker of one model by itself, on a clock that is given: the rules of the scripts above."""

    failures: list[float] = field(default_factory=list)
    open_until: float | None = None
    probe_until: float = 0.0

    def admit(self, now: float) -> Admission:
        """Whether a call may go out now."""
        if self.open_until is None:
            return Admission()
        closed_until = max(self.open_until, self.probe_until)
        if now < closed_until:
            return Admission(is_open=True, wait_seconds=closed_until - now)
        self.probe_until = now + PROBE_SECONDS
        return Admission(is_probe=True)

    def fail(self, now: float, open_seconds: float, *, is_enough: bool) -> None:
        """Count a failure; the fifth in a row within the window opens, or one that is enough."""
        if self.open_until is not None and not is_enough:
            return
        self.failures = [at for at in self.failures if now - at <= WINDOW_SECONDS] + [now]
        if is_enough or len(self.failures) >= FAILURES:
            self.failures, self.probe_until = [], 0.0
            self.open_until = now + open_seconds

    def succeed(self, *, is_probe: bool) -> None:
        """Forget the failures in a row; a probe's success closes."""
        self.failures = []
        if is_probe:
            self.open_until, self.probe_until = None, 0.0


@dataclass(frozen=True)
class _Believed:
    until: float
    is_open: bool = False
    free_at: float = 0.0


class Breaker:
    """The breakers of all models, as one process sees them."""

    def __init__(self, redis: ArqRedis, clock: Callable[[], float] = time.monotonic) -> None:
        self._admit = redis.register_script(_ADMIT)
        self._fail = redis.register_script(_FAIL)
        self._succeed = redis.register_script(_SUCCEED)
        self._withdraw = redis.register_script(_WITHDRAW)
        self._look = redis.register_script(_LOOK)
        self._clock = clock
        self._believed: dict[str, _Believed] = {}
        self._failing: set[str] = set()
        self._local: dict[str, Circuit] = {}
        self._redis_down_until = 0.0

    async def admit(self, model: str) -> Admission:
        """Whether a call may go to the model. After a yes, `settle` it, or `withdraw` it."""
        now = self._clock()
        believed = self._believed.get(model)
        if believed is not None and now < believed.until:
            wait = max(0.0, believed.free_at - now)
            return Admission(is_open=True, wait_seconds=wait) if believed.is_open else Admission()
        if now < self._redis_down_until:
            return self._circuit(model).admit(now)
        try:
            state, detail = await self._admit([_key(model)], [_milliseconds(PROBE_SECONDS)])
        except REDIS_DOWN:
            self._redis_down_until = self._clock() + 1
            return self._circuit(model).admit(now)
        if state == 1:
            return Admission(is_probe=True)
        wait = detail / 1000 if state == 2 else self._still_open_here(model, now)
        if wait:
            # Looked at again each second: another process's probe may have closed it.
            until = now + min(wait, BELIEVED_SECONDS)
            self._believed[model] = _Believed(until, is_open=True, free_at=now + wait)
            return Admission(is_open=True, wait_seconds=wait)
        if detail:
            self._failing.add(model)
        self._believed[model] = _Believed(now + BELIEVED_SECONDS)
        return Admission()

    def states(self) -> dict[str, bool]:
        """Whether each circuit is open, of those that were asked for here, as far as is known here."""
        now = self._clock()
        return {
            model: (believed.is_open and now < believed.free_at)
            or (self._local.get(model, Circuit()).open_until or 0.0) > now
            for model, believed in self._believed.items()
        } | {
            model: True
            for model, circuit in self._local.items()
            if (circuit.open_until or 0.0) > now
        }

    async def open_seconds(self, model: str) -> float:
        """How long nothing goes to the model from now; 0 when a call may. Lets nothing through."""
        circuit, now = self._local.get(model), self._clock()
        here = max(0.0, (circuit.open_until or 0.0) - now) if circuit else 0.0
        try:
            milliseconds: int = await self._look([_key(model)])
        except REDIS_DOWN:
            return here
        return max(here, milliseconds / 1000)

    async def settle(
        self, model: str, outcome: Outcome, admission: Admission, retry_after_seconds: float | None
    ) -> None:
        """Count how a call that was let through went.

        Whatever a provider refuses with reasons shows that it is up. A `Retry-After` longer than
        the usual time opens at once, for as long as it says, up to five minutes; a probe's failure
        opens again.
        """
        if outcome in COUNTED:
            open_seconds = min(max(OPEN_SECONDS, retry_after_seconds or 0), LONGEST_OPEN_SECONDS)
            is_enough = admission.is_probe or open_seconds > OPEN_SECONDS
            await self._count_failure(model, open_seconds, is_enough=is_enough)
        elif admission.is_probe or model in self._failing:
            await self._count_success(model, is_probe=admission.is_probe)

    async def withdraw(self, model: str, admission: Admission) -> None:
        """Tell that a call which was let through came to nothing that says how the model does.

        If it was the one that tries, another may try at once.
        """
        if not admission.is_probe:
            return
        self._circuit(model).probe_until = 0.0
        await self._tell(self._withdraw, model)

    def _still_open_here(self, model: str, now: float) -> float:
        """Seconds for which a breaker Redis takes for closed is open by what this process has seen.

        Redis was emptied, or it can be read and not written. After that time Redis knows better:
        another process may have tried.
        """
        circuit = self._local.get(model)
        if circuit is None or circuit.open_until is None:
            return 0.0
        if now >= circuit.open_until:
            del self._local[model]
        return max(0.0, circuit.open_until - now)

    async def _count_failure(self, model: str, open_seconds: float, *, is_enough: bool) -> None:
        self._believed.pop(model, None)
        self._failing.add(model)
        self._circuit(model).fail(self._clock(), open_seconds, is_enough=is_enough)
        await self._tell(
            self._fail,
            model,
            FAILURES,
            _milliseconds(WINDOW_SECONDS),
            _milliseconds(open_seconds),
            int(is_enough),
        )

    async def _count_success(self, model: str, *, is_probe: bool) -> None:
        self._believed.pop(model, None)
        self._failing.discard(model)
        self._circuit(model).succeed(is_probe=is_probe)
        await self._tell(self._succeed, model, int(is_probe))

    async def _tell(self, script: AsyncScript, model: str, *arguments: int) -> None:
        if self._clock() < self._redis_down_until:
            return
        try:
            await script([_key(model)], arguments)
        except REDIS_DOWN:
            self._redis_down_until = self._clock() + 1

    def _circuit(self, model: str) -> Circuit:
        return self._local.setdefault(model, Circuit())


def _key(model: str) -> str:
    # A model belongs to no tenant: when it is down, it is down for all of them.
    return f"platform:breaker:v1:{model}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
