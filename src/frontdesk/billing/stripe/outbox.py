"""Usage on its way to Stripe: the ledger's rows of an hour, in batches, each sent as one event.

A batch and the rows in it are written together, and a row is in one batch of a meter at most: so what
is billed can be shown row by row, and nothing is billed twice. A row that was committed late goes into
a later batch of its own hour. A batch's id is the event's identifier, so a batch whose answer was lost
is sent again and Stripe refuses it as known (within a day).

Stripe takes events of the last 35 days and knows identifiers for a day. What can no longer be sent
safely is not: it stays as `too_old` or `uncertain` for a person, and the reconciliation shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from frontdesk.billing.stripe.client import ask
from frontdesk.billing.stripe.errors import StripeBusy, StripeRefused, StripeSilent
from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.models import BatchState
from frontdesk.billing.stripe.sending_rules import carry, fate_of, pause_seconds
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

BATCH = "billing.stripe_batch"
CHECK = "billing.stripe_check"
LEASE_SECONDS = 120
# A row is written in the transaction that its time is of, and none lasts that long.
LATE = timedelta(hours=6)
# The sums at Stripe follow its events by minutes.
SETTLED_AFTER = timedelta(hours=2)

_METERS = ", ".join(f"('{meter.value}', {meter.quantity})" for meter in Meter)
_CUT = f"""
WITH fresh AS (
    SELECT e.id, date_trunc('hour', e.created_at, 'UTC') AS hour_at, m.meter, m.quantity
    FROM usage_entry e CROSS JOIN LATERAL (VALUES {_METERS}) AS m (meter, quantity)
    WHERE e.created_at >= $1 AND e.created_at < $2 AND m.quantity <> 0
        AND NOT EXISTS (SELECT FROM stripe_batch_entry b
            WHERE b.tenant_id = e.tenant_id AND b.meter = m.meter AND b.entry_id = e.id)
        -- What was never billed is not credited either.
        AND (e.corrects_id IS NULL OR EXISTS (SELECT FROM stripe_batch_entry b
            WHERE b.tenant_id = e.tenant_id AND b.meter = m.meter AND b.entry_id = e.corrects_id)
            OR EXISTS (SELECT FROM usage_entry o WHERE o.tenant_id = e.tenant_id
                AND o.id = e.corrects_id AND o.created_at >= $1 AND o.created_at < $2))
), made AS (
    INSERT INTO stripe_batch (id, meter, hour_at, entries, quantity, state)
    SELECT gen_random_uuid(), meter, hour_at, count(*), sum(quantity), 'pending'
    FROM fresh GROUP BY meter, hour_at
    RETURNING id, meter, hour_at, quantity
), linked AS (
    INSERT INTO stripe_batch_entry (meter, entry_id, batch_id, quantity)
    SELECT f.meter, f.id, made.id, f.quantity FROM fresh f JOIN made USING (meter, hour_at)
)
SELECT id, meter, hour_at, quantity FROM made ORDER BY hour_at, meter
"""  # noqa: S608  # Ours.
_DEBTS = "SELECT meter, owed FROM stripe_debt FOR UPDATE"
_OWE = """
INSERT INTO stripe_debt (meter, owed) VALUES ($1, $2)
ON CONFLICT (tenant_id, meter) DO UPDATE SET owed = excluded.owed
"""
_VALUE = """
UPDATE stripe_batch SET value = $2, state = $3::text,
    due_at = CASE WHEN $3::text = 'pending' THEN now() END
WHERE id = $1
"""
_CHECK_DAY = """
INSERT INTO stripe_check (id, day, due_at) VALUES (gen_random_uuid(), $1, $2)
ON CONFLICT (tenant_id, day) DO UPDATE SET due_at = excluded.due_at
"""
_DUE = """
SELECT tenant_id, id FROM stripe_batch WHERE due_at <= now()
ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1
"""
# From the moment a call begins nobody knows whether it arrived, until something says so.
_CLAIM = """
UPDATE stripe_batch b SET attempts = b.attempts + 1, due_at = now() + make_interval(secs => $2),
    doubtful_since = coalesce(b.doubtful_since, now())
FROM (SELECT doubtful_since FROM stripe_batch WHERE id = $1 FOR UPDATE) before, stripe_account a
WHERE b.id = $1 AND b.due_at <= now()
RETURNING b.id, b.meter, b.hour_at, b.value, b.attempts, a.customer_id,
    before.doubtful_since AS doubtful_since
"""
_NOTE = """
UPDATE stripe_batch SET state = $3::text, last_error = $4,
    due_at = CASE WHEN $5::float8 IS NOT NULL THEN now() + make_interval(secs => $5) END,
    sent_at = CASE WHEN $3::text = 'sent' THEN now() END,
    doubtful_since = CASE WHEN $6 THEN NULL ELSE doubtful_since END
