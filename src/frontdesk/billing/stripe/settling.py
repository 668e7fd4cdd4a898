"""Batches that do not go on by themselves: listed for a person, who decides what becomes of them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from frontdesk.billing.stripe.errors import BatchNotStuck, NoSuchBatch
from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.models import BatchState
from frontdesk.billing.stripe.outbox import BATCH, check_day
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean
from frontdesk.observability import audit

STUCK = (BatchState.TOO_OLD, BatchState.UNCERTAIN)

_LIST = """
SELECT b.tenant_id, t.slug AS tenant, b.id, b.meter, b.hour_at, b.entries, b.value, b.state,
    b.attempts, b.doubtful_since, b.last_error
FROM stripe_batch b JOIN tenant t ON t.id = b.tenant_id
WHERE b.state = ANY($1) AND ($2::uuid IS NULL OR b.tenant_id = $2)
ORDER BY b.hour_at, b.id LIMIT $3
"""
_STANDS = "SELECT meter, hour_at, value, state FROM stripe_batch WHERE id = $1 FOR UPDATE"
_SETTLE = """
UPDATE stripe_batch SET state = $2::text, last_error = $3, doubtful_since = NULL,
    due_at = CASE WHEN $2::text = 'pending' THEN now() END,
    sent_at = CASE WHEN $2::text = 'sent' THEN now() END
WHERE id = $1
"""


class Verdict(StrEnum):
    """What a person says of a batch."""

    ARRIVED = "arrived"  # Stripe has it.
    RESEND = "resend"  # Stripe has not: it is sent once more.
    WRITE_OFF = "write-off"  # It is never told to Stripe by us.


_BECOMES = {
    Verdict.ARRIVED: BatchState.SENT,
    Verdict.RESEND: BatchState.PENDING,
    Verdict.WRITE_OFF: BatchState.WRITTEN_OFF,
}
_PAST = {
    Verdict.ARRIVED: "found_arrived",
    Verdict.RESEND: "sent_again",
    Verdict.WRITE_OFF: "written_off",
}


class WaitingBatch(BaseModel):
    """A batch, and whose it is."""

    tenant_id: UUID
    tenant: str
    id: UUID
    meter: Meter
    hour_at: datetime
    entries: int
    value: int
    state: BatchState
    attempts: int
    doubtful_since: datetime | None
    last_error: str | None


async def list_waiting(
    resources: Resources, states: Sequence[BatchState], *, tenant_id: UUID | None, limit: int
) -> list[WaitingBatch]:
    """Batches of all tenants, or of one, in these states; the oldest hour first."""
    wanted = [state.value for state in states]
    async with resources.db.system() as connection:
        rows = await connection.fetch(_LIST, wanted, tenant_id, limit)
    return [WaitingBatch.model_validate(dict(row)) for row in rows]


async def settle_batch(
    resources: Resources, tenant_id: UUID, batch_id: UUID, verdict: Verdict, *, reason: str
) -> BatchState:
    """Say what becomes of a batch that is stuck; its day is compared with Stripe anew.

    What is sent once more and has arrived before is counted twice, as Stripe knows it no longer.

    Args:
        reason: kept with the batch, and in the tenant's audit log.

    Raises:
        NoSuchBatch: the tenant has none of that id.
        BatchNotStuck: it goes on by itself, or has ended.
    """
    async with resources.db.transaction(tenant_id) as tx:
        row = await tx.sql.fetchrow(_STANDS, batch_id)
        if row is None:
            raise NoSuchBatch(f"There is no batch {batch_id}.")
        if row["state"] not in STUCK:
            raise BatchNotStuck(f"The batch is {row['state']}.")
        state, words = _BECOMES[verdict], clean(reason)
        await tx.sql.execute(_SETTLE, batch_id, state.value, words)
        if state is BatchState.PENDING:
            tx.ring(BATCH, batch_id)
        await check_day(tx, row["hour_at"])
        await audit(
            tx,
            f"stripe_batch.{_PAST[verdict]}",
            "stripe_batch",
            batch_id,
            details={
                "meter": row["meter"],
                "hour_at": row["hour_at"].isoformat(),
                "value": row["value"],
                "state": [row["state"], state.value],
                "reason": words,
            },
        )
    return state
