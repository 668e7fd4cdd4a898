"""What a call will take, before it is made: its prompt counted, its answer at its longest."""

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from frontdesk.billing import TokenUsage, UnitPrices, cost_usd
from frontdesk.core.json import dumps
from frontdesk.gateway.attempts import ProviderCall
from frontdesk.gateway.structured import response_format
from frontdesk.gateway.tokens import count_message_tokens, count_tokens

# Other vocabularies count up to a tenth more than ours, and providers add words of their own.
_MARGIN = 1.1
# More than any provider counts for a picture as large as WhatsApp takes it.
_PICTURE_TOKENS = 3_000
# What the ledger's column can hold.
_SMALLEST_USD = Decimal("0.000000001")


def worst_usage(call: ProviderCall) -> TokenUsage:
    """The most tokens the call can take: its answer as long as it may be, nothing cached. Of sound
    it is seconds."""
    if call.sound is not None:
        return TokenUsage(call.sound.seconds, 0)
    tokens = count_message_tokens(call.messages)
    if call.embeds:
        return TokenUsage(math.ceil(tokens * _MARGIN), 0)
    if call.schema is not None:
        tokens += _schema_tokens(call.schema)
    elif call.recorded is not None:
        tokens += count_tokens(dumps(call.recorded))
    if call.tools:
        tokens += count_tokens(dumps(call.tools))
    if call.picture is not None:
        tokens += _PICTURE_TOKENS
    return TokenUsage(math.ceil(tokens * _MARGIN), call.max_output_tokens)


def known_or_assumed(
    prices: UnitPrices | None, assumed_usd_per_million: Decimal | None
) -> UnitPrices | None:
    """The prices, or what is assumed where none is known; None when such models cost nobody knows what."""
    if prices is not None or assumed_usd_per_million is None:
        return prices
    return UnitPrices(assumed_usd_per_million, assumed_usd_per_million)


def worst_usd(call: ProviderCall, prices: UnitPrices) -> Decimal:
    """The most the call can cost, rounded up."""
    usd = cost_usd(prices, worst_usage(call))
    assert usd is not None
    return usd.quantize(_SMALLEST_USD, rounding="ROUND_UP")


@lru_cache(maxsize=256)
def _schema_tokens(schema: type[BaseModel]) -> int:
    # Providers put it into the prompt and bill it as such.
    form: Mapping[str, Any] = response_format(schema)
    return count_tokens(dumps(form))
