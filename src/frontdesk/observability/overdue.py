"""How far behind the work is: the tables whose rows are jobs, and what people have to look at.

A queue's age is a fact about the database. Asking each context above for its own would need a
registry for the sake of one number, so their tables are named here.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import asyncpg
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from frontdesk.core.db import Connection
from frontdesk.core.errors import Unavailable
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources


@dataclass(frozen=True)
class DueTable:
    """A table whose rows come due, which of them are unfinished, and whose they are."""

    table: str
    unfinished: str
    tenant: str = "tenant_id"
    key: str = "id"


OVERDUE = (
    DueTable("webhook_event", "state = 'pending'", tenant=f"'{NIL}'::uuid"),
    DueTable("conversation", "due_at IS NOT NULL AND status = 'ACTIVE'"),
    DueTable("outbound", "state IN ('pending', 'sending', 'unknown')"),
    DueTable("timer", "true"),
    DueTable("survey", "due_at IS NOT NULL"),
    DueTable("knowledge_source", "due_at IS NOT NULL"),
    DueTable("eval_run", "due_at IS NOT NULL"),
    DueTable("rule_backtest", "due_at IS NOT NULL"),
    DueTable("llm_replay", "due_at IS NOT NULL"),
    DueTable("agent_preview", "due_at IS NOT NULL"),
    DueTable("commitment", "due_at IS NOT NULL"),
    DueTable("suggestion", "due_at IS NOT NULL"),
    DueTable("budget_reservation", "true"),
    DueTable("chat_request", "state = 'queued'"),
    DueTable("conversation_memory", "due_at IS NOT NULL", key="conversation_id"),
    DueTable("channel", "due_at IS NOT NULL"),
    DueTable("media", "due_at IS NOT NULL"),
    DueTable("template_catalogue", "due_at IS NOT NULL"),
    DueTable("data_export", "due_at IS NOT NULL"),
    DueTable("erasure", "due_at IS NOT NULL"),
    DueTable("outgoing_mail", "dead_at IS NULL", tenant=f"'{NIL}'::uuid"),
)

# Where a tenant says nothing else.
OVERDUE_AFTER_MINUTES = 15
# Conversations `k` whose contact has waited longer than the tenant lets them. By the rank, which an
# index has: those who have waited longest are its first.
WAITS_TOO_LONG = f"""
LEFT JOIN assignment_policy p ON p.tenant_id = k.tenant_id
WHERE k.status <> 'CLOSED' AND k.waiting_since IS NOT NULL
    AND k.inbox_rank < now() - make_interval(mins => CASE WHEN p.tenant_id IS NULL
        THEN {OVERDUE_AFTER_MINUTES} ELSE p.overdue_after_minutes END)
        - timestamptz '2000-01-01 00:00:00+00'
"""
_OWNER = """
CASE WHEN k.status = 'ACTIVE' THEN 'agent' WHEN k.assigned_user_id IS NOT NULL THEN 'human_agent'
    ELSE 'queue' END
"""
_OVERDUE_CONTACTS = f"""
SELECT late.owner, count(*) AS count FROM tenant t CROSS JOIN LATERAL (
    SELECT {_OWNER} AS owner FROM conversation k {WAITS_TOO_LONG} AND k.tenant_id = t.id
) late GROUP BY late.owner
"""  # noqa: S608  # Ours.

_LOOK_SECONDS = 3
# Each `min` is the first entry of an index.
_AGES = ", ".join(
    f"extract(epoch FROM now() - (SELECT min(due_at) FROM {due.table} "  # noqa: S608  # Ours.
    f"WHERE {due.unfinished} AND due_at <= now()))::float8 AS {due.table}"
    for due in OVERDUE
)
_WAITING = """
SELECT (SELECT count(*) FROM webhook_event WHERE state = 'dead') AS dead_webhooks,
    (SELECT count(*) FROM outbound WHERE state = 'needs_attention' AND discarded_at IS NULL)
        AS uncertain_sends
"""


@dataclass(frozen=True)
class Backlog:
    """How many seconds ago the oldest unfinished row of each table came due; None: nothing is."""

    seconds: Mapping[str, float | None]

    @property
    def oldest_seconds(self) -> float | None:
        """The oldest of all, or None when nothing is due."""
        return max((age for age in self.seconds.values() if age is not None), default=None)

    @property
    def oldest_table(self) -> str | None:
        """Where the oldest is."""
        ages = {table: age for table, age in self.seconds.items() if age is not None}
        return max(ages, key=lambda table: ages[table], default=None)


@dataclass(frozen=True)
class Waiting:
    """What waits for people and goes on without them never."""

    dead_webhooks: int
    uncertain_sends: int
    overdue_contacts: Mapping[str, int]


async def look_at_backlog(connection: Connection) -> Backlog:
    """How far behind the work of all tenants is, from a connection that sees them."""
    row = await connection.fetchrow(f"SELECT {_AGES}")
    assert row is not None
    return Backlog(dict(row))


async def look_at_waiting(connection: Connection) -> Waiting:
    """How much waits for people, over all tenants, from a connection that sees them."""
    row = await connection.fetchrow(_WAITING)
    assert row is not None
    overdue = dict.fromkeys(("agent", "human_agent", "queue"), 0)
    overdue |= {each["owner"]: each["count"] for each in await connection.fetch(_OVERDUE_CONTACTS)}
    return Waiting(**row, overdue_contacts=overdue)


class BacklogGauges(Collector):
    """The same as metrics, as they were when `refresh` last looked; none while Postgres is down.

    They are of the whole deployment, so the web processes tell them and workers do not.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._seen: tuple[Backlog, Waiting] | None = None
        resources.metrics.registry.register(self)

    async def refresh(self) -> None:
        """Look now. Never raises, and takes no longer than a scrape may."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS), self._resources.db.system() as connection:
                self._seen = await look_at_backlog(connection), await look_at_waiting(connection)
        except (Unavailable, TimeoutError, asyncpg.PostgresError, OSError):
            self._seen = None

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads: nothing is better than a number that is no longer true."""
        if self._seen is None:
            return
        backlog, waiting = self._seen
        oldest = GaugeMetricFamily(
            "frontdesk_oldest_unfinished_seconds",
            "Since when the oldest unfinished row has been due; 0: nothing is",
            labels=["table"],
        )
        for table, seconds in backlog.seconds.items():
            oldest.add_metric([table], seconds or 0)
        yield oldest
        yield GaugeMetricFamily(
            "frontdesk_dead_webhooks", "Raw webhooks given up", waiting.dead_webhooks
        )
        yield GaugeMetricFamily(
            "frontdesk_uncertain_sends",
            "Messages of which a person has to say whether they arrived",
            waiting.uncertain_sends,
        )
        overdue = GaugeMetricFamily(
            "frontdesk_overdue_contacts",
            "Contacts who have waited longer than their tenant lets them, by who should answer",
            labels=["owner"],
        )
        for owner, count in waiting.overdue_contacts.items():
            overdue.add_metric([owner], count)
        yield overdue
