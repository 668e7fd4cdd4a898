"""A tenant as Stripe's customer: made at first need, and kept as Stripe says it stands.

Stripe's events come late, twice, in any order or never. So nothing in them is believed but that
something happened: what is so now is asked, and only the last who asked writes it down.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from frontdesk import feed, identity
from frontdesk.billing.reservations import BudgetBook
from frontdesk.billing.stripe.client import ask
from frontdesk.billing.stripe.happenings import SubscriptionChanged
from frontdesk.billing.stripe.plans import BASE
from frontdesk.billing.stripe.standing import (
    ENDED,
    SENTENCES,
    Standing,
    Subscription,
    standing_of,
    the_one_that_counts,
)
from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.observability import audit

if TYPE_CHECKING:
    import stripe

log = structlog.get_logger(__name__)

ACCOUNT = "billing.stripe_account"

# Whichever index has the other's row first: with one of them named, the other one raises.
_INSERT = "INSERT INTO stripe_account (customer_id) VALUES ($1) ON CONFLICT DO NOTHING"
_ASK = "UPDATE stripe_account SET asked = asked + 1 RETURNING customer_id, asked"
# Metering begins with the first hour of the first subscription, and goes on from where it was; what
# was used between one that ended and the next is nobody's.
_HEAR = """
UPDATE stripe_account a SET subscription_id = $2::text, status = $3::text, plan = coalesce($4, a.plan),
    standing = $5::text, period_start = $6, period_end = $7, cancel_at_period_end = $8, heard_at = now(),
    standing_since = CASE WHEN a.standing = $5::text THEN a.standing_since ELSE now() END,
    metered_from = CASE WHEN a.metered_from IS NULL
        OR a.status = ANY ($10::text[]) AND $3::text <> ALL ($10::text[])
        THEN date_trunc('hour', $9::timestamptz, 'UTC') ELSE a.metered_from END,
    metered_until = coalesce(a.metered_until, date_trunc('hour', $9::timestamptz, 'UTC')),
    due_at = CASE WHEN $2::text IS NOT NULL AND a.metered_from IS NULL THEN now() ELSE a.due_at END
FROM (SELECT standing FROM stripe_account FOR UPDATE) before
WHERE a.asked = $1
RETURNING before.standing AS before, a.plan, a.suspended_at, a.status
"""


@dataclass(frozen=True)
class Customer:
    """A tenant at Stripe."""

    tenant_id: UUID
    id: str


async def find_customer(resources: Resources, tenant_id: UUID) -> Customer | None:
    """The tenant as Stripe's customer, if it ever needed to be one."""
    async with resources.db.hot(tenant_id) as tx:
        found = await tx.sql.fetchval("SELECT customer_id FROM stripe_account")
    return None if found is None else Customer(tenant_id, found)


async def customer_of(resources: Resources, tenant_id: UUID) -> Customer:
    """The tenant as Stripe's customer, made now if it is none yet.

    Two who need it at once make one: Stripe gives both the same for one idempotency key. A process
    that ends between the two writes finds that one again for a day; after that an empty customer
    is left behind at Stripe, which is charged nothing.

    Raises:
        StripeNotSetUp, StripeRefused, StripeBusy, StripeSilent: as `ask`.
    """
    found = await find_customer(resources, tenant_id)
    if found is not None:
        return found
    async with resources.db.hot(tenant_id) as tx:
        name: str = await tx.sql.fetchval("SELECT name FROM tenant")
    about: Any = {"name": name, "metadata": {"tenant_id": str(tenant_id)}}
    key = f"frontdesk-customer-{tenant_id}"
    made = await ask(
        resources, lambda s: s.v1.customers.create_async(about, {"idempotency_key": key})
    )
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(_INSERT, made.id)
        tx.ring(ACCOUNT, tenant_id)
    kept = await find_customer(resources, tenant_id)
    assert kept is not None
    return kept