WHERE id = $1 AND attempts = $2
"""


@dataclass(frozen=True)
class Batch:
    """A batch that this worker sends."""

    id: UUID
    meter: Meter
    hour_at: datetime
    value: int
    attempts: int
    customer_id: str
    doubtful_since: datetime | None
    """Since when it may have arrived; None when it certainly has not."""


async def cut(tx: Transaction, metered_from: datetime, until: datetime, upto: datetime) -> int:
    """Put what the ledger holds up to a full hour into batches; how many were made.

    The caller holds the account's row, so that nobody else cuts at the same time.

    Args:
        metered_from: the first moment that is metered at all.
        until: up to when it has been cut before.
        upto: the full hour up to which it is cut now.
    """
    made = await tx.sql.fetch(_CUT, max(metered_from, until - LATE), upto)
    if not made:
        return 0
    owed = {row["meter"]: row["owed"] for row in await tx.sql.fetch(_DEBTS)}
    for row in made:
        value, owed[row["meter"]] = carry(int(row["quantity"]), owed.get(row["meter"], 0))
        state = BatchState.PENDING if value else BatchState.NOTHING
        await tx.sql.execute(_VALUE, row["id"], value, state.value)
        if value:
            tx.ring(BATCH, row["id"])
    for meter, quantity in owed.items():
        await tx.sql.execute(_OWE, meter, quantity)
    for day in {_day_of(row["hour_at"]) for row in made}:
        await check_day(tx, day)
    return len(made)


async def check_day(tx: Transaction, moment: datetime) -> None:
    """Have the day of a moment compared with Stripe, once it is over and counted there."""
    starts_at = _day_of(moment)
    due_at = max(starts_at + timedelta(days=1), datetime.now(UTC)) + SETTLED_AFTER
    await tx.sql.execute(_CHECK_DAY, starts_at.date(), due_at)


def _day_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Batches to send; tenants take turns."""
    rows = await connection.fetch(_DUE, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def send(resources: Resources, tenant_id: UUID, batch_id: UUID) -> None:
    """Tell Stripe of a batch. Run twice, Stripe knows the second by its identifier."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, batch_id, float(LEASE_SECONDS))
    if row is None:
        return
    batch = Batch(**{**dict(row), "meter": Meter(row["meter"])})
    state = fate_of(batch.hour_at, batch.doubtful_since, datetime.now(UTC))
    if state is not BatchState.PENDING:
        await _give_up(resources, tenant_id, batch, state, "It is too late to send it safely.")
        return
    event: Any = {
        "event_name": batch.meter.event_name,
        "identifier": str(batch.id),
        "timestamp": int(batch.hour_at.timestamp()),
        "payload": {"stripe_customer_id": batch.customer_id, "value": str(batch.value)},
    }
    try:
        await ask(resources, lambda s: s.v1.billing.meter_events.create_async(event))
    except StripeRefused as refused:
        if refused.status_code == 400 and str(batch.id) in str(refused):
            log.info("stripe_knew_batch", batch_id=str(batch.id))
        elif refused.stripe_code == "timestamp_too_far_in_past":
            await _give_up(resources, tenant_id, batch, BatchState.TOO_OLD, str(refused))
            return
        else:
            # A meter that is not set up, a customer that is gone: somebody has to see to it.
            resources.metrics.stripe_alarms.labels("refused").inc()
            log.warning("stripe_refused_batch", batch_id=str(batch.id), error=str(refused))
            await _put_off(resources, tenant_id, batch, str(refused), arrived=False)
            return
    except StripeBusy as busy:
        await _put_off(resources, tenant_id, batch, str(busy), arrived=False)
        return
    except StripeSilent as silent:
        await _put_off(resources, tenant_id, batch, str(silent), arrived=None)
        return
    await _note(resources, tenant_id, batch, BatchState.SENT, None, None, certain=True)


async def _put_off(
    resources: Resources, tenant_id: UUID, batch: Batch, error: str, *, arrived: bool | None
) -> None:
    # It certainly did not arrive now; whether an earlier try did is as open as it was.
    certain = arrived is False and batch.doubtful_since is None
    seconds = pause_seconds(batch.attempts)
    await _note(resources, tenant_id, batch, BatchState.PENDING, error, seconds, certain=certain)


async def _give_up(
    resources: Resources, tenant_id: UUID, batch: Batch, state: BatchState, error: str
) -> None:
    resources.metrics.stripe_alarms.labels(state.value).inc()
    log.error("stripe_batch_given_up", batch_id=str(batch.id), state=state.value)
    certain = state is BatchState.TOO_OLD and batch.doubtful_since is None
    await _note(resources, tenant_id, batch, state, error, None, certain=certain)


async def _note(
    resources: Resources,
    tenant_id: UUID,
    batch: Batch,
    state: BatchState,
    error: str | None,
    seconds: float | None,
    *,
    certain: bool,
) -> None:
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            _NOTE, batch.id, batch.attempts, state.value, error and error[:500], seconds, certain
        )
