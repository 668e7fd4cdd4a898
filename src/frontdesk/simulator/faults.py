"""What goes wrong, and when: a queue for the next requests and seeded shares for all others."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from frontdesk.simulator.world import Json, seeded


class SendFaultKind(StrEnum):
    """What can happen to one send."""

    ERROR = "error"  # Refused at once with a Graph error code.
    FAILED = "failed"  # Accepted, then a `failed` status with that code.
    SERVER_ERROR = "server_error"  # 5xx, not accepted.
    HANG_BEFORE = "hang_before"  # No answer for `seconds`, not accepted.
    HANG_AFTER = "hang_after"  # Accepted, statuses follow, but no answer for `seconds`.
    ACCEPT_THEN_ERROR = "accept_then_error"  # Accepted, statuses follow, answered 5xx.
    LOSE_STATUS = "lose_status"  # Accepted and answered; no status ever.
    HANG_AND_LOSE_STATUS = "hang_and_lose_status"  # Accepted; neither answer nor status.
    DROP_BEFORE = "drop_before"  # Connection cut, not accepted.
    DROP_AFTER = "drop_after"  # Accepted, statuses follow, connection cut before the answer.
    EARLY_STATUS = "early_status"  # `sent` is delivered before the send is answered.
    DOUBLE_STATUS = "double_status"  # Every status is posted twice.
    REVERSE_STATUS = "reverse_status"  # `read` first, `sent` last.


@dataclass(frozen=True)
class SendFault:
    """One thing going wrong with one send."""

    kind: SendFaultKind
    code: int = 131000
    """Graph error code of `error` and `failed`, and of a 5xx with a body."""
    http_status: int | None = None
    """Of the answer; by default the usual one of the code, 500 for a 5xx."""
    seconds: float = 60.0
    """How long a hang lasts before the connection is cut."""
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

    kind: ModelFaultKind
    http_status: int | None = None
    """Of `status` (500 by default) and `html` (200 by default)."""
    retry_after_seconds: float | None = None
    """Sent as `retry-after` with a `status`."""
    seconds: float = 60.0
    characters: int = 40_000


F = TypeVar("F", SendFault, ModelFault)


@dataclass(frozen=True)
class _Queued(Generic[F]):
    fault: F | None  # None lets one request through unharmed.
    only: str | None


@dataclass(frozen=True)
class _Share(Generic[F]):
    fault: F
    share: float
    only: str | None


class FaultPlan(Generic[F]):
    """Faults to come. The queue is used up first, in order; then each share is drawn.

    `only` limits a fault to requests with that label: for sends the phone number id or the
    recipient, for model calls the provider (`groq`, `openai`) or the name of the schema.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = seeded(seed)
        self._queue: deque[_Queued[F]] = deque()
        self._shares: list[_Share[F]] = []
        self.taken: Counter[str] = Counter()

    def next(self, fault: F | None, times: int = 1, *, only: str | None = None) -> None:
        """Let the next `times` requests meet this fault (None: nothing)."""
        self._queue.extend(_Queued(fault, only) for _ in range(times))

    def sequence(self, faults: Iterable[F | None], *, only: str | None = None) -> None:
        """Lay out the coming requests one by one; None lets one through."""
        self._queue.extend(_Queued(fault, only) for fault in faults)

    def share(self, fault: F, share: float, *, only: str | None = None) -> None:
        """Let this fault hit a seeded share (0 to 1) of the requests the queue leaves alone."""
        self._shares.append(_Share(fault, share, only))

    def draw(self, *labels: str) -> F | None:
        """The fault of the request at hand, taken off the plan."""
        fault = self._draw(labels)
        if fault is not None:
            self.taken[fault.kind] += 1
        return fault

    def _draw(self, labels: tuple[str, ...]) -> F | None:
        for queued in self._queue:
            if queued.only is None or queued.only in labels:
                self._queue.remove(queued)
                return queued.fault
        for item in self._shares:
            fits = item.only is None or item.only in labels
            if fits and self._chance.random() < item.share:
                return item.fault
        return None

    def clear(self) -> None:
        """Forget everything planned and counted, and draw the same chances anew."""
        self._chance = seeded(self._seed)
        self._queue.clear()
        self._shares.clear()
        self.taken.clear()

    def describe(self) -> Json:
        """The plan as JSON, for the control API."""
        return {
            "queued": [
                {"fault": item.fault and asdict(item.fault), "only": item.only}
                for item in self._queue
            ],
            "shares": [
                {"fault": asdict(item.fault), "share": item.share, "only": item.only}
                for item in self._shares
            ],
            "taken": dict(self.taken),
        }
