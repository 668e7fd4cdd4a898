"""Stripe's own pages for a tenant's admins: the checkout, and the portal where cards are kept."""

from typing import Any
from uuid import UUID

from frontdesk.billing.stripe.accounts import customer_of, find_customer, hear
from frontdesk.billing.stripe.client import ask
from frontdesk.billing.stripe.errors import (
    AlreadySubscribed,
    NotSubscribed,
    StripeNotSetUp,
    StripeSilent,
)
from frontdesk.billing.stripe.plans import line_items
from frontdesk.billing.stripe.schemas import PagePublic, SubscriptionPublic
from frontdesk.billing.stripe.standing import ENDED, SENTENCES, Standing
from frontdesk.core.callers import Principal
from frontdesk.core.db import Session, Transaction
from frontdesk.core.resources import Resources
from frontdesk.observability import audit

_READ = """
SELECT standing, status, plan, standing_since, period_start, period_end, cancel_at_period_end
FROM stripe_account
"""


async def start_checkout(
    resources: Resources, who: Principal, plan: str, *, key: str | None
) -> PagePublic:
    """A page of Stripe's where this plan is bought; it is good for a day.

    Args:
        key: the caller's own: the same again gives the same page.

    Raises:
        AlreadySubscribed: there is a subscription that has not ended.
        NoSuchPlan: nobody offers it.
        StripeNotSetUp, StripeRefused, StripeBusy, StripeSilent: as `ask`.
    """
    _require_key(resources)
    items = await line_items(resources, plan)
    customer = await customer_of(resources, who.tenant_id)
    # The event of a subscription just bought may still be on its way.
    subscription = await hear(resources, who.tenant_id)
    if subscription is not None and subscription.status not in ENDED:
        raise AlreadySubscribed("Change or end it on the billing portal.")
    home = resources.settings.web.public_url
    wanted: Any = {
        "mode": "subscription",
        "customer": customer.id,
        "client_reference_id": str(who.tenant_id),
        "line_items": items,
        "success_url": f"{home}/?billing=paid",
        "cancel_url": f"{home}/?billing=left",
        "subscription_data": {"metadata": {"tenant_id": str(who.tenant_id)}},
    }
    options = _options(who.tenant_id, "checkout", key)
    made = await ask(resources, lambda s: s.v1.checkout.sessions.create_async(wanted, options))
    await _note(resources, who, "checkout.started", {"plan": plan})
    return _page(made.url)


async def open_portal(resources: Resources, who: Principal, *, key: str | None) -> PagePublic:
    """A page of Stripe's with the tenant's invoices, card and plan; it is good for minutes.

    Raises:
        NotSubscribed: the tenant has never been to the checkout.
        StripeNotSetUp, StripeRefused, StripeBusy, StripeSilent: as `ask`.
    """
    _require_key(resources)
    customer = await find_customer(resources, who.tenant_id)
    if customer is None:
        raise NotSubscribed("Choose a plan first.")
    wanted: Any = {"customer": customer.id, "return_url": resources.settings.web.public_url}
    options = _options(who.tenant_id, "portal", key)
    made = await ask(
        resources, lambda s: s.v1.billing_portal.sessions.create_async(wanted, options)
    )
    await _note(resources, who, "billing_portal.opened", {})
    return _page(made.url)


async def get_subscription(session: Session) -> SubscriptionPublic:
    """How the tenant stands, from what Stripe last said; none is no error."""
    row = await session.sql.fetchrow(_READ)
    if row is None:
        return SubscriptionPublic(standing=Standing.NONE, sentence=SENTENCES[Standing.NONE])
    standing = Standing(row["standing"])
    return SubscriptionPublic(**dict(row), sentence=SENTENCES[standing])


def _require_key(resources: Resources) -> None:
    if resources.settings.stripe.secret_key is None:
        raise StripeNotSetUp


def _options(tenant_id: UUID, what: str, key: str | None) -> Any:
    return {} if key is None else {"idempotency_key": f"frontdesk-{what}-{tenant_id}-{key}"}


async def _note(resources: Resources, who: Principal, action: str, details: dict[str, str]) -> None:
    """Write into the audit log who went there."""
    tx: Transaction
    async with resources.db.hot(who.tenant_id) as tx:
        await audit(
            tx,
            action,
            "stripe_account",
            who.tenant_id,
            user_id=who.user_id,
            details=details,
            request_id=who.request_id,
        )


def _page(url: str | None) -> PagePublic:
    if url is None:
        raise StripeSilent("Stripe gave no page.")
    return PagePublic(url=url)
