"""What Stripe tells: stored before it is acknowledged, once for each event, and handled as due work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from frontdesk.billing.stripe.accounts import hear
from frontdesk.core import ids
from frontdesk.core.db import Connection
from frontdesk.core.errors import FrontdeskError
from frontdesk.core.json import loads
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

EVENT = "billing.stripe_event"
LEASE_SECONDS = 60
_LONGEST_PAUSE_SECONDS = 3_600
# After that many tries of an hour each Stripe's state has been asked by other ways long since.
MAX_ATTEMPTS = 30
KEPT_DAYS = 35

# What changes how a customer stands. Everything else is stored as seen and leads to nothing.
_KINDS = ("checkout.session.", "customer.subscription.", "invoice.")
METER_ERRORS = "v1.billing.meter.error_report_triggered"

_INSERT = """
INSERT INTO stripe_event (id, event_id, kind, customer_id, state) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (event_id) DO NOTHING RETURNING id
"""
_CLAIM = """
UPDATE stripe_event SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
WHERE id = $1 AND state = 'pending' AND due_at <= now()
RETURNING event_id, kind, customer_id, attempts
"""
_END = "UPDATE stripe_event SET state = $2, last_error = $3 WHERE id = $1"
_PUT_OFF = """
UPDATE stripe_event SET last_error = $2, due_at = now() + make_interval(secs => $3) WHERE id = $1
"""
_DUE = """
SELECT id FROM stripe_event WHERE state = 'pending' AND due_at <= now() ORDER BY due_at LIMIT $1
"""
_PRUNE = """
DELETE FROM stripe_event WHERE ctid IN (SELECT ctid FROM stripe_event
    WHERE state <> 'pending' AND received_at < now() - make_interval(days => $1) LIMIT 5000)
"""


@dataclass(frozen=True)
class Told:
    """What an event says that we go by."""

    event_id: str
    kind: str
    customer_id: str | None

    @property
    def matters(self) -> bool:
        """Whether something here may have to change by it."""
        about_customer = self.customer_id is not None and self.kind.startswith(_KINDS)
        return about_customer or self.kind == METER_ERRORS


def read_event(body: bytes) -> Told | None:
    """The event in a signed body; None when it is none, which Stripe would only send again."""
    try:
        event = loads(body)
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None
    event_id, kind = event.get("id"), event.get("type")
    if not isinstance(event_id, str) or not isinstance(kind, str):
        return None
    data: Any = event.get("data")
    about: Any = data.get("object") if isinstance(data, dict) else None
    customer = about.get("customer") if isinstance(about, dict) else None
    return Told(event_id[:255], kind[:255], customer if isinstance(customer, str) else None)


async def store(resources: Resources, told: Told) -> UUID | None:
    """Keep an event; None when it has come before. It is committed when this returns."""
    state = "pending" if told.matters else "ignored"
    async with resources.db.system() as connection:
        stored: UUID | None = await connection.fetchval(
            _INSERT, ids.new(), told.event_id, told.kind, told.customer_id, state
        )
    return stored if told.matters else None


async def ring(resources: Resources, event_row_id: UUID) -> None:
    """Say that there is something to handle, once it was acknowledged; else the sweep finds it."""
    resources.db.bell.ring(EVENT, ids.NIL, event_row_id)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Events to be handled; whose they are is found out then."""
    return [(ids.NIL, row["id"]) for row in await connection.fetch(_DUE, limit)]


async def handle(resources: Resources, _tenant_id: UUID, event_row_id: UUID) -> None:
    """Let be so here what is so at Stripe. Run twice, the second run finds nothing to change."""
    async with resources.db.system() as connection:
        row = await connection.fetchrow(_CLAIM, event_row_id, float(LEASE_SECONDS))
        if row is None:
            return
        tenant_id = await connection.fetchval(
            "SELECT tenant_id FROM stripe_account WHERE customer_id = $1", row["customer_id"]
        )
    if row["kind"] == METER_ERRORS:
        # Stripe took events and then could not count them: the reconciliation will say which.
        log.error("stripe_meter_errors", event_id=row["event_id"])
        resources.metrics.stripe_alarms.labels("meter_errors").inc()
        await _end(resources, event_row_id, "done")
        return
    if tenant_id is None:
        log.info("stripe_event_of_nobody", event_id=row["event_id"], kind=row["kind"])
        await _end(resources, event_row_id, "ignored", "No tenant is this customer.")
        return
    try:
        await hear(resources, tenant_id)
    except FrontdeskError as error:
        seconds = min(2.0 ** row["attempts"], _LONGEST_PAUSE_SECONDS)
        if row["attempts"] >= MAX_ATTEMPTS:
            await _end(resources, event_row_id, "ignored", f"Given up: {error}")
            return
        async with resources.db.system() as connection:
            await connection.execute(_PUT_OFF, event_row_id, str(error)[:500], seconds)
        raise
    await _end(resources, event_row_id, "done")


async def list_old(connection: Connection, _limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Whether there are events that are kept no longer."""
    found = await connection.fetchval(
        "SELECT 1 FROM stripe_event WHERE state <> 'pending' "
        "AND received_at < now() - make_interval(days => $1) LIMIT 1",
        KEPT_DAYS,
    )
    return [(ids.NIL, ids.NIL)] if found else []


async def prune(resources: Resources, _tenant_id: UUID, _row_id: UUID) -> None:
    """Forget old events, in portions. Run twice, the second run finds nothing left."""
    async with resources.db.system() as connection:
        while not (await connection.execute(_PRUNE, KEPT_DAYS)).endswith(" 0"):
            pass


async def _end(resources: Resources, row_id: UUID, state: str, error: str | None = None) -> None:
    async with resources.db.system() as connection:
        await connection.execute(_END, row_id, state, error)
