"""The report of a month: what it cost, what for, per conversation and resolution, and what is left."""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from frontdesk.billing.facts import FACTS, REPORTED, add_up
from frontdesk.billing.month_schemas import ForecastPublic, MonthPublic, OutcomesPublic
from frontdesk.billing.outcomes import count_outcomes
from frontdesk.billing.schemas import UsageGrouping, UsageGroupPublic, UsageSums
from frontdesk.billing.service import KEYS, Span
from frontdesk.billing.terms import get_terms
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Invalid

# Long enough for each weekday to be in it twice.
FORECAST_DAYS = 14
_SMALLEST_USD = Decimal("0.000001")
_SLICES = (
    UsageGrouping.DAY,
    UsageGrouping.KIND,
    UsageGrouping.FEATURE,
    UsageGrouping.MODEL,
    UsageGrouping.AGENT,
    UsageGrouping.PROMPT,
    UsageGrouping.CATEGORY,
    UsageGrouping.HUMAN_AGENT,
)
# All slices in one go over the facts. `place` is the number of the slice, and null of the total.
_ALL = f"""
WITH facts AS ({FACTS}), keyed AS (
    SELECT *, {", ".join(f"{KEYS[name]} AS key_{name}" for name in _SLICES)} FROM facts)
SELECT CASE {" ".join(f"WHEN grouping(key_{name}) = 0 THEN '{name}'" for name in _SLICES)} END AS slice,
    coalesce({", ".join(f"key_{name}" for name in _SLICES)}) AS key, {REPORTED}
FROM keyed GROUP BY GROUPING SETS ((), {", ".join(f"(key_{name})" for name in _SLICES)})
ORDER BY slice NULLS FIRST, key
"""  # noqa: S608  # Ours.
_BEFORE = f"""
WITH facts AS ({FACTS}) SELECT min(day) AS first, coalesce(sum(amount_usd), 0) AS usd FROM facts
"""  # noqa: S608  # Ours.


def span_of_month(month: str | None, *, today: date) -> Span:
    """The days of a month like `2026-11`, up to today; without one, of this month.

    Raises:
        Invalid: it is no month, or lies in the future.
    """
    if month is None:
        return Span(today.replace(day=1), today)
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month):
        raise Invalid("A month is written like 2026-11.")
    first = date.fromisoformat(f"{month}-01")
    if first > today:
        raise Invalid("That month has not begun yet.")
    return Span(first, min(today, _last_day(first)))


async def month_of(tx: Transaction, month: str | None) -> tuple[Span, date]:
    """The days of a month, as `span_of_month` gives them, and today (UTC) by the database's clock."""
    today: date = await tx.sql.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return span_of_month(month, today=today), today


async def report_month(tx: Transaction, span: Span, *, today: date) -> MonthPublic:
    """The report of a month.

    Args:
        span: of one month, as `span_of_month` gives it.
    """
    rows = await add_up(tx, _ALL, span.first, span.last)
    total = next(row for row in rows if row["slice"] is None)
    slices = {
        name: [_group(row) for row in rows if row["slice"] == name and _is_used(row)]
        for name in _SLICES
    }
    outcomes = await count_outcomes(tx, span.start_at, span.end_at)
    revenue = (await get_terms(tx)).revenue_usd_per_month
    usd: Decimal = total["amount_usd"]
    is_over = _last_day(span.first) < today
    return MonthPublic(
        month=f"{span.first:%Y-%m}",
        first_day=span.first,
        last_day=span.last,
        is_over=is_over,
        total=UsageSums.model_validate(total),
        **{f"by_{name}": found for name, found in slices.items()},
        outcomes=OutcomesPublic.model_validate(outcomes),
        usd_per_conversation=_share(usd, outcomes.active),
        usd_per_resolution=_share(usd, outcomes.resolutions),
        revenue_usd=revenue,
        margin_usd=None if revenue is None else revenue - (usd - total["own_key_usd"]),
        forecast=None if is_over else await _forecast(tx, slices[UsageGrouping.DAY], today),
    )


async def _forecast(
    tx: Transaction, days: Sequence[UsageGroupPublic], today: date
) -> ForecastPublic | None:
    first, last = today - timedelta(days=FORECAST_DAYS), today - timedelta(days=1)
    (before,) = await add_up(tx, _BEFORE, first, last)
    if before["first"] is None:
        return None
    # A tenant that began a week ago has a week.
    counted = (today - before["first"]).days
    per_day = before["usd"] / counted
    by_day = {day.key: day.amount_usd for day in days}
    spent_today = by_day.pop(str(today), Decimal(0))
    finished = sum(by_day.values(), Decimal(0))
    return ForecastPublic(
        amount_usd=foresee_month(finished, spent_today, per_day, today),
        method=f"What finished days of the month cost, and for today and each day to come the mean "
        f"of the {counted} days before ({_rounded(per_day)} USD); today no less than it has cost.",
    )


def foresee_month(
    finished_usd: Decimal, spent_today_usd: Decimal, per_day_usd: Decimal, today: date
) -> Decimal:
    """What the month of `today` comes to when today and the days after it cost that much each, and
    today no less than it has cost so far."""
    to_come = (_last_day(today) - today).days
    return _rounded(finished_usd + max(spent_today_usd, per_day_usd) + to_come * per_day_usd)


def _last_day(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _share(usd: Decimal, count: int) -> Decimal | None:
    return _rounded(usd / count) if count else None


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_SMALLEST_USD)


def _is_used(row: Mapping[str, Any]) -> bool:
    """Whether a slice is worth a line: only WhatsApp has categories, and only prompts versions."""
    return row["key"] is not None or row["slice"] == UsageGrouping.AGENT


def _group(row: Mapping[str, Any]) -> UsageGroupPublic:
    return UsageGroupPublic.model_validate(row)


async def tenant_name(tx: Transaction) -> str:
    """What the tenant is called."""
    name: str = await tx.sql.fetchval("SELECT name FROM tenant")
    return name
