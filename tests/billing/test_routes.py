"""Usage reports over HTTP."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from frontdesk.billing import DeliveredMessage, record_deliveries
from frontdesk.billing.service import span_of
from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.errors import Invalid
from frontdesk.core.resources import Resources

from .conftest import MakeTenant, SignIn
from .using import use

NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}


async def report(sign_in: SignIn, tenant_id: UUID, **query: Any) -> Any:
    response = await sign_in(tenant_id).get("/api/v1/usage", params={**NOVEMBER, **query})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_month_by_day_in_utc(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await use(resources, tenant_id, "2026-10-31T23:59:59Z")
    await use(resources, tenant_id, "2026-11-01T00:00:00Z")
    await use(resources, tenant_id, "2026-11-20T23:59:59Z", usd=None)
    await use(resources, tenant_id, "2026-11-21T01:00:00+02:00")
    await use(resources, tenant_id, "2026-11-30T23:59:59Z")
    await use(resources, tenant_id, "2026-12-01T00:00:00Z")
    answer = await report(sign_in, tenant_id)
    assert (answer["from"], answer["to"], answer["group_by"]) == (*NOVEMBER.values(), "day")
    assert [(item["key"], item["calls"]) for item in answer["items"]] == [
        ("2026-11-01", 1),
        ("2026-11-20", 2),
        ("2026-11-30", 1),
    ]
    assert answer["total"] == {
        "calls": 4,
        "messages": 0,
        "human_seconds": 0,
        "speech_seconds": 0,
        "storage_mib_days": 0,
        "reasoning_tokens": 0,
        "input_tokens": 400,
        "output_tokens": 40,
        "cached_input_tokens": 160,
        "amount_usd": "0.003000000",
        "cache_hits": 0,
        "cache_hit_rate": 0.0,
        "saved_usd": "0",
        "own_key_usd": "0",
        "unpriced": 1,
    }
    assert answer["next_cursor"] is None


@pytest.mark.parametrize("group_by", ["model", "feature"])
async def test_by_model_and_by_feature(
    resources: Resources, tenant_id: UUID, sign_in: SignIn, group_by: str
) -> None:
    await use(resources, tenant_id, model="a/model", feature="a/feature")
    await use(resources, tenant_id, model="b/model", feature="b/feature")
    await use(resources, tenant_id, model="b/model", feature="b/feature")
    answer = await report(sign_in, tenant_id, group_by=group_by)
    assert [(item["key"], item["calls"], item["amount_usd"]) for item in answer["items"]] == [
        (f"a/{group_by}", 1, "0.001000000"),
        (f"b/{group_by}", 2, "0.002000000"),
    ]


async def test_conversations_come_in_pages_newest_first_and_each_once(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    conversations = [ids.new() for _ in range(5)]
    for conversation_id in [*conversations, None]:
        await use(resources, tenant_id, conversation_id=conversation_id)
    seen: list[str | None] = []
    query: dict[str, Any] = {"group_by": "conversation", "limit": 2}
    while True:
        answer = await report(sign_in, tenant_id, **query)
        assert answer["total"]["calls"] == 6
        seen += [item["key"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        query["cursor"] = answer["next_cursor"]
    assert seen == [*map(str, sorted(conversations, reverse=True)), None]


async def test_one_conversation_by_feature_and_model(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    conversation_id = ids.new()
    await use(resources, tenant_id, conversation_id=conversation_id)
    await use(resources, tenant_id, conversation_id=conversation_id, feature="triage")
    await use(resources, tenant_id, conversation_id=ids.new())
    async with resources.db.hot(tenant_id) as tx:
        await record_deliveries(
            tx, DeliveredMessage(ids.new(), "service", "ZZ", conversation_id=conversation_id)
        )
    url = f"/api/v1/usage/conversations/{conversation_id}"
    answer = (await sign_in(tenant_id).get(url)).json()
    assert (answer["total"]["calls"], answer["total"]["messages"]) == (2, 1)
    assert (answer["total"]["amount_usd"], answer["total"]["unpriced"]) == ("0.002000000", 1)
    assert [(item["feature"], item["model"]) for item in answer["items"]] == [
        ("delivery", "service/ZZ"),
        ("reply", "openai/gpt-4o-mini"),
        ("triage", "openai/gpt-4o-mini"),
    ]


async def test_a_report_may_be_of_one_kind_of_usage(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await use(resources, tenant_id)
    assert (await report(sign_in, tenant_id, kind="llm"))["total"]["calls"] == 1
    answer = await report(sign_in, tenant_id, kind="whatsapp")
    assert (answer["total"]["calls"], answer["items"]) == (0, [])


async def test_another_tenant_s_conversation_is_not_there(
    resources: Resources, make_tenant: MakeTenant, sign_in: SignIn
) -> None:
    mine, theirs, conversation_id = await make_tenant(), await make_tenant(), ids.new()
    await use(resources, theirs, conversation_id=conversation_id)
    response = await sign_in(mine).get(f"/api/v1/usage/conversations/{conversation_id}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert (await report(sign_in, mine))["total"]["calls"] == 0


async def test_only_administrators_see_usage(tenant_id: UUID, sign_in: SignIn) -> None:
    client = sign_in(tenant_id, Role.HUMAN_AGENT)
    for url in ("/api/v1/usage", f"/api/v1/usage/conversations/{ids.new()}"):
        assert (await client.get(url)).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-11-30", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-11-01"},
        {"from": "soon"},
        {"to": "9999-12-31", "from": "9999-12-01"},
        {"from": "0001-01-01"},
        {"to": "0001-01-01"},
        {"group_by": "mood"},
        {"group_by": "conversation", "cursor": "nonsense"},
        {"limit": 0},
    ],
)
async def test_what_makes_no_report_is_refused(
    tenant_id: UUID, sign_in: SignIn, query: dict[str, Any]
) -> None:
    response = await sign_in(tenant_id).get("/api/v1/usage", params=query)
    assert response.status_code in (200, 422)
    if query != {"to": "0001-01-01"}:
        assert response.status_code == 422


def test_a_report_covers_the_month_so_far_unless_told_otherwise() -> None:
    today = date(2026, 11, 21)
    assert span_of(None, None, today=today).first == date(2026, 11, 1)
    assert span_of(None, date(2026, 10, 5), today=today).first == date(2026, 10, 1)
    assert span_of(date(2026, 10, 5), None, today=today).last == today
    with pytest.raises(Invalid):
        span_of(date(2026, 11, 2), date(2026, 11, 1), today=today)
