"""How the message path reaches its rows: a connection plans each statement once and keeps the plan."""

from tests.desk import Desk

from frontdesk.messaging.statuses import _APPLY


async def test_statuses_reach_their_messages_by_id_while_the_table_is_small(desk: Desk) -> None:
    async with desk.resources.db.hot(desk.id) as tx:
        await tx.sql.execute(f"PREPARE apply_statuses AS {_APPLY}")
        plan = await tx.sql.fetch(
            "EXPLAIN EXECUTE apply_statuses('{}', '{}', '{}', '{}', '{}', '{}', '{}')"
        )
        await tx.sql.execute("DEALLOCATE apply_statuses")
    conditions = [line for (line,) in plan if "Index Cond" in line and "tenant_id" in line]
    assert conditions
    assert all("(id = " in condition for condition in conditions), plan
