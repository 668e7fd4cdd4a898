"""What goes wrong, and when: a queue for the next requests and seeded shares for all others."""

import math
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from frontdesk.simulator.world import Json, seeded


class SendFaultKind(StrEnum):
    """What can happen to one send."""

    ERROR = "error"  # Refused at once with a Graph error code.
    FAILED = "failed"  # Accepted, then a `failed` status with that code.
    SERVER_ERROR = "server_error"  # 5xx (or `http_status`), not accepted.
    HANG_BEFORE = "hang_before"  # No answer for `seconds`, not accepted.
    HANG_AFTER = "hang_after"  # Accepted, statuses follow, but no answer for `seconds`.
    ACCEPT_THEN_ERROR = "accept_then_error"  # Accepted, statuses follow, answered 5xx.
    LOSE_STATUS = "lose_status"  # Accepted and answered; no status ever.
    HANG_AND_LOSE_STATUS = "hang_and_lose_status"  # Accepted; neither answer nor status.
    DROP_BEFORE = "drop_before"  # Connection cut, not accepted.
    DROP_AFTER = "drop_after"  # Accepted, statuses follow, connection cut before the answer.
    EARLY_STATUS = "early_status"  # `sent` is delivered before the send is answered.
    LATE_STATUS = "late_status"  # Accepted and answered; all statuses `seconds` later.
    DOUBLE_STATUS = "double_status"  # Every status is posted twice.
    REVERSE_STATUS = "reverse_status"  # `read` first, `sent` last.


@dataclass(frozen=True)
class SendFault:
    """One thing going wrong with one send."""

    kinds: ClassVar = SendFaultKind

    kind: SendFaultKind
    code: int = 131000
    """Graph error code of `error` and `failed`, and of a 5xx with a body."""
    http_status: int | None = None
    """Of the answer; by default the usual one of the code, 500 for a 5xx."""
    seconds: float = 60.0
    """How long a hang lasts before the connection is cut, or how late statuses come."""
    graph_body: bool = False
    """Whether a 5xx carries a Graph error body, which settles that nothing was accepted."""
    details: str = ""


class ModelFaultKind(StrEnum):
    """What can happen to one model call."""

    STATUS = "status"  # An error status in the provider's shape.
    HANG = "hang"  # No answer for `seconds`.
    DRIP = "drip"  # A right answer, a byte at a time over `seconds`.
    HTML = "html"  # A page of HTML with status 200 (or `http_status`).
    EMPTY_CHOICES = "empty_choices"
    NULL_CONTENT = "null_content"
    NO_USAGE = "no_usage"
    LONG = "long"  # An answer of `characters` characters.
    INVALID_JSON = "invalid_json"  # Content that is cut in the middle of its JSON.
    WRONG_SCHEMA = "wrong_schema"  # Content that is JSON, but not what was asked for.
    DROP = "drop"  # Connection cut.


@dataclass(frozen=True)
class ModelFault:
    """One thing going wrong with one model call."""

    kinds: ClassVar = ModelFaultKind

    kind: ModelFaultKind
    http_status: int | None = None
    """Of `status` (500 by default) and `html` (200 by default)."""
    retry_after_seconds: float | None = None
    """Sent as `retry-after` with a `status`."""
    seconds: float = 60.0
    characters: int = 40_000


class StripeFaultKind(StrEnum):
    """What can happen to one call."""

    RATE_LIMITED = "rate_limited"  # 429; nothing was done.
    SERVER_ERROR = "server_error"  # 500; nothing was done.
    DONE_THEN_ERROR = "done_then_error"  # Done, and answered 500.
    HANG_BEFORE = "hang_before"  # No answer for `seconds`; nothing was done.
    HANG_AFTER = "hang_after"  # Done, and no answer for `seconds`.
    DROP_BEFORE = "drop_before"  # Connection cut; nothing was done.
    DROP_AFTER = "drop_after"  # Done, and the connection cut before the answer.


@dataclass(frozen=True)
class StripeFault:
    """One thing going wrong with one call."""

    kinds: ClassVar = StripeFaultKind

    kind: StripeFaultKind
    seconds: float = 60.0
    """How long a hang lasts before the connection is cut."""


F = TypeVar("F", SendFault, ModelFault, StripeFault)
# How a fault is planned, apart from what it is; in the order `plan_fault` reads them.
_HOW = ("times", "share", "only", "for_seconds")


@dataclass(frozen=True)
class _Queued(Generic[F]):
    fault: F | None  # None lets one request through unharmed.
    only: str | None


@dataclass(frozen=True)
class _Share(Generic[F]):
    fault: F
    share: float
    only: str | None
    until: float  # On the monotonic clock; infinite for a share that stays.


