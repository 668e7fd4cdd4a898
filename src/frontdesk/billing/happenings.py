"""What billing tells the feed."""

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk.billing.rules import Ceiling
from frontdesk.feed import FeedPayload


class BudgetUsedUp(FeedPayload):
    """A budget is used up to its soft or its hard cap; told once per cap and period."""

    kind: ClassVar[str] = "budget.reached"

    budget_id: UUID
    subject: UUID | None = Field(description="The conversation or contact, where it is of one.")
    cap: Ceiling
    reason: str
    used_usd: Decimal
