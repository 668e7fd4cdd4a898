"""Budgets on the way to a model: what a call may cost is set aside first, or it is not made."""

from frontdesk.billing import (
    Account,
    BudgetReached,
    Ceiling,
    Refusal,
    Spender,
    UnitPrices,
    Wish,
    find_accounts,
    foresee,
    reserve,
)
from frontdesk.core.resources import Resources
from frontdesk.gateway.attempts import Outcome, ProviderCall
from frontdesk.gateway.course import Course
from frontdesk.gateway.estimating import known_or_assumed, worst_usd
from frontdesk.gateway.recording import Bill
from frontdesk.gateway.routing import Tried
from frontdesk.gateway.schemas import CompletionRequest

# After its deadline an attempt is recorded within this time, also by a database that is busy.
_RECORDED_WITHIN_SECONDS = 60


async def accounts_for(resources: Resources, request: CompletionRequest) -> tuple[Account, ...]:
    """What the request is paid from; none when no budget concerns it."""
    return await find_accounts(
        resources,
        request.tenant_id,
        Spender(request.feature, request.conversation_id, request.contact_id),
    )


async def set_aside(
    resources: Resources, course: Course, call: ProviderCall, prices: UnitPrices | None
) -> Bill:
    """What the call may cost at worst, taken from the budgets that concern it.

    Raises:
        BudgetReached: it does not fit.
    """
    if not course.accounts:
        return Bill(prices)
    wish, counted_as = _wish(resources, course, call, prices)
    reservation = await reserve(
        resources,
        course.request.tenant_id,
        wish,
        seconds=call.timeout_seconds + _RECORDED_WITHIN_SECONDS,
    )
    return Bill(prices, counted_as, reservation)


async def look_ahead(
    resources: Resources, course: Course, call: ProviderCall, prices: UnitPrices | None
) -> None:
    """Whether `set_aside` would succeed now; nothing is set aside.

    Raises:
        BudgetReached: it would not fit.
    """
    if course.accounts:
        wish, _ = _wish(resources, course, call, prices)
        await foresee(resources, course.request.tenant_id, wish)


def go_thrifty(course: Course, error: BudgetReached, model: str) -> None:
    """Go on with cheaper models, or do without this one if it is of those."""
    course.refusal = error
    if course.cheaper_chain and course.may_save:
        course.is_thrifty, course.chain = True, course.cheaper_chain
    else:
        course.tried.append(Tried(model, Outcome.OVER_BUDGET))


def _wish(
    resources: Resources, course: Course, call: ProviderCall, prices: UnitPrices | None
) -> tuple[Wish, UnitPrices]:
    """What the call takes from its accounts at worst, and the prices it is counted with."""
    counted_as = known_or_assumed(prices, resources.settings.llm.unpriced_usd_per_million)
    if counted_as is None:
        raise BudgetReached(Refusal(course.accounts[0].cap, Ceiling.HARD, unpriced=call.model))
    saves = bool(course.cheaper_chain) and course.may_save
    ceiling = Ceiling.SOFT if saves else Ceiling.HARD
    return Wish(course.accounts, worst_usd(call, counted_as), ceiling), counted_as
