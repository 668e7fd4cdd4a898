"""Retention: each kind of thing goes when its days are over, in batches, and costs stay."""

from typing import Any
from uuid import uuid4

from tests.desk import Desk

from frontdesk.core.resources import Resources

NUMBER = "4915550001"


async def _age(admin_sql: Any, desk: Desk, table: str, column: str, days: int) -> None:
    await admin_sql.execute(
        f"UPDATE {table} SET {column} = {column} - make_interval(days => $2, hours => 2) "
        "WHERE tenant_id = $1",
        desk.id,
        days,
    )


async def test_what_was_said_in_model_calls_goes_after_its_days_and_costs_stay(
    desk: Desk, admin_sql: Any
) -> None:
    await desk.say("How long does delivery take?")
    admin = await desk.admin()
    (before, *_) = (await admin.get("/llm-calls"))["items"]
    assert (await admin.get(f"/llm-calls/{before['id']}"))["messages"]
    days = desk.resources.settings.retention.llm_text_days
    await _age(admin_sql, desk, "llm_call", "created_at", days - 1)
    await desk.work_until_idle()
    assert (await admin.get(f"/llm-calls/{before['id']}"))["messages"]
    await _age(admin_sql, desk, "llm_call", "created_at", 1)
    await desk.work_until_idle()
    after = await admin.get(f"/llm-calls/{before['id']}")
    assert (after["messages"], after["response"]) == ([], None)
    assert after["texts_erased_at"]
    for kept in ("input_tokens", "output_tokens", "cost_usd", "model_used", "outcome"):
        assert after[kept] == before[kept]
    assert await desk.sql("SELECT 1 FROM usage_entry")


async def test_a_tenant_may_keep_things_for_fewer_days_than_the_deployment(
    desk: Desk, resources: Resources, admin_sql: Any
) -> None:
    neighbour = await Desk.make(desk.app, resources, desk.dispatcher, desk.simulator)
    for each in (desk, neighbour):
        await each.say("How long does delivery take?")
        await _age(admin_sql, each, "llm_call", "created_at", 2)
        await _age(admin_sql, each, "feed_event", "at", 2)
    admin = await desk.admin()
    told = await admin.put("/retention", {"feed_days": 2, "llm_text_days": 2, "export_days": 1})
    limits = resources.settings.retention
    assert told == {
        "feed_days": 2,
        "llm_text_days": 2,
        "export_days": 1,
        "media_days": limits.media_days,
        "webhook_days": limits.webhook_days,
    }
    await desk.work_until_idle()
    texts = "SELECT 1 FROM llm_call WHERE texts_erased_at IS NULL"
    assert await desk.sql(texts) == []
    assert len(await neighbour.sql(texts)) >= 1
    old = "SELECT 1 FROM feed_event WHERE at < now() - interval '2 days'"
    assert await desk.sql(old) == []
    assert len(await neighbour.sql(old)) >= 1
    await neighbour.aclose()


async def test_a_tenant_can_not_keep_things_for_longer_than_the_deployment(desk: Desk) -> None:
    admin = await desk.admin()
    for name in ("feed_days", "llm_text_days", "export_days"):
        most = getattr(desk.resources.settings.retention, name)
        refused = await admin.put("/retention", {name: most + 1}, status=422)
        assert name in refused["detail"]
        await admin.put("/retention", {name: 0}, status=422)
    await admin.put("/retention", {"webhook_days": 9}, status=422)
    await (await desk.ana()).put("/retention", {}, status=403)


async def test_raw_webhooks_that_are_done_with_go_after_their_days_and_dead_ones_stay(
    desk: Desk, admin_sql: Any
) -> None:
    mark = uuid4().hex.encode()
    days = desk.resources.settings.retention.webhook_days
    for state, age in (("done", days), ("done", days - 1), ("discarded", days), ("dead", days)):
        await admin_sql.execute(
            "INSERT INTO webhook_event (source, body, state, received_at) VALUES ('whatsapp', $1, "
            "$2, now() - make_interval(days => $3, mins => 5))",
            mark,
            state,
            age,
        )
    await desk.work_until_idle()
    left = await admin_sql.fetch("SELECT state FROM webhook_event WHERE body = $1 ORDER BY 1", mark)
    assert [row["state"] for row in left] == ["dead", "done"]
    # Operators see the dead of all tenants, other tests' among them.
    await admin_sql.execute("DELETE FROM webhook_event WHERE body = $1", mark)


async def test_finding_what_is_overdue_reads_an_index_however_much_is_kept(admin_sql: Any) -> None:
    from frontdesk.observability.work import _LIST

    await admin_sql.execute("SET enable_seqscan = off")
    plan = await admin_sql.fetch(f"EXPLAIN {_LIST}".replace("$1", "30").replace("$2", "10"))
    await admin_sql.execute("RESET enable_seqscan")
    assert "ix_llm_call_texts" in "\n".join(row[0] for row in plan)
