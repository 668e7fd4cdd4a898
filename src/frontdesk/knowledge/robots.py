"""What a site lets programs fetch: its robots.txt (RFC 9309), read once an hour, obeyed by every fetch.

The rules are those for `Frontdesk`, else those for everybody. A site without the file allows
everything; one that fails to serve it is asked later. A wish for pauses (`Crawl-delay`) is kept
across all workers, up to a bound: each page that waits has a time of its own.
"""

import re
import time
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.http import FetchRefused, NoAnswer
from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources

AGENT = "frontdesk"
# RFC 9309: a crawler must read at least 500 KiB; what stands behind is not read.
MOST_BYTES = 512 * 1024
KEPT_SECONDS = 3_600
MOST_DELAY_SECONDS = 10.0
_SECONDS = 10
_MOST_SITES = 1_000
_MOST_RULES = 2_000
_MOST_CHARACTERS = 2_048
_STARS = re.compile(r"\*+")
# KEYS: a site's and a page's; ARGV: the pause in milliseconds. Answers how long the page has to wait,
# 0 when it is its turn. A page keeps its place in the row; one that comes late has its turn if nobody
# else has, else the place behind all others, and puts the next off.
_TAKE_TURN = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local delay = tonumber(ARGV[1])
local site = redis.call('HMGET', KEYS[1], 'free', 'open')
local free, open = tonumber(site[1]) or now, tonumber(site[2]) or now
local mine = tonumber(redis.call('GET', KEYS[2]))
if not mine or (mine < now and open > now) then
  mine = math.max(now, free, open)
  free = mine + delay
end
local wait = math.max(mine, open) - now
if wait > 0 then
  redis.call('SET', KEYS[2], mine, 'PX', wait + 60000)
else
  redis.call('DEL', KEYS[2])
  open = now + delay
end
redis.call('HSET', KEYS[1], 'free', free, 'open', open)
redis.call('PEXPIRE', KEYS[1], math.max(free, open) - now + 1000)
return math.max(wait, 0)
"""


@dataclass(frozen=True)
class Rule:
    """Paths that may or may not be fetched; the longest that fits counts."""

    allows: bool
    pattern: str

    def fits(self, path: str) -> bool:
        """Whether it is about this path with its query; `*` is anything, a `$` at the end is the end."""
        ends = self.pattern.endswith("$")
        parts = self.pattern.removesuffix("$").split("*")
        if not path.startswith(parts[0]):
            return False
        at = len(parts[0])
        # Each part where it comes first: no pattern takes longer than the path is.
        for part in parts[1:]:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return not ends or at == len(path) or (len(parts) > 1 and path.endswith(parts[-1]))


@dataclass(frozen=True)
class Rules:
    """What a site asks of us."""

    rules: tuple[Rule, ...] = ()
    delay_seconds: float = 0.0

    def allows(self, path: str) -> bool:
        """Whether a path, with its query, may be fetched. Of rules as long as each other, the one that
        allows counts."""
        fitting = [rule for rule in self.rules if rule.fits(path)]
        return max(fitting, key=lambda r: (len(r.pattern), r.allows)).allows if fitting else True


def read_rules(text: str) -> Rules:
    """The rules for us in a robots.txt; what can't be read in it is passed over."""
    ours: list[Rule] = []
    everybodys: list[Rule] = []
    delays: dict[str, float] = {}
    has_ours = False
    agents: list[str] = []
    opened = False
    for line in text.removeprefix("\ufeff").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if not colon or len(value) > _MOST_CHARACTERS:
            continue
        if field == "user-agent":
            agents = [*([] if opened else agents), value.lower()]
            opened = False
            has_ours = has_ours or value.lower() == AGENT
            continue
        opened = True
        for agent, rules in ((AGENT, ours), ("*", everybodys)):
            if agent not in agents:
                continue
            if field in ("allow", "disallow") and value and len(rules) < _MOST_RULES:
                rules.append(Rule(field == "allow", _STARS.sub("*", value)))
            elif field == "crawl-delay":
                delays[agent] = _seconds(value)
    chosen = ours if has_ours else everybodys
    return Rules(tuple(chosen), delays.get(AGENT if has_ours else "*", 0.0))


def _seconds(value: str) -> float:
    try:
        return min(MOST_DELAY_SECONDS, max(0.0, float(value)))
    except ValueError:
        return 0.0


class Robots:
    """The rules of the sites that this process has fetched from lately: `resources.keep(Robots)`."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._kept: dict[str, tuple[float, Rules]] = {}
        self._take_turn = resources.redis.register_script(_TAKE_TURN)

    async def of(self, origin: str) -> Rules:
        """The rules of a site, at most an hour old.

        Args:
            origin: scheme, host and port, without a slash behind.

        Raises:
            NotConnected, NoAnswer: the site can't be asked now.
        """
        read_at, rules = self._kept.get(origin, (float("-inf"), Rules()))
        if time.monotonic() - read_at < KEPT_SECONDS:
            return rules
        rules = await self._read(origin)
        while len(self._kept) >= _MOST_SITES:
            del self._kept[next(iter(self._kept))]
        self._kept[origin] = (time.monotonic(), rules)
        return rules

    async def pause_seconds(self, origin: str, rules: Rules, page_id: UUID) -> float:
        """How long a page has to wait; 0: it is its turn, and the next one's is a pause later."""
        if not rules.delay_seconds:
            return 0.0
        keys = f"frontdesk:crawl:{origin}", f"frontdesk:crawl:{origin}:{page_id}"
        try:
            waits = await self._take_turn(keys, [max(1, int(rules.delay_seconds * 1_000))])
        except REDIS_DOWN:
            return 0.0  # A courtesy; without Redis there is nowhere to keep it.
        return float(waits) / 1_000

    async def _read(self, origin: str) -> Rules:
        try:
            answer = await self._resources.http.fetch_public(
                f"{origin}/robots.txt",
                content_types=("text/plain",),
                max_bytes=MOST_BYTES,
                timeout_seconds=_SECONDS,
                cuts_off=True,
            )
        except FetchRefused:
            return Rules()  # A page instead of the file: there are no rules to read.
        if answer.status == 429 or answer.status >= 500:
            raise NoAnswer(f"robots.txt: status {answer.status}")
        if not answer.is_success:
            return Rules()
        content = answer.content
        if len(content) == MOST_BYTES:
            content = content.rpartition(b"\n")[0]  # Half a rule would be another one.
        return read_rules(content.decode(errors="replace"))
