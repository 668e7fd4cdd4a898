"""What reports add up: the sums by day of what was written a while ago, and the ledger of the rest.

Every entry is in exactly one of them: in the sums (`rollups.py`) when it was written before
`usage_book.rolled_at`, and else it is read from the ledger, of whatever day it is. So what is added up
is the ledger's, to the last digit, however much of it has been summed before, and a late entry or a
correction for a day long past counts at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from frontdesk.billing.ledger import BILLED_KINDS, MODEL_KINDS
from frontdesk.core.db import Transaction

# Longer than any transaction may take (`core/db.py`): what was written by then is seen by now.
UNSEEN_FOR = timedelta(minutes=15)

# What the entries of one sum have in common, beside the tenant and the day.
DIMENSIONS = (
    "kind",
    "feature",
    "model",
    "agent_id",
    "prompt_name",
    "prompt_version",
    "pricing_type",
    "own_key",
)


def _words(kinds: Iterable[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in kinds)


# The sums of ledger entries by name. Corrections carry what is to be added, so they add up as well.
SUMS = {
    "entries": "count(*)",
    "calls": "coalesce(sum(CASE kind WHEN 'speech' THEN sign(quantity)::int ELSE quantity END) "
    f"FILTER (WHERE kind IN ({_words(MODEL_KINDS)}) AND NOT cache_hit), 0)",
    "cache_hits": "coalesce(sum(quantity) FILTER (WHERE cache_hit), 0)",
    "quantity": "sum(quantity)",
    "input_tokens": "sum(input_tokens)",
    "output_tokens": "sum(output_tokens)",
    "cached_input_tokens": "sum(cached_input_tokens)",
    "reasoning_tokens": "sum(reasoning_tokens)",
    "unpriced": "sum(CASE WHEN settles_unpriced THEN -1 WHEN amount_usd IS NULL "
    f"AND corrects_id IS NULL AND kind IN ({_words(BILLED_KINDS)}) THEN 1 ELSE 0 END)",
    "amount_usd": "coalesce(sum(amount_usd), 0)",
    "saved_usd": "coalesce(sum(saved_usd), 0)",
}
SUMMED = ", ".join(f"{expression} AS {name}" for name, expression in SUMS.items())
_BY = ", ".join(("day", *DIMENSIONS))

# Days from `$1` to `$2`; what was written since `$3` is not in the sums yet. See `add_up`.
FACTS = f"""
SELECT {_BY}, {", ".join(SUMS)} FROM usage_rollup WHERE day BETWEEN $1 AND $2
UNION ALL
SELECT {_BY}, {SUMMED} FROM usage_entry
WHERE day BETWEEN $1 AND $2 AND created_at >= coalesce($3::timestamptz, '-infinity') GROUP BY {_BY}
"""  # noqa: S608  # Ours.

# What a report shows, of facts.
REPORTED = """
coalesce(sum(calls), 0) AS calls,
coalesce(sum(cache_hits), 0) AS cache_hits,
coalesce(sum(saved_usd), 0) AS saved_usd,
coalesce(sum(quantity) FILTER (WHERE kind = 'whatsapp'), 0) AS messages,
coalesce(sum(quantity) FILTER (WHERE kind = 'human'), 0) AS human_seconds,
coalesce(sum(quantity) FILTER (WHERE kind = 'speech'), 0) AS speech_seconds,
coalesce(sum(quantity) FILTER (WHERE kind = 'storage'), 0) AS storage_mib_days,
coalesce(sum(input_tokens), 0) AS input_tokens,
coalesce(sum(output_tokens), 0) AS output_tokens,
coalesce(sum(cached_input_tokens), 0) AS cached_input_tokens,
coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
coalesce(sum(amount_usd), 0) AS amount_usd,
coalesce(sum(amount_usd) FILTER (WHERE own_key), 0) AS own_key_usd,
coalesce(sum(unpriced), 0) AS unpriced
"""

# Postgres is to plan for how little was written since, which a plan for any moment does not know.
_ROLLED_AT = """
SELECT (SELECT rolled_at FROM usage_book), set_config('plan_cache_mode', 'force_custom_plan', true)
"""


async def add_up(
    tx: Transaction, statement: str, first: date, last: date, *more: Any
) -> Sequence[Mapping[str, Any]]:
    """The rows of a statement over `FACTS` of the days from first to last.

    Args:
        more: what the statement calls `$4` and on.
    """
    # Sums that were made meanwhile show in the moment up to which they reach: it only ever moves on.
    rolled_at: datetime | None = await tx.sql.fetchval(_ROLLED_AT)
    while True:
        rows = await tx.sql.fetch(statement, first, last, rolled_at, *more)
        before, rolled_at = rolled_at, await tx.sql.fetchval(_ROLLED_AT)
        if rolled_at == before:
            return [dict(row) for row in rows]
