"""What a call costs: exactly, by the price of its day, and never zero for want of a price."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from frontdesk.billing import TokenUsage, UnitPrices, cost_usd, price_of
from frontdesk.billing.prices import PriceBook
from frontdesk.core import ids
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MINI = UnitPrices(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"))


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (TokenUsage(1000, 200), "0.00027"),
        (TokenUsage(1000, 200, 500), "0.0002325"),
        (TokenUsage(1, 0, 1), "0.000000075"),
        (TokenUsage(0, 0), "0"),
        # A provider that reports more cached tokens than tokens: no negative price.
        (TokenUsage(100, 0, 500), "0.0000075"),
        (TokenUsage(10**12, 10**12, 1), "749999.999999925"),
    ],
)
def test_the_cost_is_exact(usage: TokenUsage, usd: str) -> None:
    assert cost_usd(MINI, usage) == Decimal(usd)


def test_cached_input_without_a_price_of_its_own_costs_like_input() -> None:
    prices = UnitPrices(Decimal("0.15"), Decimal("0.60"))
    assert cost_usd(prices, TokenUsage(1000, 0, 500)) == Decimal("0.00015")


def test_an_unknown_price_is_not_zero() -> None:
    assert cost_usd(None, TokenUsage(1000, 200)) is None


async def test_the_shipped_prices_are_known(resources: Resources) -> None:
    prices = await price_of(resources, "groq/openai/gpt-oss-20b", NOW)
    assert prices == UnitPrices(Decimal("0.075"), Decimal("0.30"), Decimal("0.0375"))
    assert await price_of(resources, "groq/unheard-of", NOW) is None


async def test_a_price_holds_from_its_day_on(resources: Resources) -> None:
    model = f"openai/{ids.new()}"
    async with resources.db.system_transaction() as tx:
        await tx.sql.executemany(
            "INSERT INTO price VALUES ($1, $2, $3, $3, NULL, 'a test')",
            [
                (model, NOW - timedelta(days=2), Decimal("1")),
                (model, NOW - timedelta(days=1), Decimal("2")),
                (model, NOW + timedelta(days=1), Decimal("3")),
            ],
        )
    fresh = replace(resources, _kept={})

    async def input_price(at: datetime) -> Decimal | None:
        found = await price_of(fresh, model, at)
        return found and found.input_usd_per_million

    assert await input_price(NOW - timedelta(days=3)) is None
    assert await input_price(NOW - timedelta(days=2)) == 1
    assert await input_price(NOW - timedelta(hours=1)) == 2
    assert await input_price(NOW) == 2
    assert await input_price(NOW + timedelta(days=1)) == 3


async def test_prices_are_kept_and_outlive_a_database_that_is_down(resources: Resources) -> None:
    fresh = replace(resources, _kept={})
    known = await price_of(fresh, "openai/gpt-4o-mini", NOW)
    book = fresh.keep(PriceBook)
    book._good_until = 0.0  # As if a minute had passed.

    class Down:
        def hot(self, tenant_id: object) -> object:
            raise Unavailable

    book._resources = replace(fresh, db=Down())
    assert await price_of(fresh, "openai/gpt-4o-mini", NOW) == known