class FaultPlan(Generic[F]):
    """Faults to come. The queue is used up first, in order; then each share is drawn.

    `only` limits a fault to requests with that label: for sends the phone number id or the
    recipient, for model calls the provider (`groq`, `openai`) or the name of the schema,
    for calls of Stripe the method and path (`POST /v1/customers`) or the customer.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = seeded(seed)
        self._queue: deque[_Queued[F]] = deque()
        self._shares: list[_Share[F]] = []
        self.met: Counter[F] = Counter()
        """How many requests have met each fault."""

    @property
    def taken(self) -> Counter[str]:
        """How many requests have met each kind of fault."""
        taken: Counter[str] = Counter()
        for fault, times in self.met.items():
            taken[fault.kind] += times
        return taken

    def next(self, fault: F | None, times: int = 1, *, only: str | None = None) -> None:
        """Let the next `times` requests meet this fault (None: nothing)."""
        self._queue.extend(_Queued(fault, only) for _ in range(times))

    def sequence(self, faults: Iterable[F | None], *, only: str | None = None) -> None:
        """Lay out the coming requests one by one; None lets one through."""
        self._queue.extend(_Queued(fault, only) for fault in faults)

    def share(
        self, fault: F, share: float, *, only: str | None = None, for_seconds: float | None = None
    ) -> None:
        """Let this fault hit a seeded share (0 to 1) of the requests the queue leaves alone.

        An outage is a share of 1; `for_seconds` ends it by itself.
        """
        until = math.inf if for_seconds is None else time.monotonic() + for_seconds
        self._shares.append(_Share(fault, share, only, until))

    def draw(self, *labels: str) -> F | None:
        """The fault of the request at hand, taken off the plan."""
        fault = self._draw(labels)
        if fault is not None:
            self.met[fault] += 1
        return fault

    def _draw(self, labels: tuple[str, ...]) -> F | None:
        for queued in self._queue:
            if queued.only is None or queued.only in labels:
                self._queue.remove(queued)
                return queued.fault
        now = time.monotonic()
        for item in self._shares:
            fits = now < item.until and (item.only is None or item.only in labels)
            if fits and self._chance.random() < item.share:
                return item.fault
        return None

    def clear(self, seed: int | None = None) -> None:
        """Forget everything planned and counted, and draw chances anew: the same, or of a new seed."""
        self._seed = self._seed if seed is None else seed
        self._chance = seeded(self._seed)
        self._queue.clear()
        self._shares.clear()
        self.met.clear()

    def describe(self) -> Json:
        """The plan as JSON, for the control API."""
        now = time.monotonic()
        return {
            "queued": [
                {"fault": item.fault and asdict(item.fault), "only": item.only}
                for item in self._queue
            ],
            "shares": [
                {
                    "fault": asdict(item.fault),
                    "share": item.share,
                    "only": item.only,
                    "seconds_left": None if item.until == math.inf else item.until - now,
                }
                for item in self._shares
                if item.until > now
            ],
            "taken": dict(self.taken),
        }


def plan_fault(plan: FaultPlan[F], fault_type: type[F], wish: Json) -> None:
    """Put a fault on a plan that is wished for as the control API and the command line do.

    Args:
        wish: `kind` and other fields of the fault; with `times` (1 unless given) it meets the next
            requests, with `share` a share of them, for `for_seconds` if that is given; `only`.

    Raises:
        ValueError: the wish makes no sense; the message says what does.
    """
    unknown = set(wish) - {field.name for field in fields(fault_type)} - set(_HOW)
    if unknown:
        raise ValueError(f"A fault has no {', '.join(sorted(unknown))}.")
    given = dict(wish)
    times, share, only, for_seconds = (given.pop(name, None) for name in _HOW)
    only = None if only is None else str(only)
    kind = given.pop("kind", None)
    if kind not in list(fault_type.kinds):
        raise ValueError(f"{kind} is no fault; known are {', '.join(fault_type.kinds)}.")
    for name, value in {
        **given,
        "times": times,
        "share": share,
        "for_seconds": for_seconds,
    }.items():
        if name != "details" and value is not None and not isinstance(value, int | float):
            raise ValueError(f"{name} is a number, not {value!r}.")
    fault = fault_type(kind=fault_type.kinds(kind), **given)
    if share is None:
        plan.next(fault, int(times or 1), only=only)
    else:
        plan.share(fault, share, only=only, for_seconds=for_seconds)


def read_wish(text: str) -> Json:
    """The wish for a fault that a word on the command line stands for.

    `error` lets it hit everything, `error=0.1` a tenth, `error=0.1,code=131056,for_seconds=60` also
    says more of it.

    Raises:
        ValueError: it is not of this form.
    """
    first, *more = text.split(",")
    kind, _, share = first.partition("=")
    wish: Json = {"kind": kind, "share": _value(share or "1")}
    for item in more:
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item}: say NAME=VALUE.")
        wish[name] = _value(value)
    return wish


def _value(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
