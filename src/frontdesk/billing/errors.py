"""Errors billing raises."""

from decimal import Decimal

from frontdesk.billing.rules import BudgetPeriod, BudgetScope, Cap, Ceiling, Refusal
from frontdesk.core import ids
from frontdesk.core.errors import Conflict, FrontdeskError, NotFound


class NoSuchBudget(NotFound):
    """The tenant has no such budget."""

    code, title = "no_such_budget", "There is no such budget"


class BudgetExists(Conflict):
    """There is a budget of this scope and period already; change that one."""

    code, title = "budget_exists", "There is such a budget already"


class NoSuchEntry(NotFound):
    """The tenant's ledger has no such entry, or it is a correction itself."""

    code, title = "no_such_entry", "There is no such entry"


class NothingToCorrect(Conflict):
    """The entry, with its corrections, comes to that already."""

    code, title = "nothing_to_correct", "The entry comes to that already"


class NoSuchAnomaly(NotFound):
    """The tenant has no such unusual hour."""

    code, title = "no_such_anomaly", "There is no such unusual hour"


class BudgetReached(FrontdeskError):
    """A call does not fit a budget any more; it was not made."""

    status, code, title = 402, "budget_reached", "A budget is used up"

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence, budget_id=str(refusal.cap.id), cap=refusal.ceiling)
        self.refusal = refusal


class SubscriptionUnpaid(BudgetReached):
    """The tenant's subscription is unpaid or over: no model is asked for it, as if nothing were left."""

    code, title = "subscription_unpaid", "The subscription is unpaid"

    def __init__(self) -> None:
        nothing = Cap(ids.NIL, BudgetScope.TENANT, BudgetPeriod.TOTAL, hard_usd=Decimal(0))
        super().__init__(Refusal(nothing, Ceiling.HARD, unpaid=True))
