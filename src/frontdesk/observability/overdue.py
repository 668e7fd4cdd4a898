"""How far behind the work is: the tables whose rows are jobs, and what people have to look at.

A queue's age is a fact about the database. Asking each context above for its own would need a
registry for the sake of one number, so their tables are named here.
"""

import asyncio
import time
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
    """A table whose rows come due, which of them are unfinished, and whose they are.

    `since` is from when on there has been something to do. Where a row is work from its beginning
    that is before `due_at`, which moves with each try; a row that has not got so far is not counted.
    """

    table: str
    unfinished: str
    since: str = "due_at"
    tenant: str = "tenant_id"
    key: str = "id"


OVERDUE = (
    DueTable(
        "webhook_event",
        "state = 'pending'",
        # Not the plain column, by whose index all that was ever received would be read.
        since="received_at + interval '0'",
        tenant=f"'{NIL}'::uuid",
    ),
    DueTable(
        "conversation",
        "due_at IS NOT NULL AND status = 'ACTIVE'",
        since="coalesce(waiting_since, due_at)",
    ),
    DueTable(
        "outbound",
        "state IN ('pending', 'sending', 'unknown')",
        # Those of a paused channel wait for the tenant's admin, not for us.
        since="CASE WHEN EXISTS (SELECT 1 FROM channel h WHERE h.tenant_id = outbound.tenant_id "
        "AND h.id = outbound.channel_id AND h.status = 'PAUSED') THEN due_at ELSE created_at END",
    ),
    DueTable("timer", "true"),
    DueTable("survey", "due_at IS NOT NULL"),
    DueTable("knowledge_source", "due_at IS NOT NULL"),
    DueTable("eval_run", "due_at IS NOT NULL", since="created_at"),
    # These three look again and again, and are late by `due_at` only.
    DueTable("eval_collection", "due_at IS NOT NULL", key="agent_id"),
    DueTable("learning_round", "due_at IS NOT NULL", key="agent_id"),
    DueTable("canary_watch", "due_at IS NOT NULL", key="experiment_id"),
    DueTable("rule_backtest", "due_at IS NOT NULL", since="created_at"),
    DueTable("drill", "due_at IS NOT NULL"),
    DueTable("llm_replay", "due_at IS NOT NULL", since="created_at"),
    DueTable("agent_preview", "due_at IS NOT NULL", since="created_at"),
    DueTable("commitment", "due_at IS NOT NULL"),
    DueTable("suggestion", "due_at IS NOT NULL", since="created_at"),
    DueTable("budget_reservation", "true"),
    # It looks again every hour.
    DueTable("stripe_account", "true", key="tenant_id"),
    DueTable("stripe_batch", "due_at IS NOT NULL"),
    DueTable("stripe_check", "due_at IS NOT NULL"),
    DueTable("stripe_event", "state = 'pending'", tenant=f"'{NIL}'::uuid"),
    DueTable("usage_book", "true", key="tenant_id"),
    DueTable("chat_request", "state = 'queued'", since="created_at"),
    DueTable("conversation_memory", "due_at IS NOT NULL", key="conversation_id"),
    DueTable("channel", "due_at IS NOT NULL"),
    DueTable("media", "due_at IS NOT NULL", since="created_at"),
    DueTable("template_catalogue", "due_at IS NOT NULL"),
    # A finished export comes due once more, to be deleted.
    DueTable(
        "data_export",
        "due_at IS NOT NULL",
        since="CASE WHEN state = 'queued' THEN created_at ELSE due_at END",
    ),
    DueTable("erasure", "due_at IS NOT NULL", since="created_at"),
    DueTable("outgoing_mail", "dead_at IS NULL", since="created_at", tenant=f"'{NIL}'::uuid"),
)

# Where a tenant says nothing else.
OVERDUE_AFTER_MINUTES = 15
# Conversations `k` whose contact has waited longer than their agent or the tenant lets them. By the
# rank, which an index has: those who have waited longest are its first, and it is read no further
# than to those who have just begun to wait, whatever is allowed.
WAITS_TOO_LONG = f"""
LEFT JOIN assignment_policy p ON p.tenant_id = k.tenant_id
LEFT JOIN agent a ON a.tenant_id = k.tenant_id AND a.id = k.agent_id
WHERE k.status <> 'CLOSED' AND k.waiting_since IS NOT NULL
    AND k.inbox_rank < now() - timestamptz '2000-01-01 00:00:00+00'
    AND k.inbox_rank < now() - make_interval(mins => coalesce(a.overdue_after_minutes,
        CASE WHEN p.tenant_id IS NULL THEN {OVERDUE_AFTER_MINUTES} ELSE p.overdue_after_minutes END))
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
# The first is the first entry of an index each; the second reads what is unfinished.
_LATE = ", ".join(
    f"extract(epoch FROM now() - (SELECT min(due_at) FROM {due.table} "  # noqa: S608  # Ours.
    f"WHERE {due.unfinished} AND due_at <= now()))::float8 AS {due.table}"
    for due in OVERDUE
)
_OLD = ", ".join(
    f"extract(epoch FROM now() - (SELECT min({due.since}) FROM {due.table} "  # noqa: S608  # Ours.
    f"WHERE {due.unfinished} AND {due.since} <= now()))::float8 AS {due.table}"
    for due in OVERDUE
)
# Counted no further than this: more is no other news, and a count reads every row.
MOST_DUE_ROWS = 1_000
_DEPTH = ", ".join(
    f"(SELECT count(*) FROM (SELECT FROM {due.table} WHERE {due.unfinished} AND due_at <= now() "  # noqa: S608  # Ours.
    f"LIMIT {MOST_DUE_ROWS}) AS due)::float8 AS {due.table}"
    for due in OVERDUE
)
# However many ask, and however often.
_LOOK_AGAIN_SECONDS = 3.0
_WAITING = """
SELECT (SELECT count(*) FROM webhook_event WHERE state = 'dead') AS dead_webhooks,
    (SELECT count(*) FROM outbound WHERE state = 'needs_attention' AND discarded_at IS NULL)
        AS uncertain_sends,
    (SELECT count(*) FROM worker_heartbeat WHERE seen_at > now() - interval '15 seconds')
        AS workers_alive
