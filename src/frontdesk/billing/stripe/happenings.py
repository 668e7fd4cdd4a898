"""What billing through Stripe tells the feed."""

from datetime import date
from typing import ClassVar

from pydantic import Field

from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.standing import Standing
from frontdesk.feed import FeedPayload


class SubscriptionChanged(FeedPayload):
    """How the tenant stands with its payments has changed."""

    kind: ClassVar[str] = "subscription.changed"

    standing: Standing
    before: Standing
    status: str | None = Field(description="Stripe's word for the subscription's state.")
    plan: str | None
    sentence: str = Field(description="The same for people, to be shown as it is.")


class UsageDiffers(FeedPayload):
    """Stripe counted another usage of a day than was sent to it; told once for each pair of numbers."""

    kind: ClassVar[str] = "usage.differed"

    day: date = Field(description="In UTC.")
    meter: Meter
    ours: int
    theirs: int
