"""From an invoice of Stripe's down to the rows of the ledger it was made of. Amounts are Stripe's."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.billing.models import UsageEntry
from frontdesk.billing.stripe.accounts import find_customer
from frontdesk.billing.stripe.client import ask
from frontdesk.billing.stripe.errors import NoSuchBatch, NoSuchInvoice, StripeRefused
from frontdesk.billing.stripe.invoice_schemas import (
    BatchEntryPublic,
    BatchPublic,
    InvoiceLinePublic,
    InvoicePublic,
)
from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.models import StripeBatch, StripeBatchEntry
from frontdesk.core.db import Session
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor, newest_page
from frontdesk.core.resources import Resources

_METERED = """
SELECT coalesce(sum(value), 0)::bigint FROM stripe_batch
WHERE meter = $1 AND hour_at >= $2 AND hour_at < $3 AND state = 'sent'
"""


async def list_invoices(
    resources: Resources, tenant_id: UUID, *, limit: int, cursor: str | None
) -> Page[InvoicePublic]:
    """The tenant's invoices, newest first, without their lines; none before it ever bought anything.

    Raises:
        Invalid: the cursor is none of ours.
        StripeNotSetUp, StripeRefused, StripeBusy, StripeSilent: as `ask`.
    """
    after = decode_cursor(cursor, 1)
    customer = await find_customer(resources, tenant_id)
    if customer is None:
        return Page(items=[])
    wanted: Any = {"customer": customer.id, "limit": limit}
    if after:
        wanted["starting_after"] = str(after[0])
    found = await ask(resources, lambda s: s.v1.invoices.list_async(wanted))
    items = [_invoice(each.to_dict()) for each in found.data]
    more = found.has_more and items
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


async def get_invoice(resources: Resources, tenant_id: UUID, invoice_id: str) -> InvoicePublic:
    """One invoice with its lines; beside what Stripe billed of a meter stands what was sent to it.

    Raises:
        NoSuchInvoice: there is none of that id, or it is another customer's.
        StripeNotSetUp, StripeBusy, StripeSilent: as `ask`.
    """
    customer = await find_customer(resources, tenant_id)
    if customer is None:
        raise NoSuchInvoice
    try:
        found = await ask(resources, lambda s: s.v1.invoices.retrieve_async(invoice_id))
        told = found.to_dict()
        if told["customer"] != customer.id:
            raise NoSuchInvoice
        lines = await ask(
            resources, lambda s: s.v1.invoices.line_items.list_async(invoice_id, {"limit": 100})
        )
    except StripeRefused as refused:
        if refused.status_code == 404:
            raise NoSuchInvoice from refused
        raise
    shown = [await _line(resources, tenant_id, line.to_dict()) for line in lines.data]
    return _invoice(told).model_copy(update={"lines": shown})


async def list_batches(
    session: Session,
    *,
    meter: Meter | None,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page[BatchPublic]:
    """Batches of metered usage, newest first: of a meter, and of hours that begin in the span."""
    query = select(StripeBatch)
    if meter is not None:
        query = query.where(StripeBatch.meter == meter.value)
    if start is not None:
        query = query.where(StripeBatch.hour_at >= start)
    if end is not None:
        query = query.where(StripeBatch.hour_at < end)
    return await newest_page(
        session,
        query,
        col(StripeBatch.id),
        BatchPublic.model_validate,
        limit=limit,
        cursor=cursor,
    )


async def list_batch_entries(
    session: Session, batch_id: UUID, *, limit: int, cursor: str | None
) -> Page[BatchEntryPublic]:
    """The rows of the ledger in a batch, oldest first.

    Raises:
        NoSuchBatch: the tenant has none of that id.
    """
    if await session.get(StripeBatch, (session.tenant_id, batch_id)) is None:
        raise NoSuchBatch
    values = decode_cursor(cursor, 1)
    query = (
        select(StripeBatchEntry.quantity, UsageEntry)
        .join(UsageEntry, col(UsageEntry.id) == StripeBatchEntry.entry_id)
        .where(StripeBatchEntry.batch_id == batch_id)
        .order_by(col(StripeBatchEntry.entry_id))
        .limit(limit + 1)
    )
    if values:
        query = query.where(StripeBatchEntry.entry_id > cursor_uuid(values[0]))
    rows = (await session.exec(query)).all()
    items = [
        BatchEntryPublic.model_validate({**entry.model_dump(), "counted": counted})
        for counted, entry in rows[:limit]
    ]
    more = len(rows) > limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


def _invoice(told: Mapping[str, Any]) -> InvoicePublic:
    return InvoicePublic(
        id=told["id"],
        number=told["number"],
        status=told["status"],
        currency=told["currency"],
        total=_amount(told["total"]),
        amount_due=_amount(told["amount_due"]),
        amount_paid=_amount(told["amount_paid"]),
        created_at=_moment(told["created"]),
        period_start=_moment(told["period_start"]),
        period_end=_moment(told["period_end"]),
        url=told.get("hosted_invoice_url"),
    )


async def _line(
    resources: Resources, tenant_id: UUID, told: Mapping[str, Any]
) -> InvoiceLinePublic:
    start, end = _moment(told["period"]["start"]), _moment(told["period"]["end"])
    price_id = ((told.get("pricing") or {}).get("price_details") or {}).get("price")
    meter = None if price_id is None else await _meter_of(resources, price_id)
    sent = None
    if meter is not None:
        async with resources.db.hot(tenant_id) as tx:
            sent = await tx.sql.fetchval(_METERED, meter.value, start, end)
    return InvoiceLinePublic(
        id=told["id"],
        description=told["description"],
        amount=_amount(told["amount"]),
        quantity=told["quantity"],
        period_start=start,
        period_end=end,
        meter=meter,
        sent=sent,
    )


async def _meter_of(resources: Resources, price_id: str) -> Meter | None:
    price = await ask(resources, lambda s: s.v1.prices.retrieve_async(price_id))
    part = price.to_dict()["metadata"].get("part")
    return Meter(part) if part in list(Meter) else None


def _amount(cents: int) -> Decimal:
    return Decimal(cents) / 100


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
