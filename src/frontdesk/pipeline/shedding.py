"""What a turn goes without while work piles up. Answers are given all the same, webhooks are always
taken in, and local checks still hear a stop word or a wish for a person."""

import time
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from uuid import UUID

import structlog

from frontdesk.core.errors import Unavailable
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources
from frontdesk.core.settings import WorkerSettings
from frontdesk.pipeline.turn import Turn

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 1

# Bursts nobody has taken up, by tenant: one that floods us by itself makes only its own turns
# shorter. Raw webhooks are nobody's yet; when those wait, it concerns all.
_OLDEST_DUE = """
SELECT tenant_id, extract(epoch FROM now() - min(due_at))::float8 AS seconds FROM conversation
WHERE due_at <= now() AND status = 'ACTIVE' AND inbound_seq > handled_seq
    AND (lease_until IS NULL OR lease_until < now())
GROUP BY tenant_id
UNION ALL (
    SELECT $1, extract(epoch FROM now() - due_at)::float8 FROM webhook_event
    WHERE state = 'pending' AND due_at <= now() AND attempts = 0 ORDER BY id LIMIT 1
)
"""


class Extra(StrEnum):
    """What a turn does beyond answering, the most dispensable first."""

    TYPING = "typing"
    """The read mark and the typing indicator."""
    FOLLOW_UP = "follow_up"
    """The timer that asks later whether all is well."""
    PACKET = "packet"
    """The handoff packet in a model's words; without it one is put together from the thread."""
    TRIAGE = "triage"
    """The model's look at category and mood, where local checks have found nothing to stop at."""


def left_out(oldest_seconds: float, worker: WorkerSettings) -> frozenset[Extra]:
    """The extras to go without when the oldest due work has waited so long.

    Triage is the last to go: without it mood alone brings nobody a person, and spam is answered.
    """
    if oldest_seconds < worker.shed_after_seconds:
        return frozenset()
    if oldest_seconds < worker.shed_triage_after_seconds:
        return frozenset(Extra) - {Extra.TRIAGE}
    return frozenset(Extra)


class Backlog:
    """How long due work has waited, looked up once a second at most in a process."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._seconds: Mapping[UUID, float] = {}
        self._looked_at = float("-inf")
        self._told: dict[UUID, frozenset[Extra]] = {}

    async def oldest_seconds(self, tenant_id: UUID) -> float:
        """Age of the oldest due burst of the tenant, or of the oldest raw webhook if that is more."""
        if time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
            # Before the query: who asks meanwhile goes by the last answer.
            self._looked_at = time.monotonic()
            # A database that has no time for this may have it for the answer.
            with suppress(Unavailable):
                async with self._resources.db.system() as connection:
                    rows = await connection.fetch(_OLDEST_DUE, NIL)
                self._seconds = {row["tenant_id"]: row["seconds"] for row in rows}
        return max(self._seconds.get(tenant_id, 0.0), self._seconds.get(NIL, 0.0))

    def tell(self, tenant_id: UUID, extras: frozenset[Extra], seconds: float) -> None:
        """Log once that a tenant's turns begin or cease to go without extras."""
        if extras == self._told.get(tenant_id, frozenset()):
            return
        if extras:
            self._told[tenant_id] = extras
            log.warning("shedding", left_out=sorted(extras), oldest_seconds=round(seconds, 1))
        else:
            del self._told[tenant_id]
            log.warning("shedding_ended")


async def goes_without(resources: Resources, turn: Turn, extra: Extra) -> bool:
    """Whether this turn does without an extra because work piles up; its trace says so.

    Never on paper, where there is no hurry.
    """
    if turn.trace.on_paper:
        return False
    backlog, tenant_id = resources.keep(Backlog), turn.claim.tenant_id
    seconds = await backlog.oldest_seconds(tenant_id)
    extras = left_out(seconds, resources.settings.worker)
    backlog.tell(tenant_id, extras, seconds)
    if extra not in extras:
        return False
    turn.trace.add("shed", left_out=extra, oldest_due_seconds=round(seconds, 1))
    resources.metrics.shed.labels(extra).inc()
    return True