"""


@dataclass(frozen=True)
class Ages:
    """A number of seconds for each table, or None where there is nothing to tell."""

    seconds: Mapping[str, float | None]

    @property
    def most_seconds(self) -> float | None:
        """The most of all, or None when there is nothing."""
        return max((age for age in self.seconds.values() if age is not None), default=None)

    @property
    def most_table(self) -> str | None:
        """Where it is."""
        ages = {table: age for table, age in self.seconds.items() if age is not None}
        return max(ages, key=lambda table: ages[table], default=None)


@dataclass(frozen=True)
class Waiting:
    """What waits for people and goes on without them never."""

    dead_webhooks: int
    uncertain_sends: int
    workers_alive: int
    overdue_contacts: Mapping[str, int]


async def look_at_late(connection: Connection) -> Ages:
    """How long ago the row of each table came due that has been due for longest.

    All tenants', from a connection that sees them. Whoever could do it is missing.
    """
    return await _ages(connection, _LATE)


async def look_at_old(connection: Connection) -> Ages:
    """For how long the oldest of each table has been unfinished, tried in vain a minute ago or not.

    All tenants', from a connection that sees them.
    """
    return await _ages(connection, _OLD)


async def count_due(connection: Connection) -> Mapping[str, float]:
    """How many rows of each table are due now, up to `MOST_DUE_ROWS`."""
    row = await connection.fetchrow(f"SELECT {_DEPTH}")
    assert row is not None
    return dict(row)


async def _ages(connection: Connection, columns: str) -> Ages:
    row = await connection.fetchrow(f"SELECT {columns}")
    assert row is not None
    return Ages(dict(row))


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
        self._seen: tuple[Ages, Ages, Waiting, Mapping[str, float]] | None = None
        self._looked_at = float("-inf")
        resources.metrics.registry.register(self)

    async def refresh(self) -> None:
        """Look, unless that was just done. Never raises, and takes no longer than a scrape may."""
        if time.monotonic() - self._looked_at < _LOOK_AGAIN_SECONDS:
            return
        # Before the query: who asks meanwhile is told what was seen last.
        self._looked_at = time.monotonic()
        try:
            async with asyncio.timeout(_LOOK_SECONDS), self._resources.db.system() as connection:
                late, old = await look_at_late(connection), await look_at_old(connection)
                waiting = await look_at_waiting(connection)
                self._seen = late, old, waiting, await count_due(connection)
        except (Unavailable, TimeoutError, asyncpg.PostgresError, OSError):
            self._seen = None

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads: nothing is better than a number that is no longer true."""
        if self._seen is None:
            return
        late, old, waiting, due = self._seen
        for name, words, ages in (
            ("overdue", "For how long the row due for longest has been due; 0: none is", late),
            ("oldest_unfinished", "For how long the oldest work has been unfinished", old),
        ):
            gauge = GaugeMetricFamily(f"frontdesk_{name}_seconds", words, labels=["table"])
            for table, seconds in ages.seconds.items():
                gauge.add_metric([table], seconds or 0)
            yield gauge
        depth = GaugeMetricFamily(
            "frontdesk_due_rows",
            f"Rows that are due now; {MOST_DUE_ROWS} are that many or more",
            labels=["table"],
        )
        for table, count in due.items():
            depth.add_metric([table], count)
        yield depth
        yield GaugeMetricFamily(
            "frontdesk_dead_webhooks", "Raw webhooks given up", waiting.dead_webhooks
        )
        yield GaugeMetricFamily(
            "frontdesk_uncertain_sends",
            "Messages of which a person has to say whether they arrived",
            waiting.uncertain_sends,
        )
        yield GaugeMetricFamily(
            "frontdesk_workers_alive", "Workers seen lately", waiting.workers_alive
        )
        overdue = GaugeMetricFamily(
            "frontdesk_overdue_contacts",
            "Contacts who have waited longer than their tenant lets them, by who should answer",
            labels=["owner"],
        )
        for owner, count in waiting.overdue_contacts.items():
            overdue.add_metric([owner], count)
        yield overdue
