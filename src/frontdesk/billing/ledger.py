"""The usage ledger: what was used is written once and never changed; corrections are new entries."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from frontdesk.billing.prices import UnitPrices
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps


class UsageKind(StrEnum):
    """What sort of thing was used, and so what `quantity` counts."""

    LLM = "llm"  # Calls, each attempt that was billed.
    EMBEDDING = "embedding"  # Calls.
    SPEECH = "speech"  # Seconds of a recording.
    WHATSAPP = "whatsapp"  # Delivered messages.
    HUMAN = "human"  # Seconds a human agent had a conversation.
    STORAGE = "storage"  # MiB kept for a day.
    RESOLUTION = "resolution"  # Conversations that the AI resolved; they cost nothing themselves.


# What goes through the gateway; its `source_id` is the `llm_call`'s id.
MODEL_KINDS = (UsageKind.LLM, UsageKind.EMBEDDING, UsageKind.SPEECH)
# What others bill: not to know its price is an alarm. What one's own people and disks cost, each
# tenant says or does not.
BILLED_KINDS = (*MODEL_KINDS, UsageKind.WHATSAPP)


@dataclass(frozen=True)
class UsageRecord:
    """One thing used. `amount_usd` None means that no price is known, which is never zero.

    `input_tokens` include the cached ones, `output_tokens` those of reasoning.
    `cache_hit`: a kept answer was given again, for nothing, which saved `saved_usd`.
    `own_key`: the provider bills the tenant itself, whose key was used.
    """

    kind: UsageKind
    source_id: (
        str  # The llm_call, or the message that was delivered: counted once, whatever happens.
    )
    feature: str
    model: str
    conversation_id: UUID | None = None
    quantity: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    unit_prices: UnitPrices | None = None
    amount_usd: Decimal | None = None
    own_key: bool = False
    cache_hit: bool = False
    saved_usd: Decimal | None = None
    contact_id: UUID | None = None
    agent_id: UUID | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    reasoning_tokens: int = 0
    id: UUID = field(default_factory=ids.new)


_INSERT = """
INSERT INTO usage_entry (id, kind, source_id, feature, conversation_id, model, quantity,
                         input_tokens, output_tokens, cached_input_tokens, unit_prices, amount_usd,
                         own_key, cache_hit, saved_usd, contact_id, agent_id, prompt_name,
                         prompt_version, reasoning_tokens)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[],
                     $7::int[], $8::int[], $9::int[], $10::int[], $11::jsonb[], $12::numeric[],
                     $13::bool[], $14::bool[], $15::numeric[], $16::uuid[], $17::uuid[],
                     $18::text[], $19::text[], $20::int[])
ON CONFLICT (tenant_id, kind, source_id) DO NOTHING
RETURNING source_id
"""

# A price per million is kept for messages as for tokens; a delivered message counts as input. Whose
# conversation it is, is read here, as only what is billed needs to know.
_INSERT_DELIVERY = """
INSERT INTO usage_entry (id, kind, source_id, feature, conversation_id, contact_id, agent_id, model,
                         quantity, pricing_type, unit_prices, amount_usd,
                         input_tokens, output_tokens, cached_input_tokens, day)
SELECT $1, 'whatsapp', $2, $3, $4, k.contact_id, k.agent_id, $5, 1, $6,
       CASE WHEN p.usd IS NOT NULL THEN jsonb_build_object('input_usd_per_million', p.usd::text) END,
       CASE WHEN starts_with($6, 'free') THEN 0 ELSE p.usd / 1000000 END, 0, 0, 0,
       (at.at AT TIME ZONE 'UTC')::date
FROM (SELECT least(coalesce($7, now()), now()) AS at) at
LEFT JOIN LATERAL (
    SELECT input_usd_per_million AS usd FROM price
    WHERE model = 'whatsapp/' || $5 AND effective_from <= at.at
    ORDER BY effective_from DESC LIMIT 1
) p ON true
LEFT JOIN conversation k ON k.id = $4
ON CONFLICT (tenant_id, kind, source_id) DO NOTHING
"""


async def record_usage(tx: Transaction, *records: UsageRecord) -> frozenset[str]:
    """Write entries to the ledger, in one round trip. What is there already stays as it is.

    Gives the `source_id`s of those that were not there yet.
    """
    columns = (list(column) for column in zip(*_rows(records), strict=True))
    rows = await tx.sql.fetch(_INSERT, *columns)
    return frozenset(row["source_id"] for row in rows)


@dataclass(frozen=True)
class DeliveredMessage:
    """A WhatsApp message that Meta bills for, as the status webhook's `pricing` tells it.

    Args:
        category: `pricing.category`, such as `utility`; hyphens and underscores are both seen.
        country: ISO 3166-1 alpha-2 of the recipient, None when it is not known.
        pricing_type: `pricing.type`: `regular`, `free_customer_service` or `free_entry_point`.
        at: when it was delivered, whose day and price count; now when that is not known.
    """

    message_id: UUID
    category: str
    country: str | None
    pricing_type: str | None = None
    conversation_id: UUID | None = None
    at: datetime | None = None


async def record_deliveries(tx: Transaction, *messages: DeliveredMessage) -> None:
    """Count delivered WhatsApp messages, in one round trip; safe to repeat.

    Meta bills per delivered message by category and recipient's country (WhatsApp Cloud API:
    pricing). The amount is what the price table says for `whatsapp/CATEGORY/COUNTRY`, null when it
    says nothing, and 0 when Meta itself says that the message is free.
    """
    await tx.sql.executemany(
        _INSERT_DELIVERY,
        [
            (
                ids.new(),
                str(message.message_id),
                "delivery",
                message.conversation_id,
                f"{message.category.replace('-', '_').lower()}/"
                f"{message.country.upper() if message.country else 'unknown'}",
                message.pricing_type,
                message.at,
            )
            for message in messages
        ],
    )


def _rows(records: Iterable[UsageRecord]) -> list[tuple[Any, ...]]:
    return [
        (
            record.id,
            record.kind.value,
            record.source_id,
            record.feature,
            record.conversation_id,
            record.model,
            record.quantity,
            record.input_tokens,
            record.output_tokens,
            record.cached_input_tokens,
            None if record.unit_prices is None else dumps(record.unit_prices),
            record.amount_usd,
            record.own_key,
            record.cache_hit,
            record.saved_usd,
            record.contact_id,
            record.agent_id,
            record.prompt_name,
            record.prompt_version,
            record.reasoning_tokens,
        )
        for record in records
    ]
