"""What a tenant's people and files cost, which the tenant says, and what it pays, which we say."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg

from frontdesk.billing.money_schemas import RevenueUpdate, TermsPublic, TermsUpdate
from frontdesk.core.callers import SuperAdmin
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.resources import Resources
from frontdesk.observability import audit, changes

_NONE = TermsPublic(
    human_usd_per_minute=None,
    storage_usd_per_gib_month=None,
    revenue_usd_per_month=None,
    version=0,
)


async def get_terms(tx: Transaction) -> TermsPublic:
    """What holds for the tenant from now on; what was counted before keeps its price."""
    row = await tx.sql.fetchrow("SELECT * FROM cost_terms")
    return _NONE if row is None else TermsPublic.model_validate(dict(row))


async def set_terms(
    tx: Transaction, body: TermsUpdate, *, check: Callable[[int], None], by: UUID
) -> TermsPublic:
    """Say what people and files cost.

    Args:
        check: raises when the caller does not know the present version.
    """
    before = await _get_alone(tx)
    check(before.version)
    await tx.sql.execute(
        "INSERT INTO cost_terms (human_usd_per_minute, storage_usd_per_gib_month) VALUES ($1, $2) "
        "ON CONFLICT (tenant_id) DO UPDATE SET human_usd_per_minute = $1, "
        "storage_usd_per_gib_month = $2, version = cost_terms.version + 1",
        body.human_usd_per_minute,
        body.storage_usd_per_gib_month,
    )
    return await _changed(tx, before, by)


async def set_revenue(
    resources: Resources, tenant_id: UUID, body: RevenueUpdate, *, by: SuperAdmin
) -> TermsPublic:
    """Say what a tenant pays in a month, which its margin is counted from.

    Raises:
        NotFound: no such tenant.
    """
    try:
        async with resources.db.transaction(tenant_id) as tx:
            before = await _get_alone(tx)
            await tx.sql.execute(
                "INSERT INTO cost_terms (revenue_usd_per_month) VALUES ($1) "
                "ON CONFLICT (tenant_id) DO UPDATE SET revenue_usd_per_month = $1, "
                "version = cost_terms.version + 1",
                body.revenue_usd_per_month,
            )
            return await _changed(tx, before, by.user_id)
    except asyncpg.ForeignKeyViolationError:
        raise NotFound("There is no such tenant.") from None


async def _get_alone(tx: Transaction) -> TermsPublic:
    """The terms, which nobody else changes until this transaction ends; there may be no row to lock."""
    await tx.sql.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 43))", str(tx.tenant_id)
    )
    return await get_terms(tx)


async def _changed(tx: Transaction, before: TermsPublic, by: UUID) -> TermsPublic:
    after = await get_terms(tx)
    details = changes(_plain(before), _plain(after))
    await audit(tx, "cost_terms.changed", "cost_terms", user_id=by, details=details)
    return after


def _plain(terms: TermsPublic) -> dict[str, Any]:
    return terms.model_dump(mode="json", exclude={"version"})
