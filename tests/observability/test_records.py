"""Model calls and the audit log: complete, sealed per tenant, and never rewritten."""

import contextlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.observability import LlmCallRecord, audit, record_llm_calls

Browse = Callable[[UUID, Role], Awaitable[httpx.AsyncClient]]
CALLS, AUDIT = "/api/v1/llm-calls", "/api/v1/audit-entries"


def a_call(**changes: Any) -> LlmCallRecord:
    given: dict[str, Any] = {
        "request_id": ids.new(),
        "attempt": 1,
        "feature": "reply",
        "conversation_id": ids.new(),
        "model_asked": "groq/openai/gpt-oss-20b",
        "model_used": "openai/gpt-oss-20b",
        "messages": [{"role": "user", "content": "Where is my lamp?"}],
        "parameters": {"temperature": 0.2},
        "chunk_ids": ["0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"],
        "response": "On its way.",
        "outcome": "ok",
        "status_code": 200,
        "input_tokens": 12,
        "output_tokens": 4,
        "cost_usd": Decimal("0.000002100"),
        "latency_seconds": 0.25,
    }
    return LlmCallRecord(**(given | changes))


async def record(resources: Resources, tenant_id: UUID, *calls: LlmCallRecord) -> None:
    async with resources.db.hot(tenant_id) as tx:
        for call in calls:
            await record_llm_calls(tx, [call])


async def test_a_call_holds_all_it_takes_to_make_it_again(
    resources: Resources, tenant_id: UUID, browse: Browse
) -> None:
    call = a_call()
    await record(resources, tenant_id, call)
    browser = await browse(tenant_id, Role.ADMIN)
    told = (await browser.get(f"{CALLS}/{call.id}")).json()
    assert told["messages"] == call.messages
    assert told["parameters"] == call.parameters
    assert told["chunk_ids"] == list(call.chunk_ids)
    assert told["response"] == "On its way."
    assert Decimal(told["cost_usd"]) == call.cost_usd
    assert told["request_id"] == str(call.request_id)


async def test_human_agents_see_what_calls_took_and_not_what_was_said(
    resources: Resources, tenant_id: UUID, browse: Browse
) -> None:
    call = a_call()
    await record(resources, tenant_id, call)
    browser = await browse(tenant_id, Role.HUMAN_AGENT)
    listed = await browser.get(CALLS)
    assert listed.json()["items"][0]["input_tokens"] == 12
    assert "lamp" not in listed.text
    assert "On its way" not in listed.text
    assert (await browser.get(f"{CALLS}/{call.id}")).status_code == 403
    assert (await browser.get(AUDIT)).status_code == 403


async def test_calls_come_newest_first_in_pages_and_by_conversation(
    resources: Resources, tenant_id: UUID, browse: Browse
) -> None:
    conversation_id = ids.new()
    calls = [a_call(conversation_id=conversation_id, attempt=number) for number in range(1, 6)]
    await record(resources, tenant_id, *calls, a_call())
    browser = await browse(tenant_id, Role.HUMAN_AGENT)
    attempts, cursor = [], None
    for _ in range(3):
        params = {"conversation_id": str(conversation_id), "limit": 2, "cursor": cursor}
        page = (
            await browser.get(CALLS, params={k: v for k, v in params.items() if v is not None})
        ).json()
        attempts += [item["attempt"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert attempts == [5, 4, 3, 2, 1]
    assert cursor is None


async def test_another_tenants_calls_do_not_exist(
    resources: Resources, tenant_id: UUID, other_tenant_id: UUID, browse: Browse
) -> None:
    call = a_call()
    await record(resources, other_tenant_id, call)
    browser = await browse(tenant_id, Role.ADMIN)
    foreign = await browser.get(f"{CALLS}/{call.id}")
    missing = await browser.get(f"{CALLS}/{ids.new()}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
    assert missing.status_code == 404
    filtered = await browser.get(f"{CALLS}?conversation_id={call.conversation_id}")
    assert (filtered.status_code, filtered.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("text", ["nul \x00 byte", "half a pair \ud83d", '"\\u0000" as text'])
async def test_whatever_a_model_answers_can_be_stored(
    resources: Resources, tenant_id: UUID, browse: Browse, text: str
) -> None:
    call = a_call(messages=[{"role": "user", "content": text}], response=text)
    await record(resources, tenant_id, call)
    browser = await browse(tenant_id, Role.ADMIN)
    told = (await browser.get(f"{CALLS}/{call.id}")).json()
    assert told["response"] == told["messages"][0]["content"]
    assert (
        told["response"].replace("\ufffd", "\ud83d").replace("nul  byte", "nul \x00 byte") == text
    )


async def test_the_audit_log_tells_who_did_what_and_is_lost_with_what_was_not_done(
    resources: Resources, tenant_id: UUID, browse: Browse
) -> None:
    user_id = ids.new()
    async with resources.db.transaction(tenant_id) as session:
        await audit(session, "channel.paused", "channel", "c-1", details={"why": "test"})
        await audit(session, "agent.changed", "agent", "a-1", user_id=user_id, request_id="r-1")

    with contextlib.suppress(ZeroDivisionError):
        async with resources.db.hot(tenant_id) as tx:
            await audit(tx, "agent.deleted", "agent", "a-1")
            1 / 0  # noqa: B018  # What should have been done fails.
    browser = await browse(tenant_id, Role.ADMIN)
    entries = (await browser.get(AUDIT)).json()["items"]
    # The newest is the browser's own sign-in.
    assert [item["action"] for item in entries] == [
        "session.opened",
        "agent.changed",
        "channel.paused",
    ]
    assert entries[1]["user_id"] == str(user_id)
    assert entries[1]["request_id"] == "r-1"
    assert entries[2]["details"] == {"why": "test"}
    assert entries[2]["user_id"] is None
    only = (await browser.get(f"{AUDIT}?subject_id=a-1&user_id={user_id}")).json()["items"]
    assert [item["action"] for item in only] == ["agent.changed"]


@pytest.mark.parametrize("query", ["action=%00", "subject_id=a%00", "user_id=1", "limit=1000"])
async def test_a_query_that_makes_no_sense_is_refused(
    tenant_id: UUID, browse: Browse, query: str
) -> None:
    browser = await browse(tenant_id, Role.ADMIN)
    assert (await browser.get(f"{AUDIT}?{query}")).status_code == 422


async def test_what_is_recorded_is_never_rewritten(resources: Resources, tenant_id: UUID) -> None:
    await record(resources, tenant_id, a_call())
    for statement in (
        "UPDATE llm_call SET response = ''",
        "DELETE FROM llm_call",
        "UPDATE audit_entry SET action = ''",
        "DELETE FROM audit_entry",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with resources.db.hot(tenant_id) as tx:
                await tx.sql.execute(statement)


async def test_nobody_else_may_read_the_records(app: Any) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver"
    ) as browser:
        for path in (CALLS, f"{CALLS}/{ids.new()}", AUDIT):
            assert (await browser.get(path)).status_code == 401
