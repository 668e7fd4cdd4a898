"""Hours that are unlike a tenant's others: found by due work, told to admins, acknowledged by them."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlmodel import col, select

from frontdesk import feed
from frontdesk.billing.anomaly_rules import Unusual, judge
from frontdesk.billing.anomaly_schemas import AnomalyPublic
from frontdesk.billing.book_models import Measure, UsageAnomaly
from frontdesk.billing.errors import NoSuchAnomaly
from frontdesk.billing.happenings import UsageUnusual
from frontdesk.billing.ledger import BILLED_KINDS
from frontdesk.core import ids
from frontdesk.core.db import Session, Transaction, take_time
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.observability import audit

# What an hour is compared with.
COMPARED = timedelta(days=14)
# Of a worker that was away for longer, only the last hours are still news.
NEWS = timedelta(hours=24)
# What was written during an hour is all to be seen by then.
SETTLED_AFTER = timedelta(minutes=5)

_SINCE = """
SELECT date_trunc('hour', now() - $1::interval) AS until, looked_at FROM usage_book
"""
# By when it was written: that is when it was used, but for corrections.
_COUNT = """
INSERT INTO usage_hour (hour, cost, calls, tokens)
SELECT date_trunc('hour', created_at), coalesce(sum(amount_usd), 0),
    count(*) FILTER (WHERE kind <> 'whatsapp' AND NOT cache_hit), sum(input_tokens + output_tokens)
FROM usage_entry
WHERE created_at >= $1 AND created_at < $2 AND kind = ANY($3) AND corrects_id IS NULL
GROUP BY 1
ON CONFLICT (tenant_id, hour) DO UPDATE
SET cost = excluded.cost, calls = excluded.calls, tokens = excluded.tokens
"""
_INSERT = """
INSERT INTO usage_anomaly (id, hour, measure, value, usual, bound, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id
"""


async def look_at_hours(resources: Resources, tenant_id: UUID) -> list[Unusual]:
    """Compare the hours since the last look with those before; gives what is unusual and was not told.

    Run twice, the same hours are counted and judged again, and told once.
    """
    found: list[Unusual] = []
    async with resources.db.transaction(tenant_id) as tx:
        # The first look is at two weeks.
        await take_time(tx.sql)
        book = await tx.sql.fetchrow(_SINCE, SETTLED_AFTER)
        if book is None:
            return []
        until: datetime = book["until"]
        earliest = until - COMPARED
        since = max(book["looked_at"] or earliest, earliest)
        await tx.sql.execute(_COUNT, since, until, list(BILLED_KINDS))
        hours = await tx.sql.fetch(
            "SELECT * FROM usage_hour WHERE hour >= $1 AND hour < $2 ORDER BY hour",
            earliest - NEWS,
            until,
        )
        for row in hours:
            if row["hour"] < max(since, until - NEWS):
                continue
            before = [
                other for other in hours if row["hour"] - COMPARED <= other["hour"] < row["hour"]
            ]
            for measure in Measure:
                values = [Decimal(other[measure]) for other in before]
                unusual = judge(measure, Decimal(row[measure]), values)
                if unusual is not None and await _note(tx, row["hour"], unusual):
                    found.append(unusual)
        await tx.sql.execute("DELETE FROM usage_hour WHERE hour < $1", earliest - NEWS)
        await tx.sql.execute("UPDATE usage_book SET looked_at = $1", until)
    for unusual in found:
        resources.metrics.usage_anomalies.labels(unusual.measure).inc()
    return found


async def _note(tx: Transaction, hour: datetime, unusual: Unusual) -> bool:
    anomaly_id = await tx.sql.fetchval(
        _INSERT,
        ids.new(),
        hour,
        unusual.measure,
        unusual.value,
        unusual.usual,
        unusual.bound,
        unusual.reason,
    )
    if anomaly_id is None:
        return False
    told = UsageUnusual(
        anomaly_id=anomaly_id, hour=hour, measure=unusual.measure, reason=unusual.reason
    )
    feed.tell(tx, told, feed.Audience.ADMINS)
    return True


async def list_anomalies(
    session: Session, *, is_open: bool | None, limit: int, cursor: str | None
) -> Page[AnomalyPublic]:
    """A page of unusual hours, newest first.

    Args:
        is_open: only those that nobody has acknowledged, or only the others.
    """
    query = select(UsageAnomaly)
    if is_open is not None:
        unseen = col(UsageAnomaly.acknowledged_at).is_(None)
        query = query.where(unseen if is_open else ~unseen)
    return await newest_page(
        session,
        query,
        col(UsageAnomaly.id),
        AnomalyPublic.model_validate,
        limit=limit,
        cursor=cursor,
    )


async def acknowledge(session: Session, anomaly_id: UUID, *, by: UUID) -> AnomalyPublic:
    """Say that somebody has seen to it; again changes nothing.

    Raises:
        NoSuchAnomaly: the tenant has no such unusual hour.
    """
    changed = await session.sql.fetchval(
        "UPDATE usage_anomaly SET acknowledged_at = now(), acknowledged_by = $2 "
        "WHERE id = $1 AND acknowledged_at IS NULL RETURNING id",
        anomaly_id,
        by,
    )
    query = select(UsageAnomaly).where(UsageAnomaly.id == anomaly_id)
    anomaly = (await session.exec(query)).one_or_none()
    if anomaly is None:
        raise NoSuchAnomaly
    if changed is not None:
        await audit(session, "usage_anomaly.acknowledged", "usage_anomaly", anomaly_id, user_id=by)
    return AnomalyPublic.model_validate(anomaly)
