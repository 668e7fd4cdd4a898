"""What the calls of one process share."""

import time
from collections.abc import Mapping
from typing import Any

import structlog

from frontdesk.core.resources import Resources
from frontdesk.gateway.answer_cache import AnswerCache
from frontdesk.gateway.breaker import Breaker
from frontdesk.gateway.breaker_gauges import BreakerGauges
from frontdesk.gateway.call_log import CallLog
from frontdesk.gateway.slots import Slots

log = structlog.get_logger(__name__)

_ALARM_EVERY_SECONDS = 60.0


class Door:
    """What the calls of one process share."""

    def __init__(self, resources: Resources) -> None:
        self.slots = Slots(resources.settings.llm)
        self.breaker = Breaker(resources.redis)
        BreakerGauges(resources.metrics.registry, self._breaker_states)
        self.call_log = CallLog(resources)
        self.answers = AnswerCache(resources)
        self._alarmed_at: dict[str, float] = {}

    def _breaker_states(self) -> Mapping[str, bool]:
        return self.breaker.states()

    def alarm(self, event: str, model: str, **details: Any) -> None:
        """Log an alarm about a model, at most once a minute; the metrics count every case."""
        key, now = f"{event} {model}", time.monotonic()
        if now - self._alarmed_at.get(key, -_ALARM_EVERY_SECONDS) >= _ALARM_EVERY_SECONDS:
            self._alarmed_at[key] = now
            log.error(event, model=model, **details)
