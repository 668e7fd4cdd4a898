"""HTTP of money for the platform: prices, corrections of the ledger, and what tenants pay."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.billing import corrections, price_list, terms
from frontdesk.billing.errors import NoSuchEntry, NothingToCorrect
from frontdesk.billing.money_schemas import (
    CorrectionCreate,
    EntryPublic,
    PricePublic,
    PriceSet,
    RevenueUpdate,
    TermsPublic,
    UnpricedModel,
)
from frontdesk.core.api import ResourcesDep, Router, SuperAdminOnly, problems
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page

prices = Router(prefix="/api/v1/prices", tags=["prices"])
tenants = Router(prefix="/api/v1/tenants/{tenant_id}", tags=["tenants"])


@prices.get("", summary="List prices", responses=problems(Forbidden))
async def list_prices(
    who: SuperAdminOnly,
    resources: ResourcesDep,
    history: Annotated[bool, Query(description="Also prices that no longer hold.")] = False,
) -> Page[PricePublic]:
    """What each model and WhatsApp message costs, since when, and where that is written; one page."""
    return Page(items=await price_list.list_prices(resources, history=history))


@prices.post("", status_code=201, summary="Set a price", responses=problems(Forbidden))
async def set_price(body: PriceSet, who: SuperAdminOnly, resources: ResourcesDep) -> PricePublic:
    """A price from a day on, known to every process within a minute. The ledger stays as it is."""
    return await price_list.set_price(resources, body, by=who.user_id)


@prices.get("/unpriced", summary="List what has no price", responses=problems(Forbidden))
async def list_unpriced(who: SuperAdminOnly, resources: ResourcesDep) -> Page[UnpricedModel]:
    """Models that are used or configured and have no price now; always one page."""
    return Page(items=await price_list.list_unpriced(resources))


@tenants.post(
    "/usage-entries/{entry_id}/corrections",
    status_code=201,
    summary="Correct an entry of the ledger",
    responses=problems(Forbidden, NoSuchEntry, NothingToCorrect),
)
async def correct_usage(
    tenant_id: UUID,
    entry_id: UUID,
    body: CorrectionCreate,
    who: SuperAdminOnly,
    resources: ResourcesDep,
) -> EntryPublic:
    """Add what makes it come to the amount, or take it back whole; the tenant reads why in its
    audit log. What was written stays."""
    return await corrections.correct(resources, tenant_id, entry_id, body, by=who)


@tenants.put("/revenue", summary="Say what a tenant pays", responses=problems(Forbidden, NotFound))
async def set_revenue(
    tenant_id: UUID, body: RevenueUpdate, who: SuperAdminOnly, resources: ResourcesDep
) -> TermsPublic:
    """In a month, in USD; the tenant's margin is counted from it."""
    return await terms.set_revenue(resources, tenant_id, body, by=who)
