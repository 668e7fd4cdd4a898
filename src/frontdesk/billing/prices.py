"""What models cost: the effective-dated price table, kept for a minute, and the sum for one call."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from frontdesk.core import ids
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources

KEPT_SECONDS = 60
_MILLION = Decimal(1_000_000)
_ALL_PRICES = """
SELECT model, effective_from, input_usd_per_million, cached_input_usd_per_million,
       output_usd_per_million
FROM price ORDER BY model, effective_from DESC
"""


@dataclass(frozen=True)
class UnitPrices:
    """What a model costs in USD per million tokens; without a price of its own, cached input is input."""

    input_usd_per_million: Decimal
    output_usd_per_million: Decimal
    cached_input_usd_per_million: Decimal | None = None


@dataclass(frozen=True)
class TokenUsage:
    """Tokens of one call. `input_tokens` includes the cached ones, as providers report them."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


@dataclass(frozen=True)
class _Dated:
    effective_from: datetime
    prices: UnitPrices


class PriceBook:
    """The price table as this process last read it; read again after a minute, once for all callers."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._by_model: dict[str, list[_Dated]] | None = None
        self._good_until = 0.0
        self._reading = asyncio.Lock()

    async def by_model(self) -> dict[str, list[_Dated]]:
        """Every model's prices, newest first.

        Raises:
            Unavailable: the database is down and no prices have been read yet.
        """
        if self._by_model is not None and time.monotonic() < self._good_until:
            return self._by_model
        async with self._reading:
            if self._by_model is not None and time.monotonic() < self._good_until:
                return self._by_model
            try:
                self._by_model = await self._read()
            except Unavailable:
                if self._by_model is None:
                    raise
                # A minute-old price is still the price; the database's absence shows elsewhere.
            self._good_until = time.monotonic() + KEPT_SECONDS
            return self._by_model

    async def _read(self) -> dict[str, list[_Dated]]:
        found: dict[str, list[_Dated]] = defaultdict(list)
        # Prices belong to the platform and the application's role may read them: no tenant is bound.
        async with self._resources.db.hot(ids.NIL) as tx:
            for row in await tx.sql.fetch(_ALL_PRICES):
                prices = UnitPrices(
                    input_usd_per_million=row["input_usd_per_million"],
                    output_usd_per_million=row["output_usd_per_million"],
                    cached_input_usd_per_million=row["cached_input_usd_per_million"],
                )
                found[row["model"]].append(_Dated(row["effective_from"], prices))
        return dict(found)


async def price_of(resources: Resources, model: str, at: datetime) -> UnitPrices | None:
    """What the model costs at that moment, from a copy at most a minute old; None when unknown.

    An unknown price is an alarm for the caller, never a price of zero.

    Raises:
        Unavailable: the database is down and no prices have been read yet.
    """
    by_model = await resources.keep(PriceBook).by_model()
    for dated in by_model.get(model, ()):
        if dated.effective_from <= at:
            return dated.prices
    return None


async def message_price(
    resources: Resources, category: str, country: str | None, at: datetime
) -> Decimal | None:
    """What Meta bills in USD for one delivered WhatsApp message; None when no price is known.

    Args:
        category: `utility`, `marketing`, `service`, …, in any case.
        country: of the recipient, ISO 3166-1 alpha-2.

    Raises:
        Unavailable: the database is down and no prices have been read yet.
    """
    if country is None:
        return None
    model = f"whatsapp/{category.replace('-', '_').lower()}/{country.upper()}"
    prices = await price_of(resources, model, at)
    # Kept by the million, as for tokens.
    return None if prices is None else prices.input_usd_per_million / _MILLION


def cost_usd(prices: UnitPrices | None, usage: TokenUsage) -> Decimal | None:
    """What the tokens cost in USD, exactly; None when no price is known."""
    if prices is None:
        return None
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    cached_price = prices.cached_input_usd_per_million
    if cached_price is None:
        cached_price = prices.input_usd_per_million
    total = (
        (usage.input_tokens - cached) * prices.input_usd_per_million
        + cached * cached_price
        + usage.output_tokens * prices.output_usd_per_million
    )
    return total / _MILLION