async def hear(resources: Resources, tenant_id: UUID) -> Subscription | None:
    """Ask Stripe how a tenant stands and let it be so here. Safe to repeat, and by many at once.

    Returns the subscription that counts, as Stripe says: when somebody has asked since, it is theirs
    to write down, and may not be here yet.

    Raises:
        StripeRefused, StripeBusy, StripeSilent: as `ask`; nothing has changed here.
    """
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_ASK)
    if row is None:
        return None
    customer_id: str = row["customer_id"]
    found = await ask(
        resources,
        lambda s: s.v1.subscriptions.list_async(
            {"customer": customer_id, "status": "all", "limit": 100}
        ),
    )
    subscription = the_one_that_counts(map(_read, found.data))
    async with resources.db.hot(tenant_id) as tx:
        heard = await _write(resources, tx, row["asked"], subscription)
    if heard is None:
        log.info("stripe_answer_overtaken", tenant_id=str(tenant_id))
    else:
        await _let_be_so(resources, tenant_id, heard)
    return subscription


@dataclass(frozen=True)
class _Heard:
    """How the tenant stands as of now."""

    standing: Standing
    plan: str | None
    was_suspended: bool


async def _write(
    resources: Resources, tx: Transaction, asked: int, subscription: Subscription | None
) -> _Heard | None:
    """Write down what was heard, unless somebody has asked since; tell when it is something new."""
    standing = standing_of(subscription)
    row = await tx.sql.fetchrow(
        _HEAR,
        asked,
        subscription and subscription.id,
        subscription and subscription.status,
        subscription and subscription.plan,
        standing.value,
        subscription and subscription.period_start,
        subscription and subscription.period_end,
        bool(subscription and subscription.cancel_at_period_end),
        subscription and subscription.created,
        list(ENDED),
    )
    if row is None:
        return None
    before = Standing(row["before"])
    if before is not standing:
        resources.keep(BudgetBook).forget_after_commit(tx)
        await audit(
            tx,
            "subscription.changed",
            "stripe_account",
            tx.tenant_id,
            details={"standing": [before, standing], "status": row["status"], "plan": row["plan"]},
        )
        told = SubscriptionChanged(
            standing=standing,
            before=before,
            status=row["status"],
            plan=row["plan"],
            sentence=SENTENCES[standing],
        )
        feed.tell(tx, told, feed.Audience.ADMINS)
    return _Heard(standing, row["plan"], row["suspended_at"] is not None)


async def _let_be_so(resources: Resources, tenant_id: UUID, heard: _Heard) -> None:
    """Give the tenant what its plan allows, and serve it again if only payment was missing."""
    plan = resources.settings.stripe.plans.get(heard.plan or "")
    if plan is not None and heard.plan is not None and heard.standing is not Standing.STOPPED:
        limits = identity.PlanTerms(
            max_users=plan.max_users,
            max_channels=plan.max_channels,
            max_agents=plan.max_agents,
            max_conversations_at_once=plan.max_conversations_at_once,
        )
        await identity.set_plan(resources, tenant_id, heard.plan, limits)
    if heard.was_suspended and heard.standing is not Standing.STOPPED:
        await identity.resume_paid(resources, tenant_id)
        async with resources.db.hot(tenant_id) as tx:
            await tx.sql.execute("UPDATE stripe_account SET suspended_at = NULL")


def _read(found: "stripe.Subscription") -> Subscription:
    told: dict[str, Any] = found.to_dict()
    items = told["items"]["data"]
    bases = [
        item["price"]["metadata"]["plan"]
        for item in items
        if item["price"]["metadata"].get("part") == BASE
    ]
    # Since 2025 periods are those of a subscription's items; ours all have the same.
    periods = [(item["current_period_start"], item["current_period_end"]) for item in items]
    start, end = max(periods, default=(None, None))
    return Subscription(
        id=told["id"],
        status=told["status"],
        created=datetime.fromtimestamp(told["created"], UTC),
        plan=bases[0] if bases else None,
        period_start=None if start is None else datetime.fromtimestamp(start, UTC),
        period_end=None if end is None else datetime.fromtimestamp(end, UTC),
        cancel_at_period_end=bool(told["cancel_at_period_end"]),
    )
