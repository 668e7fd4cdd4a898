"""The report rows: what a month's report costs with a great many ledger entries, against few.

Both tenants stand in one database and are asked in turn, in this process, without HTTP. Due work has
summed all but the last hour before, as it does hourly; what that hour wrote is read from the ledger.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from benchmarks.ground import Ground, Sql
from benchmarks.report import Row
from frontdesk import identity
from frontdesk.billing import report_month
from frontdesk.billing.books import keep_books
from frontdesk.billing.schemas import UsageGrouping
from frontdesk.billing.service import Span, report_usage
from frontdesk.core.resources import Resources, open_resources

SIZES = {"big": 1_000_000, "small": 10_000}
# So many days of usage, today's included.
DAYS = 28
# Of each day as many entries, of eight features, four models, five agents and twelve versions.
_ENTRIES = """
SET session_replication_role = replica;
INSERT INTO usage_entry (tenant_id, id, created_at, day, kind, source_id, feature, model, agent_id,
    prompt_name, prompt_version, conversation_id, quantity, input_tokens, output_tokens,
    cached_input_tokens, amount_usd)
SELECT '{tenant}', gen_random_uuid(), at, (at AT TIME ZONE 'UTC')::date, 'llm', n::text,
    'feature_' || n % 8, 'provider/model-' || n % 4, ('00000000-0000-7000-8000-' ||
    lpad((n % 5)::text, 12, '0'))::uuid, 'reply', '1.' || n % 12 || '.0',
    md5((n / 8)::text)::uuid,
    1, 900, 120, 300, 0.000123456
FROM generate_series({first}, {last}) AS n, LATERAL (
    SELECT now() - interval '{until}' - n * interval '{over}' / {last} AS at) AS times;
SET session_replication_role = DEFAULT;
"""


def measure(ground: Ground, *, rounds: int, tell: Callable[[str], None]) -> list[Row]:
    """A report of the last days in all slices, one by model and a page by conversation; medians."""
    return asyncio.run(_measure(ground, rounds, tell))


async def _measure(ground: Ground, rounds: int, tell: Callable[[str], None]) -> list[Row]:
    months: dict[str, list[float]] = {name: [] for name in SIZES}
    plain: dict[str, list[float]] = {name: [] for name in SIZES}
    paged: dict[str, list[float]] = {name: [] for name in SIZES}
    async with open_resources(ground.settings(), {}) as resources:
        tenants = {name: await _tenant(resources, name) for name in SIZES}
        sql = await asyncio.to_thread(ground.sql, "frontdesk")
        for name, tenant_id in tenants.items():
            hour = SIZES[name] // (DAYS * 24)
            await _write(sql, tenant_id, hour + 1, SIZES[name], "15 minutes", f"{DAYS} days")
            tell(f"reports: {SIZES[name]:,} entries")
        await asyncio.to_thread(sql.execute, "VACUUM ANALYZE usage_entry")
        for name, tenant_id in tenants.items():
            tell(f"reports: not summed yet, {await _month_ms(resources, tenant_id):.0f} ms")
            began = time.perf_counter()
            await keep_books(resources, tenant_id, tenant_id)
            tell(f"reports: {SIZES[name]:,} summed in {time.perf_counter() - began:.1f} s")
            # As many as are written until the books are kept again; what is younger than a quarter
            # of an hour is in no sums.
            hour = SIZES[name] // (DAYS * 24)
            await _write(sql, tenant_id, 1, hour, "0", "14 minutes")
        await asyncio.to_thread(sql.execute, "VACUUM ANALYZE usage_rollup")
        for _ in range(rounds):
            for name, tenant_id in tenants.items():
                months[name].append(await _month_ms(resources, tenant_id))
                plain[name].append(await _slice_ms(resources, tenant_id, UsageGrouping.MODEL))
                paged[name].append(
                    await _slice_ms(resources, tenant_id, UsageGrouping.CONVERSATION)
                )
    of = f"{SIZES['big']:,} entries against {SIZES['small']:,}"
    return [
        Row(f"report of a month, {of}", "ms", months["big"], months["small"], must=None, aim=5),
        Row(f"usage by model, {of}", "ms", plain["big"], plain["small"], must=None, aim=5),
        Row(f"usage by conversation, {of}", "ms", paged["big"], paged["small"], must=None, aim=5),
    ]


async def _tenant(resources: Resources, name: str) -> UUID:
    async with resources.db.system_transaction() as tx:
        return (await identity.create_tenant(tx, f"{name} books", f"books-{name}")).id


async def _write(sql: Sql, tenant_id: UUID, first: int, last: int, until: str, over: str) -> None:
    script = _ENTRIES.format(tenant=tenant_id, first=first, last=last, until=until, over=over)
    await asyncio.to_thread(sql.execute, script)


async def _month_ms(resources: Resources, tenant_id: UUID) -> float:
    span = _span()
    began = time.perf_counter()
    async with resources.db.transaction(tenant_id) as tx:
        await report_month(tx, span, today=span.last)
    return (time.perf_counter() - began) * 1_000


async def _slice_ms(resources: Resources, tenant_id: UUID, group_by: UsageGrouping) -> float:
    began = time.perf_counter()
    async with resources.db.transaction(tenant_id) as session:
        await report_usage(session, _span(), group_by)
    return (time.perf_counter() - began) * 1_000


def _span() -> Span:
    today: date = datetime.now(UTC).date()
    return Span(today - timedelta(days=DAYS - 1), today)
