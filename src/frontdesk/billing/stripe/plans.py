"""The plans as Stripe has them: `set_up` makes its products, meters and prices what the settings say.

Everything is found again by a name of ours (a product's id, a meter's event name, a price's lookup
key), so setting up twice changes nothing. A price never changes at Stripe: another amount is another
price, which takes over the lookup key; whoever bought the old one keeps it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from frontdesk.billing.stripe.client import ask
from frontdesk.billing.stripe.errors import NoSuchPlan, StripeRefused
from frontdesk.billing.stripe.meters import Meter
from frontdesk.core.resources import Resources
from frontdesk.core.settings import PlanSettings

if TYPE_CHECKING:
    from stripe import Price, StripeClient

BASE = "base"
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class PriceWanted:
    """A price that a plan has: its monthly fee, or what a unit of a meter costs."""

    plan: str
    part: str
    cents: Decimal
    meter: Meter | None = None

    @property
    def lookup_key(self) -> str:
        """The name under which Stripe finds it."""
        return f"frontdesk:{self.plan}:{self.part}"


@dataclass(frozen=True)
class Change:
    """One thing that `set_up` found, made or changed."""

    what: str
    name: str
    outcome: str
    """`made`, `kept` or `replaced`."""


def prices_of(name: str, plan: PlanSettings) -> Iterator[PriceWanted]:
    """The prices of a plan; a meter that costs nothing has one too, so that it is on the invoice."""
    yield PriceWanted(name, BASE, plan.monthly_usd * 100)
    units = {
        Meter.TOKENS: plan.usd_per_million_tokens / _MILLION,
        Meter.MESSAGES: plan.usd_per_message,
        Meter.RESOLUTIONS: plan.usd_per_resolution,
    }
    for meter, usd in units.items():
        yield PriceWanted(name, meter.value, usd * 100, meter)


async def set_up(resources: Resources) -> list[Change]:
    """Make Stripe's catalogue what the settings say; safe to run again, and by two at once.

    Raises:
        NoSuchPlan: the settings name no plan.
        StripeRefused, StripeBusy, StripeSilent: what was done so far stays; run it again.
    """
    plans = resources.settings.stripe.plans
    if not plans:
        raise NoSuchPlan("Name a plan first: STRIPE__PLANS__standard__MONTHLY_USD=99, for example.")
    changes = []
    meters = await find_meters(resources)
    for meter in Meter:
        changes.append(Change("meter", meter.event_name, "kept" if meter in meters else "made"))
        if meter not in meters:
            meters[meter] = await _make_meter(resources, meter)
    for name, plan in plans.items():
        product, is_new = await _product(resources, name)
        changes.append(Change("product", product, "made" if is_new else "kept"))
        for wanted in prices_of(name, plan):
            outcome = await _price(resources, product, wanted, meters)
            changes.append(Change("price", wanted.lookup_key, outcome))
    return changes


async def find_meters(resources: Resources) -> dict[Meter, str]:
    """The ids of our meters at Stripe; those that are not set up are not there."""
    found = await ask(
        resources, lambda s: s.v1.billing.meters.list_async({"status": "active", "limit": 100})
    )
    ours = {meter.event_name: meter for meter in Meter}
    return {ours[each.event_name]: each.id for each in found.data if each.event_name in ours}


async def line_items(resources: Resources, plan: str) -> list[dict[str, Any]]:
    """What a checkout of this plan is for.

    Raises:
        NoSuchPlan: the settings do not name it, or Stripe was not set up with it.
    """
    known = resources.settings.stripe.plans.get(plan)
    if known is None:
        raise NoSuchPlan(f"There is no plan {plan}.")
    wanted = list(prices_of(plan, known))
    found = await _find_prices(resources, [each.lookup_key for each in wanted])
    if set(found) != {each.lookup_key for each in wanted}:
        raise NoSuchPlan(f"Stripe does not know the plan {plan} yet: run frontdesk stripe set-up.")
    return [
        {"price": found[each.lookup_key].id, **({} if each.meter else {"quantity": 1})}
        for each in wanted
    ]


async def _make_meter(resources: Resources, meter: Meter) -> str:
    made = await ask(
        resources,
        lambda s: s.v1.billing.meters.create_async(
            {
                "event_name": meter.event_name,
                "display_name": meter.name_for_people,
                "default_aggregation": {"formula": "sum"},
                "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
                "value_settings": {"event_payload_key": "value"},
            },
        ),
    )
    return made.id


async def _product(resources: Resources, plan: str) -> tuple[str, bool]:
    """The id of the plan's product, and whether it is new."""
    product_id = f"frontdesk_{plan}"
    try:
        await ask(resources, lambda s: s.v1.products.retrieve_async(product_id))
    except StripeRefused as refused:
        if refused.status_code != 404:
            raise
    else:
        return product_id, False

    async def make(client: "StripeClient") -> object:
        return await client.v1.products.create_async(
            {"id": product_id, "name": f"Frontdesk {plan}", "metadata": {"plan": plan}},
        )

    await ask(resources, make)
    return product_id, True


async def _find_prices(resources: Resources, keys: list[str]) -> "dict[str, Price]":
    found = await ask(
        resources,
        lambda s: s.v1.prices.list_async({"lookup_keys": keys, "active": True, "limit": 100}),
    )
    return {each.lookup_key: each for each in found.data if each.lookup_key}


async def _price(
    resources: Resources, product: str, wanted: PriceWanted, meters: dict[Meter, str]
) -> str:
    """Make a price if there is none of this amount; what came of it."""
    found = (await _find_prices(resources, [wanted.lookup_key])).get(wanted.lookup_key)
    meter_id = meters[wanted.meter] if wanted.meter else None
    if found is not None and found.unit_amount_decimal == wanted.cents:
        return "kept"
    recurring: dict[str, str] = {"interval": "month"}
    if meter_id is not None:
        recurring |= {"usage_type": "metered", "meter": meter_id}
    made: Any = {
        "product": product,
        "currency": "usd",
        # As text: the library would write a small Decimal as 2E-7.
        "unit_amount_decimal": f"{wanted.cents.normalize():f}",
        "recurring": recurring,
        "nickname": f"{wanted.plan}: {wanted.part}",
        "lookup_key": wanted.lookup_key,
        "transfer_lookup_key": True,
        "metadata": {"plan": wanted.plan, "part": wanted.part},
    }
    await ask(resources, lambda s: s.v1.prices.create_async(made))
    return "made" if found is None else "replaced"
