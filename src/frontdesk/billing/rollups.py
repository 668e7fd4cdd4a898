"""The sums of days: what was written since is added to them by due work, and they can be made anew."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from frontdesk.billing.facts import DIMENSIONS, SUMMED, SUMS, UNSEEN_FOR
from frontdesk.billing.storage import DAYS_OF_A_MONTH
from frontdesk.core.db import Transaction, take_time
from frontdesk.core.resources import Resources

# A day of a big tenant's ledger at once.
_STEP = timedelta(days=1)
_BY = ", ".join(DIMENSIONS)
_ADD = f"""
INSERT INTO usage_rollup AS r (id, day, {_BY}, {", ".join(SUMS)})
SELECT gen_random_uuid(), day, {_BY}, {SUMMED} FROM usage_entry
WHERE created_at >= $1 AND created_at < $2 GROUP BY day, {_BY}
ON CONFLICT (tenant_id, day, {_BY}) DO UPDATE
SET {", ".join(f"{name} = r.{name} + excluded.{name}" for name in SUMS)}
"""  # noqa: S608  # Ours.
_MAKE = f"""
INSERT INTO usage_rollup (id, day, {_BY}, {", ".join(SUMS)})
SELECT gen_random_uuid(), day, {_BY}, {SUMMED} FROM usage_entry
WHERE day = $1 AND created_at < $2 GROUP BY day, {_BY}
"""  # noqa: S608  # Ours.
# One at a time: two would both add the same.
_BOOK = "SELECT rolled_at, now() - $1::interval AS until FROM usage_book FOR UPDATE"
_NEXT = """
SELECT min(created_at) FROM usage_entry WHERE created_at >= coalesce($1::timestamptz, '-infinity')
"""
_DIFFERENT = f"""
SELECT coalesce(l.feature, r.feature) AS feature, coalesce(l.model, r.model) AS model,
    (to_jsonb(l) - '{{{",".join(DIMENSIONS)}}}'::text[])::text AS in_ledger,
    (to_jsonb(r) - '{{{",".join(DIMENSIONS)}}}'::text[])::text AS in_sums
FROM (SELECT {_BY}, {SUMMED} FROM usage_entry
    WHERE day = $1 AND created_at < (SELECT rolled_at FROM usage_book) GROUP BY {_BY}) l
FULL JOIN (SELECT {_BY}, {", ".join(SUMS)} FROM usage_rollup WHERE day = $1) r
ON l.kind = r.kind AND l.feature = r.feature AND l.model = r.model AND l.own_key = r.own_key
    AND coalesce(l.agent_id::text, '') = coalesce(r.agent_id::text, '')
    AND coalesce(l.prompt_name, '') = coalesce(r.prompt_name, '')
    AND coalesce(l.prompt_version, '') = coalesce(r.prompt_version, '')
    AND coalesce(l.pricing_type, '') = coalesce(r.pricing_type, '')
