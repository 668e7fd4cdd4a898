"""Invoices and what they were made of, as tenants see them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.models import BatchState
from frontdesk.core.pages import Exact, PublicSchema

_LINE: dict[str, Any] = {
    "id": "il_1SimulatedLine00",
    "description": "standard: tokens",
    "amount": "2.47",
    "quantity": 1234567,
    "period_start": "2026-03-01T00:00:00Z",
    "period_end": "2026-04-01T00:00:00Z",
    "meter": "tokens",
    "sent": 1234567,
}
_INVOICE: dict[str, Any] = {
    "id": "in_1SimulatedInvoice",
    "number": "ABC-0007",
    "status": "paid",
    "currency": "usd",
    "total": "101.47",
    "amount_due": "101.47",
    "amount_paid": "101.47",
    "created_at": "2026-04-01T01:00:00Z",
    "period_start": "2026-03-01T00:00:00Z",
    "period_end": "2026-04-01T00:00:00Z",
    "url": "https://invoice.stripe.com/i/acct_1/test_1",
    "lines": [_LINE],
}
_BATCH: dict[str, Any] = {
    "id": "0192f0aa-7777-7d11-8a55-0c0ffee00009",
    "created_at": "2026-03-02T10:03:11Z",
    "meter": "tokens",
    "hour_at": "2026-03-02T09:00:00Z",
    "entries": 412,
    "quantity": 96120,
    "value": 96120,
    "state": "sent",
    "sent_at": "2026-03-02T10:03:12Z",
    "last_error": None,
}


class InvoiceLinePublic(PublicSchema):
    """A line of an invoice."""

    id: str
    description: str | None
    amount: Exact
    quantity: int | None
    period_start: datetime
    period_end: datetime
    meter: Meter | None = Field(description="Which meter it bills; null for a monthly fee.")
    sent: int | None = Field(
        description="What was sent to that meter in the period: `meter-batches` says of what. Another "
        "number than `quantity` is a difference to look into."
    )


class InvoicePublic(PublicSchema):
    """An invoice; amounts are in whole units of its currency."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_INVOICE]})

    id: str
    number: str | None
    status: str | None = Field(description="Stripe's: draft, open, paid, uncollectible or void.")
    currency: str
    total: Exact
    amount_due: Exact
    amount_paid: Exact
    created_at: datetime
    period_start: datetime
    period_end: datetime
    url: str | None = Field(description="Where it can be looked at and paid.")
    lines: list[InvoiceLinePublic] = Field([], description="Only of an invoice read by itself.")


class BatchPublic(PublicSchema):
    """Usage of one meter in one hour, as it was told to Stripe; its id is the event's identifier."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_BATCH]})

    id: UUID
    created_at: datetime
    meter: Meter
    hour_at: datetime = Field(description="When the hour began, in UTC.")
    entries: int = Field(description="How many rows of the ledger are in it.")
    quantity: int = Field(description="Their sum; below nothing if corrections outweigh the rest.")
    value: int = Field(description="What is told to Stripe of it: never less than nothing.")
    state: BatchState
    sent_at: datetime | None
    last_error: str | None


class BatchEntryPublic(PublicSchema):
    """A row of the ledger in a batch."""

    id: UUID
    created_at: datetime
    kind: str
    source_id: str = Field(description="The model call, message or conversation it is about.")
    feature: str
    model: str
    conversation_id: UUID | None
    input_tokens: int
    output_tokens: int
    counted: int = Field(description="What of it the meter counts.")
