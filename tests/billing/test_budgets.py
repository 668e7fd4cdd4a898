"""Budgets over HTTP: made, changed with care, watched, removed; and in whose hands."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from frontdesk.billing import (
    Ceiling,
    Settlement,
    Spender,
    UsageKind,
    UsageRecord,
    Wish,
    find_accounts,
    record_usage,
    reserve,
)
from frontdesk.billing import settle as budgets_settle
from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources

from .conftest import MakeTenant, SignIn

PATH = "/api/v1/budgets"
MONTH = {"scope": "tenant", "period": "month", "hard_usd": "5", "soft_usd": "4.5"}


async def spent(resources: Resources, tenant_id: UUID, feature: str, usd: str) -> None:
    async with resources.db.hot(tenant_id) as tx:
        await record_usage(
            tx,
            UsageRecord(
                kind=UsageKind.LLM,
                source_id=str(ids.new()),
                feature=feature,
                model="groq/x",
                amount_usd=Decimal(usd),
            ),
        )


async def test_a_budget_is_made_with_what_was_spent_so_far_and_changed_by_version(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    admin = sign_in(tenant_id)
    await spent(resources, tenant_id, "reply", "0.75")
    await spent(resources, tenant_id, "triage", "0.25")
    made = await admin.post(PATH, json=MONTH)
    assert made.status_code == 201
    (use,) = made.json()["use"]
    assert use["subject"] is None
    assert use["period_start"] == str(datetime.now(UTC).date().replace(day=1))
    assert Decimal(use["spent_usd"]) == 1
    of_feature = {"scope": "feature", "feature": "reply", "period": "day", "hard_usd": "1"}
    (use,) = (await admin.post(PATH, json=of_feature)).json()["use"]
    assert Decimal(use["spent_usd"]) == Decimal("0.75")

    one = f"{PATH}/{made.json()['id']}"
    caps = {"hard_usd": "10"}
    assert (await admin.put(one, json=caps)).status_code == 428
    assert (await admin.put(one, json=caps, headers={"If-Match": '"7"'})).status_code == 412
    changed = await admin.put(one, json=caps, headers={"If-Match": made.headers["etag"]})
    assert changed.status_code == 200
    assert Decimal(changed.json()["hard_usd"]) == 10
    assert changed.json()["soft_usd"] is None
    assert (await admin.get(one)).headers["etag"] == '"2"'
    assert len((await admin.get(PATH)).json()["items"]) == 2
    assert (await admin.delete(one)).status_code == 204
    gone = await admin.get(one)
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_budget")
    async with resources.db.hot(tenant_id) as tx:
        audited = await tx.sql.fetch("SELECT action FROM audit_entry ORDER BY created_at, id")
    assert [row["action"] for row in audited] == [
        "budget.created", "budget.created", "budget.changed", "budget.removed", "request.refused",
    ]  # fmt: skip


async def test_what_makes_no_sense_is_refused(tenant_id: UUID, sign_in: SignIn) -> None:
    admin = sign_in(tenant_id)
    assert (await admin.post(PATH, json=MONTH)).status_code == 201
    twice = await admin.post(PATH, json=MONTH)
    assert (twice.status_code, twice.json()["code"]) == (409, "budget_exists")
    for wrong in (
        {"hard_usd": "0"},
        {"hard_usd": "4"},
        {"hard_usd": "1e30"},
        {"feature": "reply"},
        {"scope": "feature"},
        {"scope": "feature", "feature": "\x00"},
        {"period": "week"},
    ):
        answer = await admin.post(PATH, json={**MONTH, **wrong})
        assert answer.status_code == 422, wrong


async def test_budgets_are_for_admins_of_the_tenant(
    tenant_id: UUID, make_tenant: MakeTenant, sign_in: SignIn
) -> None:
    made = (await sign_in(tenant_id).post(PATH, json=MONTH)).json()
    assert (await sign_in(tenant_id, Role.HUMAN_AGENT).get(PATH)).status_code == 403
    foreign = sign_in(await make_tenant())
    assert (await foreign.get(PATH)).json()["items"] == []
    assert (await foreign.delete(f"{PATH}/{made['id']}")).status_code == 404


async def settle(resources: Resources, tenant_id: UUID, usd: str, **spender: UUID) -> None:
    """A call that was made and came to so much, on all budgets that concern it."""
    accounts = await find_accounts(resources, tenant_id, Spender("reply", **spender))
    wish = Wish(accounts, Decimal("0.000001"), Ceiling.HARD)
    reservation = await reserve(resources, tenant_id, wish, seconds=30)
    async with resources.db.hot(tenant_id) as tx:
        source_id = str(ids.new())
        spent = Settlement(reservation, source_id, Decimal(usd))
        await budgets_settle(tx, [spent], frozenset({source_id}))


async def alerts(resources: Resources, tenant_id: UUID) -> list[tuple[str, int]]:
    async with resources.db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch(
            "SELECT audience, (payload->>'percent')::int AS percent FROM feed_event "
            "WHERE kind = 'budget.alerted' ORDER BY seq"
        )
    return [(row["audience"], row["percent"]) for row in rows]


async def test_admins_are_told_at_fifty_eighty_and_a_hundred_percent_once_each(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await sign_in(tenant_id).post(PATH, json={**MONTH, "hard_usd": "10", "soft_usd": None})
    told = []
    for usd in ("4.9", "0.2", "0.1", "3", "1.8"):  # In all 4.9, 5.1, 5.2, 8.2 and 10.
        await settle(resources, tenant_id, usd)
        told.append([percent for _, percent in await alerts(resources, tenant_id)])
    assert told == [[], [50], [50], [50, 80], [50, 80, 100]]
    assert {audience for audience, _ in await alerts(resources, tenant_id)} == {"admins"}


async def test_one_dear_call_tells_of_all_it_passes_and_conversations_of_none(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    of_conversation = {"scope": "conversation", "period": "day", "hard_usd": "1"}
    await sign_in(tenant_id).post(PATH, json={**MONTH, "hard_usd": "10", "soft_usd": None})
    await sign_in(tenant_id).post(PATH, json=of_conversation)
    await settle(resources, tenant_id, "8.5", conversation_id=ids.new())
    assert [percent for _, percent in await alerts(resources, tenant_id)] == [50, 80]


async def test_a_budget_shows_how_quickly_it_burns_and_what_happens_at_its_cap(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await spent(resources, tenant_id, "reply", "3")
    ever = {"scope": "tenant", "period": "total", "hard_usd": "9"}
    made = (await sign_in(tenant_id).post(PATH, json=ever)).json()
    (use,) = made["use"]
    assert Decimal(use["usd_per_hour"]) == 3
    # Six are left, which is two hours.
    left = datetime.fromisoformat(use["reaches_cap_at"]) - datetime.now(UTC)
    assert 1.9 < left.total_seconds() / 3600 < 2.1
    assert "a person gets the conversation" in made["at_the_cap"]
