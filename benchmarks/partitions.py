"""What partitions by day would cost and save the raw webhooks: `python -m benchmarks.partitions`.

The same rows in a table as it is and in one cut into 30 days by its id; the statements are those of a
message's way, and the deletes those of retention. docs/decisions/0015-no-partitions-yet.md says what
follows.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import asyncpg

from benchmarks.ground import Ground
from frontdesk.core.settings import with_database

DAYS, ROWS_A_DAY, BODY_BYTES = 30, 5_000, 1_500
BATCH = 16
ROUNDS = 150
_COLUMNS = (
    "id bigint NOT NULL, source text NOT NULL, body bytea NOT NULL, state text NOT NULL DEFAULT 'done', "
    "due_at timestamptz NOT NULL DEFAULT now(), attempts int NOT NULL DEFAULT 0, "
    "received_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id)"
)
_INDEXES = (
    "CREATE INDEX ON {} (due_at, id) WHERE state = 'pending'",
    "CREATE INDEX ON {} (received_at)",
    "CREATE INDEX ON {} (id) WHERE state = 'dead'",
)
_INSERT = (
    "INSERT INTO {} (id, source, body, state) "
    "SELECT nextval('numbers'), 'whatsapp', unnest($1::bytea[]), 'pending'"
)
_CLAIM = (
    "UPDATE {0} SET attempts = attempts + 1 WHERE id = ANY (ARRAY(SELECT id FROM {0} "
    "WHERE state = 'pending' AND due_at <= now() ORDER BY id LIMIT 100 "
    "FOR UPDATE SKIP LOCKED)) RETURNING id"
)
_FINISH = "UPDATE {} SET state = 'done' WHERE id = ANY ($1)"
_DELETE = (
    "DELETE FROM {0} WHERE ctid IN (SELECT ctid FROM {0} WHERE state = 'done' "
    "AND received_at < now() - make_interval(days => $1) LIMIT 1000)"
)


async def make(sql: "asyncpg.Connection[asyncpg.Record]", table: str, *, in_days: bool) -> None:
    """A table of 30 days, an equal share of rows each."""
    await sql.execute(
        f"CREATE TABLE {table} ({_COLUMNS})" + (" PARTITION BY RANGE (id)" if in_days else "")
    )
    if in_days:
        for day in range(DAYS + 3):  # Some made ahead.
            first, last = day * ROWS_A_DAY, (day + 1) * ROWS_A_DAY
            await sql.execute(
                f"CREATE TABLE {table}_{day} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({last})"
            )
    for index in _INDEXES:
        await sql.execute(index.format(table))
    await sql.execute(
        f"INSERT INTO {table} (id, source, body, received_at) SELECT n, 'whatsapp', "
        f"decode(repeat(md5(n::text), {BODY_BYTES // 16}), 'hex'), "
        f"now() - make_interval(days => {DAYS} - (n / {ROWS_A_DAY})::int) "
        f"FROM generate_series(0, {DAYS * ROWS_A_DAY - 1}) n"
    )
    await sql.execute(f"ANALYZE {table}")


async def on_the_way(sql: "asyncpg.Connection[asyncpg.Record]", table: str) -> dict[str, float]:
    """Milliseconds in the middle for each statement of a batch of webhooks."""
    bodies = [os.urandom(BODY_BYTES) for _ in range(BATCH)]
    insert = await sql.prepare(_INSERT.format(table))
    claim = await sql.prepare(_CLAIM.format(table))
    finish = await sql.prepare(_FINISH.format(table))
    took: dict[str, list[float]] = {"insert": [], "claim": [], "finish": []}

    async def timed(name: str, act: Callable[[], Awaitable[object]]) -> object:
        began = time.perf_counter()
        found = await act()
        took[name].append((time.perf_counter() - began) * 1000)
        return found

    for _ in range(ROUNDS):
        await timed("insert", lambda: insert.fetch(bodies))
        rows = await timed("claim", claim.fetch)
        ids = [row["id"] for row in rows]  # type: ignore[attr-defined]  # Records.
        await timed("finish", lambda ids=ids: finish.fetch(ids))  # type: ignore[misc]  # Bound here.
    return {name: statistics.median(values) for name, values in took.items()}


async def measure(dsn: str) -> None:
    """Both tables in turn, and how long a day takes to go from each."""
    sql = await asyncpg.connect(dsn)
    # As connections of the message path plan: once, by indexes.
    await sql.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
    print("| | insert, ms | claim, ms | finish, ms | a day goes in, ms |\n|---|---|---|---|---|")
    for table, in_days in (("whole", False), ("in_days", True)):
        await sql.execute(
            f"DROP SEQUENCE IF EXISTS numbers; CREATE SEQUENCE numbers START {DAYS * ROWS_A_DAY}"
        )
        await make(sql, table, in_days=in_days)
        way = await on_the_way(sql, table)
        began = time.perf_counter()
        if in_days:
            await sql.execute(f"DROP TABLE {table}_0")
        else:
            delete = _DELETE.format(table)
            while await sql.execute(delete, DAYS - 1) == "DELETE 1000":
                pass
        gone = (time.perf_counter() - began) * 1000
        shown = " | ".join(f"{way[name]:.2f}" for name in ("insert", "claim", "finish"))
        print(f"| {table} | {shown} | {gone:.0f} |", flush=True)
    await sql.close()


def main() -> None:
    """Measure on a Postgres of its own, with fsync."""
    with Ground() as ground:
        asyncio.run(measure(with_database(ground.postgres.url, "postgres")))
    print(f"\n{DAYS} days of {ROWS_A_DAY:,} webhooks of {BODY_BYTES:,} bytes, {BATCH} in a batch.")


if __name__ == "__main__":
    sys.exit(main())
