"""What a process counts, and what Prometheus is told when it asks."""

from uuid import uuid4

import pytest
from tests.desk import Desk

from frontdesk.core.metrics import MOST_TENANTS, Metrics
from frontdesk.core.resources import Resources
from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.breaker import FAILURES, Admission
from frontdesk.gateway.door import Door
from frontdesk.observability import overdue
from frontdesk.observability.overdue import BacklogGauges


def value(resources: Resources, name: str, **labels: str) -> float:
    return resources.metrics.registry.get_sample_value(name, labels) or 0.0


def test_tenants_beyond_the_hundredth_share_a_label():
    metrics = Metrics()
    first = uuid4()
    assert metrics.tenant(first) == str(first)
    others = {metrics.tenant(uuid4()) for _ in range(MOST_TENANTS + 20)}
    assert len(others) == MOST_TENANTS
    assert "other" in others
    assert metrics.tenant(first) == str(first)


async def test_a_turn_is_counted_by_what_was_found_checked_and_decided(desk: Desk):
    tenant = str(desk.id)
    counted = {
        "frontdesk_guard_total": {"verdict": "passed"},
        "frontdesk_retrievals_total": {"tenant": tenant, "found": "some"},
        "frontdesk_turns_total": {"tenant": tenant, "outcome": "reply"},
        "frontdesk_answer_seconds_count": {"outcome": "reply"},
        "frontdesk_retrieval_seconds_count": {},
        "frontdesk_sends_total": {"outcome": "accepted"},
    }
    desk.resources.metrics._tenants.pop(desk.id, None)
    desk.resources.metrics._tenants.clear()  # Tests have made more tenants than have a label.
    before = {name: value(desk.resources, name, **labels) for name, labels in counted.items()}
    await desk.say("When does it ship?")
    after = {name: value(desk.resources, name, **labels) for name, labels in counted.items()}
    assert {name: after[name] - before[name] for name in counted} == dict.fromkeys(counted, 1.0)


async def test_a_handoff_is_counted_by_its_reason(desk: Desk):
    before = value(desk.resources, "frontdesk_handoffs_total", reason="requested")
    await desk.say("I want to talk to a human being.")
    assert value(desk.resources, "frontdesk_handoffs_total", reason="requested") == before + 1


async def test_a_write_is_counted_under_its_route(desk: Desk):
    labels = {"method": "POST", "route": "/webhooks/whatsapp", "status": "200"}
    before = value(desk.resources, "frontdesk_http_requests_total", **labels)
    await desk.say("When does it ship?")
    assert value(desk.resources, "frontdesk_http_requests_total", **labels) > before


async def test_a_model_that_is_left_alone_is_told(desk: Desk):
    breaker, model = desk.resources.keep(Door).breaker, "groq/openai/gpt-oss-20b"
    assert value(desk.resources, "frontdesk_llm_breaker_open", model=model) == 0
    for _ in range(FAILURES):
        await breaker.settle(model, Outcome.PROVIDER_DOWN, Admission(), None)
    assert value(desk.resources, "frontdesk_llm_breaker_open", model=model) == 1


async def test_how_much_is_due_is_looked_up_once_in_some_seconds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    # However long a busy machine takes for what happens between two looks, and for a look.
    monkeypatch.setattr(overdue, "_LOOK_AGAIN_SECONDS", 3_600)
    monkeypatch.setattr(overdue, "_LOOK_SECONDS", 50)
    gauges = desk.resources.keep(BacklogGauges)
    gauges._looked_at = float("-inf")
    await gauges.refresh()
    before = value(desk.resources, "frontdesk_due_rows", table="timer")
    await desk.say("When does it ship?")
    await desk.sql("UPDATE timer SET due_at = now() - interval '1 minute'")
    await gauges.refresh()
    assert value(desk.resources, "frontdesk_due_rows", table="timer") == before
    gauges._looked_at = float("-inf")
    await gauges.refresh()
    assert value(desk.resources, "frontdesk_due_rows", table="timer") > before
    await desk.sql("DELETE FROM timer")


async def test_connections_are_told_by_pool(desk: Desk):
    await desk.sql("SELECT 1")
    idle = value(desk.resources, "frontdesk_db_connections", pool="hot", state="idle")
    busy = value(desk.resources, "frontdesk_db_connections", pool="hot", state="busy")
    assert 1 <= idle + busy <= value(desk.resources, "frontdesk_db_pool_size")
