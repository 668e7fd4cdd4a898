"""What a monthly report looks like."""

from datetime import date

from pydantic import Field

from frontdesk.billing.schemas import UsageGroupPublic, UsageSums
from frontdesk.core.pages import Exact, PublicSchema


class OutcomesPublic(PublicSchema):
    """What became of the month's conversations."""

    active: int = Field(description="Conversations in which something happened.", examples=[420])
    resolutions: int = Field(description="Conversations that were closed.", examples=[380])
    by_agent: int = Field(description="Of these, no person ever had.", examples=[310])
    by_people: int = Field(description="Of these, a human agent had.", examples=[70])
    closed_by: dict[str, int] = Field(
        description="Who closed how many; `system` is silence.", examples=[{"system": 300}]
    )


class ForecastPublic(PublicSchema):
    """What the month will have come to."""

    amount_usd: Exact = Field(examples=["61.20"])
    method: str


class MonthPublic(PublicSchema):
    """What a month cost, what for, what came of it, and what is left of what is paid."""

    month: str = Field(examples=["2026-11"])
    first_day: date
    last_day: date = Field(description="Of the month, or today.")
    is_over: bool
    currency: str = "USD"
    total: UsageSums
    by_day: list[UsageGroupPublic]
    by_kind: list[UsageGroupPublic]
    by_feature: list[UsageGroupPublic]
    by_model: list[UsageGroupPublic]
    by_agent: list[UsageGroupPublic]
    by_prompt: list[UsageGroupPublic]
    by_category: list[UsageGroupPublic] = Field(description="WhatsApp's categories.")
    by_human_agent: list[UsageGroupPublic] = Field(description="Whose time, by user.")
    outcomes: OutcomesPublic
    usd_per_conversation: Exact | None = Field(
        description="All costs by active conversations; null without any."
    )
    usd_per_resolution: Exact | None = Field(
        description="All costs by resolutions: models, guards, embeddings, speech, WhatsApp, people "
        "and storage, as far as their prices are known; null without any."
    )
    revenue_usd: Exact | None = Field(description="What you pay in a month; null when not said.")
    margin_usd: Exact | None = Field(
        description="Revenue less the costs that are not billed to you by your providers."
    )
    forecast: ForecastPublic | None = Field(
        description="Null once the month is over, and on a tenant's first day: nothing to go by."
    )
