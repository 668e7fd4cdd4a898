"""What files take, counted once a day: MiB kept for a day, by what they are.

The files belong to contexts above. Asking each for one number would need a registry for its sake,
so their tables are named here, as `observability/overdue.py` does.
"""

from dataclasses import dataclass
from datetime import date

from frontdesk.core import ids
from frontdesk.core.db import Transaction

FEATURE = "storage"
# A month of a price per month.
DAYS_OF_A_MONTH = 30


@dataclass(frozen=True)
class Stored:
    """A table of files: what they are called in the ledger, and which of its rows have bytes."""

    name: str
    table: str
    where: str


STORED = (
    Stored("media", "media", "state = 'stored'"),
    Stored("knowledge", "knowledge_source", "state <> 'deleting'"),
)
_INSERT = """
INSERT INTO usage_entry (id, day, kind, source_id, feature, model, quantity, unit_prices,
                         amount_usd, input_tokens, output_tokens, cached_input_tokens)
SELECT $2, $1, 'storage', '{name}:' || $1::date::text, '{feature}', '{name}', kept.mib,
       CASE WHEN t.storage_usd_per_gib_month IS NOT NULL THEN
           jsonb_build_object('usd_per_gib_month', t.storage_usd_per_gib_month::text) END,
       t.storage_usd_per_gib_month * kept.mib / 1024 / {days}, 0, 0, 0
FROM (SELECT ceil(coalesce(sum(size_bytes), 0) / 1048576.0)::int AS mib
      FROM {table} WHERE {where}) kept
LEFT JOIN cost_terms t ON true
WHERE kept.mib > 0
ON CONFLICT (tenant_id, kind, source_id) DO NOTHING
"""


async def record_storage(tx: Transaction, day: date) -> None:
    """Count what the tenant's files take now as that day's; safe to repeat.

    The bytes are those of now: a day on which no worker ran at all is not counted afterwards.
    """
    for stored in STORED:
        statement = _INSERT.format(
            name=stored.name,
            feature=FEATURE,
            table=stored.table,
            where=stored.where,
            days=DAYS_OF_A_MONTH,
        )
        await tx.sql.execute(statement, day, ids.new())
