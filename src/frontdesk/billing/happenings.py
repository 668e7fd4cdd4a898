"""What billing tells the feed."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk.billing.book_models import Measure
from frontdesk.billing.rules import Ceiling
from frontdesk.core.pages import Exact
from frontdesk.feed import FeedPayload


class BudgetUsedUp(FeedPayload):
    """A budget is used up to its soft or its hard cap; told once per cap and period."""

    kind: ClassVar[str] = "budget.reached"

    budget_id: UUID
    subject: UUID | None = Field(description="The conversation or contact, where it is of one.")
    cap: Ceiling
    reason: str
    used_usd: Exact


class BudgetAlert(FeedPayload):
    """So much of a tenant's or feature's budget is spent; told once per share and period."""

    kind: ClassVar[str] = "budget.alerted"

    budget_id: UUID
    percent: int = Field(description="Of the hard cap: 50, 80 or 100.")
    spent_usd: Exact
    hard_usd: Exact


class UsageUnusual(FeedPayload):
    """In an hour far more was used than usual."""

    kind: ClassVar[str] = "usage.unusual"

    anomaly_id: UUID
    hour: datetime
    measure: Measure
    reason: str
