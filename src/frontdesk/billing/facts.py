"""What reports add up: the sums of finished days, and the ledger itself for all others.

A finished day is read from its sums (`rollups.py`) unless something was written for it since they
were made: a late entry, or a correction. So what is added up is the ledger's, to the last digit,
however much of it has been summed before.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from frontdesk.billing.ledger import BILLED_KINDS, MODEL_KINDS
from frontdesk.core.db import Transaction

# Longer than any transaction may take (`core/db.py`): what was written by then is seen by now.
UNSEEN_FOR = timedelta(minutes=15)

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

# Days from `$1` to `$2`; of those in `$3` the ledger is read.
FACTS = f"""
SELECT {_BY}, {", ".join(SUMS)} FROM usage_rollup
WHERE day BETWEEN $1 AND $2 AND day <> ALL($3::date[])
UNION ALL
SELECT {_BY}, {SUMMED} FROM usage_entry WHERE day = ANY($3::date[]) GROUP BY {_BY}
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

_WRITTEN_SINCE = """
SELECT b.rolled_day, ARRAY(
    SELECT DISTINCT e.day FROM usage_entry e
    WHERE e.created_at >= b.rolled_at - $1::interval AND e.day <= b.rolled_day) AS changed
FROM usage_book b WHERE b.rolled_day IS NOT NULL
"""


async def unsummed_days(tx: Transaction, first: date, last: date) -> list[date]:
    """The days of a span whose sums are not made yet, or no longer what the ledger says."""
    book = await tx.sql.fetchrow(_WRITTEN_SINCE, UNSEEN_FOR)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if book is None:
        return days
    changed = set(book["changed"])
    return [day for day in days if day > book["rolled_day"] or day in changed]
