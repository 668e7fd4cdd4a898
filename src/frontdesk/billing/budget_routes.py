"""HTTP of budgets: set by admins, watched by whoever may see what things cost."""

from uuid import UUID

from fastapi import Response

from frontdesk.billing import budgets
from frontdesk.billing.budget_schemas import BudgetCreate, BudgetPublic, Caps
from frontdesk.billing.errors import BudgetExists, NoSuchBudget
from frontdesk.core.api import (
    IfMatch,
    Now,
    ReadsUsage,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConfig,
    problems,
    set_etag,
)
from frontdesk.core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from frontdesk.core.pages import Page, check_version

router = Router(prefix="/api/v1/budgets", tags=["budgets"])


@router.get("", summary="List budgets", responses=problems(Forbidden))
async def list_budgets(who: ReadsUsage, session: TenantSession, now: Now) -> Page[BudgetPublic]:
    """Every budget with what has been spent and is set aside of it, as of now; always one page."""
    return Page(items=await budgets.list_budgets(session, now=now))


@router.post(
    "", status_code=201, summary="Make a budget", responses=problems(Forbidden, BudgetExists)
)
async def create_budget(
    body: BudgetCreate,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
    now: Now,
    response: Response,
) -> BudgetPublic:
    """Limit what models may cost; in force within two seconds.

    At the soft cap calls go to the cheaper models; at the hard one the agent answers from
    knowledge alone where that is enough, and else a person gets the conversation.
    """
    budget = await budgets.create_budget(session, resources, body, by=who.user_id, now=now)
    set_etag(response, budget.version)
    return budget


@router.get("/{budget_id}", summary="Read a budget", responses=problems(Forbidden, NoSuchBudget))
async def get_budget(
    budget_id: UUID, who: ReadsUsage, session: TenantSession, now: Now, response: Response
) -> BudgetPublic:
    """One budget and how it burns; its version is the `ETag`."""
    budget = await budgets.get_budget(session, budget_id, now=now)
    set_etag(response, budget.version)
    return budget


@router.put(
    "/{budget_id}",
    summary="Change a budget's caps",
    responses=problems(Forbidden, NoSuchBudget, PreconditionFailed, PreconditionRequired),
)
async def change_budget(
    budget_id: UUID,
    body: Caps,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> BudgetPublic:
    """Raise or lower the caps; what was spent stays. `If-Match` carries the `ETag` you read."""
    budget = await budgets.change_budget(
        session,
        resources,
        budget_id,
        body,
        check=lambda version: check_version(if_match, version),
        by=who.user_id,
        now=now,
    )
    set_etag(response, budget.version)
    return budget


@router.delete(
    "/{budget_id}",
    status_code=204,
    summary="Remove a budget",
    responses=problems(Forbidden, NoSuchBudget),
)
async def remove_budget(
    budget_id: UUID, who: WritesConfig, session: TenantSession, resources: ResourcesDep
) -> None:
    """Limit nothing by it any more."""
    await budgets.remove_budget(session, resources, budget_id, by=who.user_id)
