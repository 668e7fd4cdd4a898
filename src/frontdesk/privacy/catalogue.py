"""The tenant's tables as the database itself lists them, so that a new one can't be forgotten."""

import re
from dataclasses import dataclass

from frontdesk import (
    agent_config,
    billing,
    conversation,
    escalation,
    evaluation,
    feed,
    gateway,
    knowledge,
    learning,
    messaging,
    observability,
)
from frontdesk.core.db import Connection
from frontdesk.core.holdings import KEEP, Holding

_OURS = (
    # The receipts of what was exported and erased, and whom not to take in again.
    Holding("erasure", of_contact="contact_id = $1", erase=KEEP, erase_with_tenant=KEEP),
    Holding("data_export", of_contact="contact_id = $1", erase=KEEP, erase_with_tenant=KEEP),
    Holding("erased_identity", erase_with_tenant=KEEP),
)
HOLDINGS: dict[str, Holding] = {
    holding.table: holding
    for context in (
        conversation.HOLDINGS,
        messaging.HOLDINGS,
        escalation.HOLDINGS,
        observability.HOLDINGS,
        billing.HOLDINGS,
        feed.HOLDINGS,
        gateway.HOLDINGS,
        agent_config.HOLDINGS,
        evaluation.HOLDINGS,
        knowledge.HOLDINGS,
        learning.HOLDINGS,
        _OURS,
    )
    for holding in context
}
# What never leaves in an export, by name: a new secret is held back before anybody thinks of it.
SECRET = re.compile(r"sealed|secret|token_hash|password|digest|(^|_)hash$|(^|_)key_hash")
_TABLES = """
SELECT c.relname AS name,
    array_agg(a.attname::text ORDER BY a.attnum) AS columns,
    array_agg(a.attname::text ORDER BY a.attnum)
        FILTER (WHERE a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype,
            'json'::regtype, 'text[]'::regtype, 'varchar[]'::regtype)
            AND a.attgenerated = '') AS texts,
    array_agg(a.attname::text) FILTER (WHERE a.atttypid = 'jsonb'::regtype) AS json,
    (SELECT array_agg(k.attname::text ORDER BY array_position(i.indkey::int2[], k.attnum))
     FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = ANY(i.indkey)
     WHERE i.indrelid = c.oid AND i.indisprimary) AS key
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    AND has_table_privilege(c.oid, 'SELECT')
GROUP BY c.oid HAVING bool_or(a.attname = 'tenant_id')
ORDER BY c.relname
"""


@dataclass(frozen=True)
class Table:
    """A table whose rows are a tenant's: its columns, those that hold words, and its key."""

    name: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    json: frozenset[str]
    key: tuple[str, ...]

    @property
    def holding(self) -> Holding:
        """What its context says of it."""
        return HOLDINGS.get(self.name, Holding(self.name))

    @property
    def secrets(self) -> list[str]:
        """Columns that never leave."""
        return [name for name in self.columns if SECRET.search(name)]


async def list_tables(connection: Connection) -> list[Table]:
    """Every table with a `tenant_id` that this connection may read, by name."""
    return [
        Table(
            name=row["name"],
            columns=tuple(row["columns"]),
            texts=tuple(row["texts"] or ()),
            json=frozenset(row["json"] or ()),
            key=tuple(row["key"]),
        )
        for row in await connection.fetch(_TABLES)
    ]
