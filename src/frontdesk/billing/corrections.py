"""Putting the ledger right: what was written stays, and a new entry says what is to be added.

A correction counts for the day of the entry it corrects, whenever it is made, and is written now:
reports of that day come right, and whoever reads on from what they know finds it.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from frontdesk.billing.errors import NoSuchEntry, NothingToCorrect
from frontdesk.billing.ledger import BILLED_KINDS
from frontdesk.billing.money_schemas import CorrectionCreate, EntryPublic
from frontdesk.core import ids
from frontdesk.core.callers import SuperAdmin
from frontdesk.core.db import Transaction
from frontdesk.core.json import loads
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean
from frontdesk.observability import audit

# What an entry comes to with the corrections it has had. `amount_usd` is null while none is known.
_STANDING = """
SELECT o.*, n.net_quantity, n.net_input, n.net_output, n.net_cached, n.net_reasoning, n.net_usd,
    n.net_saved, o.amount_usd IS NULL AND o.kind = ANY($2) AND NOT n.is_settled AS lacks_price
FROM usage_entry o, LATERAL (
    SELECT sum(quantity)::int AS net_quantity, sum(input_tokens)::int AS net_input,
        sum(output_tokens)::int AS net_output, sum(cached_input_tokens)::int AS net_cached,
        sum(reasoning_tokens)::int AS net_reasoning, sum(amount_usd) AS net_usd,
        sum(saved_usd) AS net_saved, bool_or(settles_unpriced) AS is_settled
    FROM usage_entry WHERE id = $1 OR corrects_id = $1) n
WHERE o.id = $1 AND o.corrects_id IS NULL
"""
_INSERT = """
INSERT INTO usage_entry (id, day, kind, source_id, feature, conversation_id, contact_id, agent_id,
    prompt_name, prompt_version, model, pricing_type, unit_prices, own_key, cache_hit, quantity,
    input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, amount_usd, saved_usd,
    corrects_id, settles_unpriced, note)
SELECT $2::uuid, day, kind, 'correction:' || $2::text, feature, conversation_id, contact_id, agent_id,
    prompt_name, prompt_version, model, pricing_type, unit_prices, own_key, cache_hit, $3,
    $4, $5, $6, $7, $8, $9, id, $10, $11
FROM usage_entry WHERE id = $1
RETURNING *
"""


async def correct(
    resources: Resources,
    tenant_id: UUID,
    entry_id: UUID,
    body: CorrectionCreate,
    *,
    by: SuperAdmin | None,
) -> EntryPublic:
    """Add to the ledger what makes an entry right; `by` None is the operator at the command line.

    Args:
        body: with an amount, that is what the entry should come to; without, it should not be there
            at all, and all of its numbers are taken back.

    Raises:
        NoSuchEntry: the tenant has no such entry, or it is a correction itself.
        NothingToCorrect: it comes to that already.
    """
    async with resources.db.transaction(tenant_id) as tx:
        # The rows can't be locked, as they can't be changed: two corrections at once wait here.
        await tx.sql.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 42))", str(entry_id)
        )
        entry = await tx.sql.fetchrow(_STANDING, entry_id, list(BILLED_KINDS))
        if entry is None:
            raise NoSuchEntry
        added = _void(entry) if body.amount_usd is None else _reprice(entry, body.amount_usd)
        if not any(added[:-1]) and not added[-1]:
            raise NothingToCorrect
        row = await tx.sql.fetchrow(_INSERT, entry_id, ids.new(), *added, clean(body.reason))
        assert row is not None
        await audit(
            tx,
            "usage.corrected",
            "usage_entry",
            entry_id,
            user_id=by.user_id if by else None,
            details={
                "correction_id": str(row["id"]),
                "amount_usd": f"{row['amount_usd']:f}",
                "reason": row["note"],
            },
            request_id=by.request_id if by else None,
        )
        prices = row["unit_prices"]
        return EntryPublic.model_validate({**dict(row), "unit_prices": prices and loads(prices)})


async def find_entry(tx: Transaction, source_id: str) -> UUID | None:
    """The entry of a call or message, by the id of that; None when nothing was billed for it."""
    found: UUID | None = await tx.sql.fetchval(
        "SELECT id FROM usage_entry WHERE source_id = $1 ORDER BY id LIMIT 1", source_id
    )
    return found


def _void(entry: Any) -> tuple[Any, ...]:
    return (
        -entry["net_quantity"],
        -entry["net_input"],
        -entry["net_output"],
        -entry["net_cached"],
        -entry["net_reasoning"],
        -(entry["net_usd"] or Decimal(0)),
        None if entry["net_saved"] is None else -entry["net_saved"],
        entry["lacks_price"],
    )


def _reprice(entry: Any, amount_usd: Decimal) -> tuple[Any, ...]:
    missing = amount_usd - (entry["net_usd"] or Decimal(0))
    return (0, 0, 0, 0, 0, missing, None, entry["lacks_price"])
