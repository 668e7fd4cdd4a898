"""What the routes of budgets take and tell."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from frontdesk.billing.rules import BudgetPeriod, BudgetScope
from frontdesk.core.pages import Exact, PublicSchema, Schema

FeatureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
# What the column holds: nine digits before the point and nine behind it.
Amount = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=9)]
AT_THE_CAP = (
    "No model is called that might cost more than is left. At the soft cap calls go to the cheaper "
    "models, where such are configured. At the hard cap the agent answers word for word from "
    "knowledge where that is enough, and else a person gets the conversation; programs get 402 "
    "`budget_reached`. Admins are told at 50, 80 and 100 percent. It goes on with the next period, "
    "or with a higher cap, within two seconds."
)
_BUDGET: dict[str, Any] = {
    "id": "0192f0aa-7777-7d11-8a55-0c0ffee00007",
    "created_at": "2026-03-02T09:15:04Z",
    "version": 1,
    "scope": "tenant",
    "feature": None,
    "period": "month",
    "soft_usd": "40",
    "hard_usd": "50",
    "at_the_cap": AT_THE_CAP,
    "use": [
        {
            "subject": None,
            "period_start": "2026-03-01",
            "spent_usd": "12.400310000",
            "reserved_usd": "0.000912000",
            "usd_per_hour": "0.210000000",
            "reaches_cap_at": "2026-03-10T01:20:00Z",
        }
    ],
}


class Caps(Schema):
    """How much may be spent."""

    hard_usd: Amount = Field(
        description="Never exceeded: what each call may cost at worst is set aside before it.",
        examples=["50"],
    )
    soft_usd: Amount | None = Field(
        None,
        description="From here on calls go to the cheaper models, where such are configured.",
        examples=["40"],
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.soft_usd is not None and self.soft_usd > self.hard_usd:
            raise ValueError("soft_usd must not be more than hard_usd")
        return self


class BudgetCreate(Caps):
    """A new budget; there is one for each scope, feature and period."""

    scope: BudgetScope = Field(
        description="Whose spending it limits; each conversation or contact has all of it to itself."
    )
    feature: FeatureName | None = Field(
        None, description="With the scope `feature`: which one.", examples=["reply"]
    )
    period: BudgetPeriod = Field(description="When it begins anew (UTC); `total` never does.")

    @model_validator(mode="after")
    def _names_its_feature(self) -> Self:
        if (self.scope is BudgetScope.FEATURE) != (self.feature is not None):
            raise ValueError("a feature goes with the scope `feature`, and only with that")
        return self


class BudgetUsePublic(PublicSchema):
    """What one subject has used of a budget in the present period."""

    subject: UUID | None = Field(description="The conversation or contact; null is all of them.")
    period_start: date
    spent_usd: Exact
    reserved_usd: Exact = Field(description="Set aside for calls in flight.")
    usd_per_hour: Exact | None = Field(
        None, description="Spent in the last hour; null for a conversation's or contact's share."
    )
    reaches_cap_at: datetime | None = Field(
        None,
        description="When the hard cap is reached if it goes on like in the last hour; null when "
        "that is not in this period.",
    )


class BudgetPublic(PublicSchema):
    """A budget, and how it burns."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_BUDGET]})

    id: UUID
    created_at: datetime
    version: int
    scope: BudgetScope
    feature: str | None
    period: BudgetPeriod
    soft_usd: Exact | None
    hard_usd: Exact
    at_the_cap: str = Field(AT_THE_CAP, description="What happens when it is used up, in words.")
    use: list[BudgetUsePublic] = Field(
        description="In the present period; of conversations or contacts the five that used most."
    )
