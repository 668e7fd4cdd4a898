"""Whether Stripe counted what we sent: each day's sums, compared the day after and until they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import structlog

from frontdesk import feed
from frontdesk.billing.stripe.client import ask
from frontdesk.billing.stripe.happenings import UsageDiffers
from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.models import CheckState
from frontdesk.billing.stripe.plans import find_meters
from frontdesk.core import ids
from frontdesk.core.db import Connection
from frontdesk.core.errors import FrontdeskError, Unavailable
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

LEASE_SECONDS = 300
AGAIN_SECONDS = 1_800.0
# A difference is looked at daily, as long as Stripe still takes events of that day.
LOOKED_AT_FOR = timedelta(days=35)
_DAY_SECONDS = 86_400.0

_DUE = """
SELECT tenant_id, id FROM stripe_check WHERE due_at <= now()
ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1
"""
_CLAIM = """
UPDATE stripe_check SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
WHERE id = $1 AND due_at <= now() RETURNING day, attempts
"""
_OURS = """
SELECT meter, hour_at, sum(value)::bigint AS value, array_agg(id ORDER BY id) AS batches
FROM stripe_batch WHERE hour_at >= $1 AND hour_at < $2 AND state = 'sent' GROUP BY meter, hour_at
"""
_UNSENT = """
SELECT count(*) FROM stripe_batch WHERE hour_at >= $1 AND hour_at < $2 AND state = 'pending'
"""
_DIFFERS = """
INSERT INTO stripe_difference AS d (id, day, meter, ours, theirs) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, day, meter) DO UPDATE
SET ours = excluded.ours, theirs = excluded.theirs, settled_at = NULL
WHERE (d.ours, d.theirs) IS DISTINCT FROM (excluded.ours, excluded.theirs)
    OR d.settled_at IS NOT NULL
RETURNING id
"""
_AGREES = """
UPDATE stripe_difference SET settled_at = now()
WHERE day = $1 AND meter = $2 AND settled_at IS NULL
"""
_CHECKED = """
UPDATE stripe_check SET state = $2, checked_at = now(), attempts = 0, last_error = NULL,
    due_at = CASE WHEN $3::float8 IS NOT NULL THEN now() + make_interval(secs => $3) END
WHERE day = $1
"""
_PUT_OFF = """
UPDATE stripe_check SET due_at = now() + make_interval(secs => $2), last_error = $3
WHERE id = $1 AND attempts = $4
"""


class NotAllSent(Unavailable):
    """Some of the day's usage is still on its way, so there is nothing to compare yet."""


@dataclass(frozen=True)
class Hour:
    """An hour in which Stripe counted otherwise, and the batches that we sent of it."""

    hour_at: datetime
    ours: int
    theirs: int
    batches: tuple[UUID, ...]


@dataclass(frozen=True)
class Count:
    """What one meter came to on a day, and the hours that differ."""

    meter: Meter
    ours: int
    theirs: int
    hours: tuple[Hour, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether Stripe counted what we sent."""
        return self.ours == self.theirs


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Days to compare; tenants take turns."""
    rows = await connection.fetch(_DUE, limit)
    return [(row["tenant_id"], row["id"]) for row in rows]


async def handle(resources: Resources, tenant_id: UUID, check_id: UUID) -> None:
    """Compare a day. Run twice, the second finds the same and tells nobody again."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, check_id, float(LEASE_SECONDS))
    if row is None:
        return
    try:
        await compare(resources, tenant_id, row["day"])
    except FrontdeskError as error:
        async with resources.db.hot(tenant_id) as tx:
            problem = str(error)[:500]
            await tx.sql.execute(_PUT_OFF, check_id, AGAIN_SECONDS, problem, row["attempts"])
        raise


async def compare(resources: Resources, tenant_id: UUID, day: date) -> list[Count]:
    """What we sent of a day (UTC) beside what Stripe counted, written down where they differ.

    Raises:
        NotAllSent: batches of that day are still on their way.
        StripeRefused, StripeBusy, StripeSilent: as `ask`.
    """
    start = datetime.combine(day, time.min, UTC)
    end = start + timedelta(days=1)
    async with resources.db.hot(tenant_id) as tx:
        customer_id = await tx.sql.fetchval("SELECT customer_id FROM stripe_account")
        if await tx.sql.fetchval(_UNSENT, start, end):
            raise NotAllSent("Some of the day's usage is still on its way.")
        sent = await tx.sql.fetch(_OURS, start, end)
    meters = await find_meters(resources)
    counts = []
    for meter in Meter:
        theirs: dict[datetime, int] = {}
        if meter in meters:
            theirs = await _counted(resources, meters[meter], customer_id, start, end)
        ours = {row["hour_at"]: dict(row) for row in sent if row["meter"] == meter.value}
        counts.append(_count(meter, ours, theirs))
    await _write(resources, tenant_id, day, counts)
    return counts


def _count(
    meter: Meter, sent: Mapping[datetime, Mapping[str, Any]], counted: Mapping[datetime, int]
) -> Count:
    """What was sent and what was counted, by hour, put side by side."""
    hours = [
        Hour(hour_at, ours["value"] if ours else 0, counted.get(hour_at, 0), batches)
        for hour_at in sorted({*sent, *counted})
        for ours in [sent.get(hour_at)]
        for batches in [tuple(ours["batches"]) if ours else ()]
    ]
    return Count(
        meter,
        sum(hour.ours for hour in hours),
        sum(hour.theirs for hour in hours),
        tuple(hour for hour in hours if hour.ours != hour.theirs),
    )


async def _counted(
    resources: Resources, meter_id: str, customer_id: str, start: datetime, end: datetime
) -> dict[datetime, int]:
    """What Stripe counted for one customer in a span of a day at most, by hour."""
    wanted: Any = {
        "customer": customer_id,
        "start_time": int(start.timestamp()),
        "end_time": int(end.timestamp()),
        "value_grouping_window": "hour",
        "limit": 100,
    }
    found = await ask(
        resources, lambda s: s.v1.billing.meters.event_summaries.list_async(meter_id, wanted)
    )
    return {
        datetime.fromtimestamp(each.start_time, UTC): round(each.aggregated_value)
        for each in found.data
    }


async def _write(resources: Resources, tenant_id: UUID, day: date, counts: Sequence[Count]) -> None:
    agrees = all(count.agrees for count in counts)
    is_young = datetime.now(UTC).date() - day < LOOKED_AT_FOR
    again = _DAY_SECONDS if not agrees and is_young else None
    state = CheckState.AGREES if agrees else CheckState.DIFFERS
    async with resources.db.hot(tenant_id) as tx:
        for count in counts:
            if count.agrees:
                await tx.sql.execute(_AGREES, day, count.meter.value)
                continue
            values = day, count.meter.value, count.ours, count.theirs
            if await tx.sql.fetchval(_DIFFERS, ids.new(), *values) is None:
                continue
            log.error(
                "stripe_counts_otherwise",
                tenant_id=str(tenant_id),
                day=str(day),
                meter=count.meter,
                ours=count.ours,
                theirs=count.theirs,
            )
            resources.metrics.stripe_alarms.labels("differs").inc()
            told = UsageDiffers(day=day, meter=count.meter, ours=count.ours, theirs=count.theirs)
            feed.tell(tx, told, feed.Audience.ADMINS)
        await tx.sql.execute(_CHECKED, day, state.value, again)
