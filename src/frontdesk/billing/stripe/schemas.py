"""What billing through Stripe takes and tells over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from frontdesk.billing.stripe.standing import Standing
from frontdesk.core.pages import PublicSchema, Schema

PlanKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,40}$")]

_SUBSCRIPTION: dict[str, Any] = {
    "standing": "warned",
    "sentence": "A payment failed. Everything works for now: renew the card or pay the invoice on the "
    "billing portal.",
    "status": "past_due",
    "plan": "standard",
    "standing_since": "2026-03-02T09:15:04Z",
    "period_start": "2026-03-01T00:00:00Z",
    "period_end": "2026-04-01T00:00:00Z",
    "cancel_at_period_end": False,
}


class CheckoutCreate(Schema):
    """Which plan is to be bought."""

    plan: PlanKey = Field(examples=["standard"])


class PagePublic(PublicSchema):
    """A page of Stripe's to send the browser to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://checkout.stripe.com/c/pay/cs_test_a1"}]}
    )

    url: str


class SubscriptionPublic(PublicSchema):
    """How the tenant stands with its payments."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SUBSCRIPTION]})

    standing: Standing = Field(
        description="`warned`: show the sentence as a banner. `stopped`: the AI asks no model; people "
        "go on. `none`: there is no subscription, and nothing is limited by that."
    )
    sentence: str = Field(description="The same for people, to be shown as it is.")
    status: str | None = Field(None, description="Stripe's word for it.")
    plan: str | None = None
    standing_since: datetime | None = None
    period_start: datetime | None = None
    period_end: datetime | None = Field(None, description="When the next invoice is made.")
    cancel_at_period_end: bool = False
