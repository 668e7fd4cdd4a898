"""Usage of the past, for tests of what is made of it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from frontdesk.billing import UnitPrices, UsageKind, UsageRecord, record_usage
from frontdesk.core import ids
from frontdesk.core.resources import Resources


def days_ago(days: int) -> date:
    """A day of UTC by the clock of now: midnight may have passed since a test was imported."""
    return datetime.now(UTC).date() - timedelta(days=days)


async def use(
    resources: Resources,
    tenant_id: UUID,
    at: str | datetime = "2026-11-20T12:00:00Z",
    *,
    usd: str | None = "0.001",
    **changes: Any,
) -> UUID:
    """One billed call at a moment in the past; the id of its entry."""
    given = {
        "kind": UsageKind.LLM,
        "source_id": str(ids.new()),
        "feature": "reply",
        "model": "openai/gpt-4o-mini",
        "input_tokens": 100,
        "output_tokens": 10,
        "cached_input_tokens": 40,
        "amount_usd": None if usd is None else Decimal(usd),
        **changes,
    }
    record = UsageRecord(**given)
    async with resources.db.hot(tenant_id) as tx:
        await record_usage(tx, record)
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    async with resources.db.system() as sql:
        await sql.execute(
            "UPDATE usage_entry SET created_at = $1::timestamptz, "
            "day = ($1::timestamptz AT TIME ZONE 'UTC')::date WHERE tenant_id = $2 AND id = $3",
            moment.astimezone(UTC),
            tenant_id,
            record.id,
        )
    return record.id


# As tokens of `use` come to, at these prices: 60 * 1 + 40 * 0.5 + 10 * 4, by the million.
PRICES = UnitPrices(Decimal(1), Decimal(4), Decimal("0.5"))
PRICED_USD = "0.00012"
