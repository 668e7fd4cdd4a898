"""How the message path reaches its rows: a connection plans each statement once and keeps the plan."""

import re

import asyncpg
from tests.desk import Desk

from frontdesk.messaging.statuses import _APPLY

_MORE = """
INSERT INTO outbound SELECT (jsonb_populate_record(NULL::outbound, to_jsonb(o) || jsonb_build_object(
    'id', gen_random_uuid(), 'client_key', NULL, 'turn_id', NULL, 'wamid', NULL))).*
FROM (SELECT * FROM outbound LIMIT 1) o, generate_series(1, 300)
"""


async def test_statuses_join_no_other_messages_by_a_plan_made_while_there_were_few(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    await desk.say("Hello!")
    # As if nobody had ever looked how many there are.
    async with admin_sql.transaction():
        await admin_sql.execute("DELETE FROM pg_statistic WHERE starelid = 'outbound'::regclass")
    async with desk.resources.db.hot(desk.id) as tx:
        await tx.sql.execute(f"PREPARE apply_statuses AS {_APPLY}")
        one = await tx.sql.fetchval("SELECT id FROM outbound LIMIT 1")
        execute = (
            f"EXECUTE apply_statuses('{{{one}}}', '{{w}}', '{{read}}', '{{2026-11-29}}', '{{NULL}}', "
            "'{sent,delivered,read,played}', '{1}')"
        )
        await tx.sql.execute(f"EXPLAIN {execute}")
        await tx.sql.execute(_MORE)
        plan = await tx.sql.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {execute}")
        await tx.sql.execute("DEALLOCATE apply_statuses; ROLLBACK; BEGIN")
    told = "\n".join(line for (line,) in plan)
    joined_in_vain = sum(map(int, re.findall(r"Rows Removed by Join Filter: (\d+)", told)))
    assert joined_in_vain < 300, told
