"""What the routes of corrections, prices and terms take and tell."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from frontdesk.billing.ledger import UsageKind
from frontdesk.core.pages import Exact, PublicSchema, Schema

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]
# Nine digits before the point and nine behind it, as the column holds them.
Usd = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=9)]
# More would not fit the column once it is multiplied by what was used.
Rate = Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=9)]
_ENTRY: dict[str, Any] = {
    "id": "0192f0aa-7777-7d11-8a55-0c0ffee00042",
    "created_at": "2026-11-21T09:15:04Z",
    "day": "2026-11-20",
    "kind": "llm",
    "feature": "reply",
    "model": "openai/gpt-4o-mini",
    "source_id": "correction:0192f0aa-7777-7d11-8a55-0c0ffee00042",
    "conversation_id": "0192f0aa-7777-7d11-8a55-0c0ffee00043",
    "quantity": -1,
    "input_tokens": -1840,
    "output_tokens": -96,
    "cached_input_tokens": 0,
    "reasoning_tokens": 0,
    "unit_prices": {"input_usd_per_million": "0.15", "output_usd_per_million": "0.60"},
    "amount_usd": "-0.000333600",
    "currency": "USD",
    "corrects_id": "0192f0aa-7777-7d11-8a55-0c0ffee00007",
    "note": "The provider took this call off its bill.",
}


class CorrectionCreate(Schema):
    """What an entry of the ledger should come to."""

    amount_usd: Usd | None = Field(
        None,
        description="What it should have cost, in USD; left out, it should not be there at all.",
        examples=["0.00012"],
    )
    reason: Reason = Field(examples=["The provider took this call off its bill."])


class EntryPublic(PublicSchema):
    """An entry of the ledger. Of a correction the numbers are what is added."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ENTRY]})

    id: UUID
    created_at: datetime
    day: date
    kind: UsageKind
    source_id: str = Field(description="The model call, message, handoff or file that was used.")
    feature: str
    model: str
    conversation_id: UUID | None
    quantity: int = Field(
        description="Calls, messages, seconds of speech or of people, or MiB kept for a day."
    )
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    unit_prices: dict[str, str | None] | None = Field(description="As they were then.")
    amount_usd: Exact | None = Field(description="Null when no price was known.")
    currency: str
    corrects_id: UUID | None
    note: str | None


class PricePublic(PublicSchema):
    """What a model or a WhatsApp message costs from a day on, in USD per million units."""

    model: str = Field(examples=["openai/gpt-4o-mini"])
    effective_from: datetime
    input_usd_per_million: Exact = Field(
        description="Per million input tokens; seconds of speech; or delivered messages of a "
        "`whatsapp/CATEGORY/COUNTRY`.",
        examples=["0.15"],
    )
    output_usd_per_million: Exact = Field(examples=["0.60"])
    cached_input_usd_per_million: Exact | None = Field(examples=["0.075"])
    source: str = Field(examples=["provider price list"])


class PriceSet(Schema):
    """A price from a day on; earlier usage keeps the price it was written with."""

    model: Annotated[str, StringConstraints(pattern=r"^[\w.:-]+(/[\w.:-]+)+$", max_length=200)] = (
        Field(examples=["openai/gpt-4o-mini"])
    )
    input_usd_per_million: Usd = Field(examples=["0.15"])
    output_usd_per_million: Usd = Field(Decimal(0), examples=["0.60"])
    cached_input_usd_per_million: Usd | None = Field(None, examples=["0.075"])
    effective_from: date | None = Field(
        None, description="First day (UTC); left out, from now on.", examples=["2026-12-01"]
    )
    source: Reason = Field(
        description="Where it is written.", examples=["openai.com/api/pricing, 2026-11-20"]
    )


class PriceChangePublic(PublicSchema):
    """That somebody set a price."""

    id: UUID
    created_at: datetime
    model: str
    before: dict[str, str | None] | None
    after: dict[str, str | None]
    user_id: UUID | None
    request_id: str | None


class UnpricedModel(PublicSchema):
    """Something that is used or configured and has no price now."""

    model: str
    used: int = Field(description="Entries of the last 30 days without a price.")
    configured: bool = Field(description="The deployment's settings or a tenant's routes name it.")


class TermsUpdate(Schema):
    """What your people and files cost you; null is not counted in money."""

    human_usd_per_minute: Rate | None = Field(None, examples=["0.45"])
    storage_usd_per_gib_month: Rate | None = Field(None, examples=["0.10"])


class RevenueUpdate(Schema):
    """What a tenant pays in a month; null when nobody says."""

    revenue_usd_per_month: Usd | None = Field(examples=["199"])


class TermsPublic(PublicSchema):
    """What no provider's list says."""

    human_usd_per_minute: Exact | None
    storage_usd_per_gib_month: Exact | None
    revenue_usd_per_month: Exact | None = Field(description="What the platform says you pay.")
    version: int = Field(description="Also the `ETag`; 0 while nothing was ever said.")
