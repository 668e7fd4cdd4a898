"""HTTP of billing through Stripe: Stripe's webhook, and what a tenant's admins do about paying."""

import time
from typing import Annotated
from uuid import UUID

from fastapi import Header, Path, Query, Request, Response
from pydantic import AwareDatetime
from starlette.background import BackgroundTask

from frontdesk.billing.stripe import checkout, events, invoices
from frontdesk.billing.stripe.errors import (
    AlreadySubscribed,
    NoSuchBatch,
    NoSuchInvoice,
    NoSuchPlan,
    NotSubscribed,
    StripeNotSetUp,
    StripeRefused,
)
from frontdesk.billing.stripe.invoice_schemas import (
    BatchEntryPublic,
    BatchPublic,
    InvoicePublic,
)
from frontdesk.billing.stripe.meters import Meter
from frontdesk.billing.stripe.schemas import CheckoutCreate, PagePublic, SubscriptionPublic
from frontdesk.billing.stripe.signature import is_signed
from frontdesk.core.api import (
    PUBLIC,
    AdminOnly,
    Cursor,
    Limit,
    ReadsUsage,
    ResourcesDep,
    Router,
    TenantSession,
    problems,
)
from frontdesk.core.callers import resources_of
from frontdesk.core.errors import Forbidden, Invalid, NotFound, TooLarge, Unauthenticated
from frontdesk.core.pages import Page
from frontdesk.core.webhooks import read_capped, refuse_unsigned

# Stripe's largest events are invoices with a hundred lines; the rest of those is not sent along.
MOST_BYTES = 512 * 1024

webhook = Router(prefix="/webhooks", tags=["webhooks"], dependencies=[PUBLIC])
api = Router(prefix="/api/v1/billing", tags=["billing"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=100,
        description="Your own key for this request: the same key again gives the same page.",
    ),
]

InvoiceId = Annotated[
    str, Path(pattern=r"^in_[A-Za-z0-9]{8,80}$", examples=["in_1SimulatedInvoice"])
]


@webhook.post(
    "/stripe",
    summary="Take an event from Stripe",
    response_class=Response,
    responses=problems(Unauthenticated, TooLarge, NotFound),
)
async def accept_stripe_event(request: Request) -> Response:
    """Keep that the event came and answer 200; a worker asks Stripe what is so now.

    The signature is checked over the raw bytes, with the time in it. An event that came before is
    answered 200 and changes nothing.
    """
    resources = resources_of(request)
    secrets = [
        secret.get_secret_value().encode() for secret in resources.settings.stripe.webhook_secrets
    ]
    if not secrets:
        raise NotFound
    body = await read_capped(request, MOST_BYTES)
    given = request.headers.getlist("stripe-signature")
    header = given[0] if len(given) == 1 else None
    if not is_signed(body, header, secrets, now=time.time()):
        await refuse_unsigned(request)
    told = events.read_event(body)
    if told is None:
        raise Invalid("This is no event.")
    stored = await events.store(resources, told)
    resources.metrics.webhooks.labels("accepted").inc()
    if stored is None:
        return Response(status_code=200)
    return Response(status_code=200, background=BackgroundTask(events.ring, resources, stored))


@api.post(
    "/checkout",
    status_code=201,
    summary="Buy a plan",
    responses=problems(Forbidden, StripeNotSetUp, NoSuchPlan, AlreadySubscribed, StripeRefused),
)
async def start_checkout(
    body: CheckoutCreate, who: AdminOnly, resources: ResourcesDep, key: Key = None
) -> PagePublic:
    """A page of Stripe's where the plan is paid for: send the browser there.

    What was bought counts as soon as Stripe has told of it, a moment after the page is left.
    """
    return await checkout.start_checkout(resources, who, body.plan, key=key)


@api.post(
    "/portal",
    status_code=201,
    summary="Open the billing portal",
    responses=problems(Forbidden, StripeNotSetUp, NotSubscribed, StripeRefused),
)
async def open_billing_portal(
    who: AdminOnly, resources: ResourcesDep, key: Key = None
) -> PagePublic:
    """A page of Stripe's with invoices, card and plan: send the browser there within minutes."""
    return await checkout.open_portal(resources, who, key=key)


@api.get("/subscription", summary="Read the subscription", responses=problems(Forbidden))
async def get_subscription(who: ReadsUsage, session: TenantSession) -> SubscriptionPublic:
    """How the tenant stands with its payments, as Stripe last said; show the sentence when it is
    `warned` or `stopped`."""
    return await checkout.get_subscription(session)


@api.get(
    "/invoices",
    summary="List invoices",
    responses=problems(Forbidden, StripeNotSetUp, StripeRefused),
)
async def list_invoices(
    who: ReadsUsage, resources: ResourcesDep, limit: Limit = 25, cursor: Cursor = None
) -> Page[InvoicePublic]:
    """The tenant's invoices at Stripe, newest first, without their lines."""
    return await invoices.list_invoices(resources, who.tenant_id, limit=limit, cursor=cursor)


@api.get(
    "/invoices/{invoice_id}",
    summary="Read an invoice",
    responses=problems(Forbidden, NoSuchInvoice, StripeNotSetUp, StripeRefused),
)
async def get_invoice(
    invoice_id: InvoiceId, who: ReadsUsage, resources: ResourcesDep
) -> InvoicePublic:
    """One invoice with its lines, each beside what was sent to its meter in its period."""
    return await invoices.get_invoice(resources, who.tenant_id, invoice_id)


@api.get("/meter-batches", summary="List metered usage", responses=problems(Forbidden))
async def list_meter_batches(
    *,
    who: ReadsUsage,
    session: TenantSession,
    meter: Meter | None = None,
    start: Annotated[
        AwareDatetime | None, Query(alias="from", description="A line's `period_start`.")
    ] = None,
    end: Annotated[
        AwareDatetime | None, Query(alias="to", description="A line's `period_end`, not included.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BatchPublic]:
    """What was told to Stripe, an event for each hour and meter, newest first: what an invoice's line
    adds up."""
    return await invoices.list_batches(
        session, meter=meter, start=start, end=end, limit=limit, cursor=cursor
    )


@api.get(
    "/meter-batches/{batch_id}/entries",
    summary="List what a batch is made of",
    responses=problems(Forbidden, NoSuchBatch),
)
async def list_batch_entries(
    batch_id: UUID,
    who: ReadsUsage,
    session: TenantSession,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BatchEntryPublic]:
    """The rows of the ledger in a batch, oldest first: the model calls, messages and conversations."""
    return await invoices.list_batch_entries(session, batch_id, limit=limit, cursor=cursor)


router = Router(
    routes=[
        *webhook.routes,
        *api.routes,
    ]
)