WHERE {" OR ".join(f"l.{name} IS DISTINCT FROM r.{name}" for name in SUMS)}
"""  # noqa: S608  # Ours.
# What an entry costs by the unit prices it was written with (`prices.cost_usd`, as SQL; for what is
# no model's as `ledger`, `human_time` and `storage` write it). Free messages cost nothing.
_MISCOUNTED = f"""
SELECT id, amount_usd, should FROM (
    SELECT id, amount_usd, round(CASE kind
        WHEN 'human' THEN (p->>'usd_per_minute')::numeric * quantity / 60
        WHEN 'storage' THEN
            (p->>'usd_per_gib_month')::numeric * quantity / 1024 / {DAYS_OF_A_MONTH}
        WHEN 'whatsapp' THEN CASE WHEN starts_with(pricing_type, 'free') THEN 0
            ELSE (p->>'input_usd_per_million')::numeric * quantity / 1000000 END
        ELSE ((units - least(cached_input_tokens, units)) * (p->>'input_usd_per_million')::numeric
            + least(cached_input_tokens, units) * coalesce(
                (p->>'cached_input_usd_per_million')::numeric,
                (p->>'input_usd_per_million')::numeric)
            + output_tokens * (p->>'output_usd_per_million')::numeric) / 1000000 END, 9) AS should
    FROM (
        SELECT *, unit_prices AS p,
            CASE WHEN kind = 'speech' AND input_tokens = 0 THEN quantity ELSE input_tokens END
                AS units
        FROM usage_entry WHERE day = $1 AND kind <> 'resolution'
            AND corrects_id IS NULL AND unit_prices IS NOT NULL
    ) priced
) counted WHERE amount_usd IS DISTINCT FROM should LIMIT 100
"""  # noqa: S608  # Ours.
# Both are written in one commit: the call as its provider told it, and what the ledger made of it.
_UNLIKE_ITS_CALL = """
SELECT id, day, entry_id, in_ledger, in_call FROM (
    SELECT c.id, (c.created_at AT TIME ZONE 'UTC')::date AS day, e.id AS entry_id,
        concat_ws(' + ', CASE WHEN e.kind = 'speech' AND e.input_tokens = 0 THEN e.quantity
            ELSE e.input_tokens END, e.output_tokens) AS in_ledger,
        concat_ws(' + ', c.input_tokens, c.output_tokens) AS in_call
    FROM llm_call c LEFT JOIN usage_entry e
        ON e.kind IN ('llm', 'embedding', 'speech') AND e.source_id = c.id::text
    WHERE c.input_tokens IS NOT NULL AND c.created_at >= $1::timestamptz
        AND c.created_at < $2::timestamptz
) both_of_them WHERE in_ledger <> in_call LIMIT 100
"""


@dataclass(frozen=True)
class Difference:
    """Something that does not add up: where, and what stands there and should."""

    day: date
    what: str
    is_so: str
    should_be: str
    of_sums: bool = False


async def roll_up(resources: Resources, tenant_id: UUID) -> None:
    """Add what was written since the last time, but for the last minutes, to the sums of its days.

    Each step is one transaction, in which the moment up to which it reaches moves on as well: reports
    see all of it or nothing, and run twice, or cut short, the next run goes on from there.
    """
    while await _add_a_step(resources, tenant_id):
        pass


async def _add_a_step(resources: Resources, tenant_id: UUID) -> bool:
    """Add up to a day's worth; whether there is more."""
    async with resources.db.transaction(tenant_id) as tx:
        # A big tenant's takes longer than a statement of the message path may.
        await take_time(tx.sql)
        book = await tx.sql.fetchrow(_BOOK, UNSEEN_FOR)
        if book is None:
            return False
        since: datetime | None = await tx.sql.fetchval(_NEXT, book["rolled_at"])
        until: datetime = book["until"]
        if since is not None and since < until:
            until = min(until, since + _STEP)
            await tx.sql.execute(_ADD, since, until)
        await tx.sql.execute("UPDATE usage_book SET rolled_at = greatest(rolled_at, $1)", until)
        return bool(until < book["until"])


async def reconcile(
    resources: Resources,
    tenant_id: UUID,
    first: date,
    last: date,
    *,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Difference]:
    """Count a tenant's days anew from the ledger, and say what does not agree.

    Three things are held together: the sums with the entries that are in them, the amount of each
    entry with its tokens, seconds or pieces times its unit prices, and the billed model calls with
    their entries, token by token.

    Args:
        tell: is told after each day how many of how many have been counted.
    """
    found: list[Difference] = []
    async with resources.db.transaction(tenant_id) as tx:
        await take_time(tx.sql)
        days = (last - first).days + 1
        for number in range(days):
            day = first + timedelta(days=number)
            found += await _wrong_sums(tx, day)
            found += [
                Difference(
                    day, f"entry {row['id']}", f"{row['amount_usd']} USD", f"{row['should']} USD"
                )
                for row in await tx.sql.fetch(_MISCOUNTED, day)
            ]
            tell(number + 1, days)
        start = datetime.combine(first, time.min, UTC)
        end = datetime.combine(last, time.min, UTC) + timedelta(days=1)
        found += [
            _unlike_its_call(dict(row)) for row in await tx.sql.fetch(_UNLIKE_ITS_CALL, start, end)
        ]
    return found


def _unlike_its_call(row: Mapping[str, Any]) -> Difference:
    if row["entry_id"] is None:
        return Difference(row["day"], f"call {row['id']}", "no entry", "an entry")
    return Difference(
        row["day"],
        f"entry {row['entry_id']}",
        f"{row['in_ledger']} tokens",
        f"{row['in_call']}, as call {row['id']} was answered",
    )


async def _wrong_sums(tx: Transaction, day: date) -> list[Difference]:
    return [
        Difference(
            day,
            f"sums of {row['feature']}, {row['model']}",
            row["in_sums"] or "none",
            row["in_ledger"] or "none",
            of_sums=True,
        )
        for row in await tx.sql.fetch(_DIFFERENT, day)
    ]


async def mend(resources: Resources, tenant_id: UUID, days: Sequence[date]) -> None:
    """Make the sums of these days anew from the ledger."""
    for day in days:
        async with resources.db.transaction(tenant_id) as tx:
            await take_time(tx.sql)
            book = await tx.sql.fetchrow(_BOOK, UNSEEN_FOR)
            await tx.sql.execute("DELETE FROM usage_rollup WHERE day = $1", day)
            if book is not None and book["rolled_at"] is not None:
                await tx.sql.execute(_MAKE, day, book["rolled_at"])
