"""Budgets as their tenant looks after them: made, changed, removed, and watched as they burn."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select

from frontdesk.billing.budget_schemas import BudgetCreate, BudgetPublic, BudgetUsePublic, Caps
from frontdesk.billing.errors import BudgetExists, NoSuchBudget
from frontdesk.billing.facts import FACTS, add_up
from frontdesk.billing.ledger import MODEL_KINDS
from frontdesk.billing.models import Budget, BudgetUse
from frontdesk.billing.reservations import BudgetBook
from frontdesk.billing.rules import BudgetScope, period_end, period_start, reaches_cap_at
from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.resources import Resources
from frontdesk.observability import audit, changes

MOST_SUBJECTS = 5

_INSERT = """
INSERT INTO budget (id, scope, feature, period, hard_usd, soft_usd)
VALUES ($1, $2, $3, $4, $5, $6)
"""
# What this period has cost so far counts: a month's budget made in the middle is for the month. What
# corrections say moves no budget.
_SPENT = f"""
WITH facts AS ({FACTS})
SELECT (SELECT coalesce(sum(amount_usd), 0) FROM facts
        WHERE kind = ANY($4) AND ($5::text IS NULL OR feature = $5))
    - (SELECT coalesce(sum(amount_usd), 0) FROM usage_entry
        WHERE corrects_id IS NOT NULL AND day BETWEEN $1 AND $2
        AND kind = ANY($4) AND ($5::text IS NULL OR feature = $5)) AS usd
"""  # noqa: S608  # Ours.
_SEED = """
INSERT INTO budget_use (budget_id, subject, period_start, spent_usd) VALUES ($1, $2, $3, $4)
"""
_LAST_HOUR = """
SELECT coalesce(sum(amount_usd), 0) FROM usage_entry WHERE created_at > now() - interval '1 hour'
    AND kind = ANY($1) AND corrects_id IS NULL AND ($2::text IS NULL OR feature = $2)
"""


async def list_budgets(session: Session, *, now: datetime) -> list[BudgetPublic]:
    """All budgets of the tenant; there are never many."""
    rows = (await session.exec(select(Budget).order_by(col(Budget.id)))).all()
    return [await _public(session, row, now) for row in rows]


async def get_budget(session: Session, budget_id: UUID, *, now: datetime) -> BudgetPublic:
    """One budget.

    Raises:
        NoSuchBudget: the tenant has no such budget.
    """
    return await _public(session, await _get(session, budget_id), now)


async def create_budget(
    session: Session, resources: Resources, body: BudgetCreate, *, by: UUID, now: datetime
) -> BudgetPublic:
    """A new budget, in force everywhere within two seconds.

    What the tenant or feature has spent in the period already counts; a conversation or contact
    begins with nothing.

    Raises:
        BudgetExists: there is one of this scope and period already.
    """
    budget_id = ids.new()
    try:
        await session.sql.execute(
            _INSERT,
            budget_id,
            body.scope.value,
            body.feature,
            body.period.value,
            body.hard_usd,
            body.soft_usd,
        )
    except asyncpg.UniqueViolationError:
        raise BudgetExists from None
    if body.scope in (BudgetScope.TENANT, BudgetScope.FEATURE):
        first = period_start(body.period, now)
        kinds = [kind.value for kind in MODEL_KINDS]
        (spent,) = await add_up(session, _SPENT, first, date.max, kinds, body.feature)
        await session.sql.execute(_SEED, budget_id, ids.NIL, first, spent["usd"])
    resources.keep(BudgetBook).forget_after_commit(session)
    details = body.model_dump(mode="json")
    await audit(session, "budget.created", "budget", budget_id, user_id=by, details=details)
    return await get_budget(session, budget_id, now=now)


async def change_budget(
    session: Session,
    resources: Resources,
    budget_id: UUID,
    body: Caps,
    *,
    check: Callable[[int], None],
    by: UUID,
    now: datetime,
) -> BudgetPublic:
    """Other caps for a budget; what was spent stays spent.

    Args:
        check: raises when the caller does not know the present version.

    Raises:
        NoSuchBudget: the tenant has no such budget.
    """
    budget = await _get(session, budget_id, lock=True)
    check(budget.version)
    before = _caps(budget)
    budget.hard_usd, budget.soft_usd = body.hard_usd, body.soft_usd
    budget.version += 1
    session.add(budget)
    await session.flush()
    resources.keep(BudgetBook).forget_after_commit(session)
    details = changes(before, _caps(budget))
    await audit(session, "budget.changed", "budget", budget_id, user_id=by, details=details)
    return await _public(session, budget, now)


async def remove_budget(
    session: Session, resources: Resources, budget_id: UUID, *, by: UUID
) -> None:
    """Limit nothing by this budget any more.

    Raises:
        NoSuchBudget: the tenant has no such budget.
    """
    budget = await _get(session, budget_id, lock=True)
    for table in ("budget_reservation", "budget_use"):
        await session.sql.execute(f"DELETE FROM {table} WHERE budget_id = $1", budget_id)  # noqa: S608  # Ours.
    await session.delete(budget)
    resources.keep(BudgetBook).forget_after_commit(session)
    await audit(session, "budget.removed", "budget", budget_id, user_id=by, details=_caps(budget))


async def _get(session: Session, budget_id: UUID, *, lock: bool = False) -> Budget:
    query = select(Budget).where(Budget.id == budget_id)
    budget = (await session.exec(query.with_for_update() if lock else query)).one_or_none()
    if budget is None:
        raise NoSuchBudget
    return budget


async def _public(session: Session, budget: Budget, now: datetime) -> BudgetPublic:
    query = (
        select(BudgetUse)
        .where(
            BudgetUse.budget_id == budget.id,
            BudgetUse.period_start == period_start(budget.period, now),
        )
        .order_by(col(BudgetUse.spent_usd).desc(), col(BudgetUse.subject))
        .limit(MOST_SUBJECTS)
    )
    use = [
        BudgetUsePublic(
            subject=None if row.subject == ids.NIL else row.subject,
            period_start=row.period_start,
            spent_usd=row.spent_usd,
            reserved_usd=row.reserved_usd,
            **(await _burn(session, budget, row, now) if row.subject == ids.NIL else {}),
        )
        for row in await session.exec(query)
    ]
    return BudgetPublic.model_validate({**budget.model_dump(), "use": use})


async def _burn(session: Session, budget: Budget, use: BudgetUse, now: datetime) -> dict[str, Any]:
    """How quickly it is spent, and when that will have been all of it."""
    rate: Decimal = await session.sql.fetchval(_LAST_HOUR, list(MODEL_KINDS), budget.feature)
    left = budget.hard_usd - use.spent_usd - use.reserved_usd
    return {
        "usd_per_hour": rate,
        "reaches_cap_at": reaches_cap_at(left, rate, now, period_end(budget.period, now)),
    }


def _caps(budget: Budget) -> dict[str, Any]:
    return {"hard_usd": _plain(budget.hard_usd), "soft_usd": _plain(budget.soft_usd)}


def _plain(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd.normalize():f}"
