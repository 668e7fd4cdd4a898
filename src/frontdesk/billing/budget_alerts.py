"""Telling admins, while there is time, how much of a budget is spent: at 50, 80 and 100 percent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from asyncpg import Record

from frontdesk import feed
from frontdesk.billing.happenings import BudgetAlert
from frontdesk.billing.rules import BudgetScope, Cap, Key
from frontdesk.core.db import Transaction

PERCENTS = (50, 80, 100)
# Of each conversation and contact it would be noise.
_SCOPES = (BudgetScope.TENANT, BudgetScope.FEATURE)
_NOTE = """
UPDATE budget_use SET alerted_percent = $4
WHERE budget_id = $1 AND subject = $2 AND period_start = $3
"""


@dataclass(frozen=True)
class Alert:
    """A budget that has just been spent to a percentage."""

    scope: BudgetScope
    percent: int


def new_percents(spent_usd: Decimal, hard_usd: Decimal, alerted_percent: int) -> list[int]:
    """The percentages that are reached and were not told of yet."""
    return [
        percent
        for percent in PERCENTS
        if alerted_percent < percent and spent_usd * 100 >= hard_usd * percent
    ]


async def tell_alerts(
    tx: Transaction, used: Sequence[Record], caps: Mapping[Key, Cap]
) -> list[Alert]:
    """Tell of each percentage that a settlement has reached, once in a period.

    Args:
        used: rows of `budget_use` as the settlement left them, under its lock. A statement more is
            only made for those that have something to tell.
    """
    alerts = []
    for row in used:
        key = (row["budget_id"], row["subject"], row["period_start"])
        cap = caps.get(key)
        if cap is None or cap.scope not in _SCOPES:
            continue
        percents = new_percents(row["spent_usd"], cap.hard_usd, row["alerted_percent"])
        if not percents:
            continue
        await tx.sql.execute(_NOTE, *key, percents[-1])
        for percent in percents:
            told = BudgetAlert(
                budget_id=cap.id,
                percent=percent,
                spent_usd=row["spent_usd"],
                hard_usd=cap.hard_usd,
            )
            feed.tell(tx, told, feed.Audience.ADMINS)
            alerts.append(Alert(cap.scope, percent))
    return alerts
