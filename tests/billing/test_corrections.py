"""Corrections: nothing is rewritten, reports come right for the day it was, and all can read why."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from frontdesk.billing.books import keep_books
from frontdesk.core import ids
from frontdesk.core.resources import Resources

from .conftest import SUPER_ADMIN, MakeTenant, SignIn
from .using import days_ago, use


def noon_yesterday() -> str:
    return f"{days_ago(1)}T12:00:00Z"


async def correct(
    sign_in: SignIn, tenant_id: UUID, entry_id: UUID, status: int = 201, **body: Any
) -> Any:
    url = f"/api/v1/tenants/{tenant_id}/usage-entries/{entry_id}/corrections"
    client = sign_in(tenant_id, SUPER_ADMIN)
    response = await client.post(url, json={"reason": "The bill says otherwise.", **body})
    assert response.status_code == status, response.text
    return response.json()


async def yesterday(sign_in: SignIn, tenant_id: UUID) -> Any:
    day = str(days_ago(1))
    response = await sign_in(tenant_id).get("/api/v1/usage", params={"from": day, "to": day})
    return response.json()["total"]


async def test_what_should_not_be_there_is_taken_back_for_its_day(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    wrong = await use(resources, tenant_id, noon_yesterday(), usd="0.5")
    await use(resources, tenant_id, noon_yesterday(), usd="0.25")
    await keep_books(resources, tenant_id, tenant_id)  # The day is summed already.
    made = await correct(sign_in, tenant_id, wrong)
    assert (made["corrects_id"], made["amount_usd"]) == (str(wrong), "-0.500000000")
    assert (made["quantity"], made["input_tokens"], made["day"]) == (
        -1,
        -100,
        str(days_ago(1)),
    )
    total = await yesterday(sign_in, tenant_id)
    assert (total["calls"], total["input_tokens"], total["amount_usd"]) == (1, 100, "0.250000000")
    (original,) = [
        entry
        for entry in (await sign_in(tenant_id).get("/api/v1/usage/entries")).json()["items"]
        if entry["id"] == str(wrong)
    ]
    assert original["amount_usd"] == "0.500000000"


async def test_an_amount_may_be_corrected_again_and_again_but_not_to_what_it_is(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    entry = await use(resources, tenant_id, noon_yesterday(), usd="0.5")
    for amount in ("0.4", "0.7"):
        await correct(sign_in, tenant_id, entry, amount_usd=amount)
        assert Decimal((await yesterday(sign_in, tenant_id))["amount_usd"]) == Decimal(amount)
    again = await correct(sign_in, tenant_id, entry, 409, amount_usd="0.7")
    assert again["code"] == "nothing_to_correct"
    assert (await yesterday(sign_in, tenant_id))["calls"] == 1


async def test_a_price_that_was_not_known_is_no_alarm_any_more_once_it_is(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    entry = await use(resources, tenant_id, noon_yesterday(), usd=None)
    assert (await yesterday(sign_in, tenant_id))["unpriced"] == 1
    await correct(sign_in, tenant_id, entry, amount_usd="0.002")
    total = await yesterday(sign_in, tenant_id)
    assert (total["unpriced"], total["amount_usd"]) == (0, "0.002000000")


async def test_the_tenant_reads_in_its_audit_log_who_corrected_what_and_why(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    entry = await use(resources, tenant_id, noon_yesterday())
    await correct(sign_in, tenant_id, entry)
    async with resources.db.hot(tenant_id) as tx:
        (audited,) = await tx.sql.fetch("SELECT * FROM audit_entry")
    assert (audited["action"], audited["subject_id"]) == ("usage.corrected", str(entry))
    assert "The bill says otherwise." in audited["details"]


async def test_another_s_entry_a_missing_one_and_a_correction_can_t_be_corrected(
    resources: Resources, make_tenant: MakeTenant, sign_in: SignIn
) -> None:
    mine, theirs = await make_tenant(), await make_tenant()
    entry = await use(resources, theirs, noon_yesterday())
    made = await correct(sign_in, theirs, entry)
    for tenant_id, wrong in ((mine, entry), (theirs, ids.new()), (theirs, UUID(made["id"]))):
        assert (await correct(sign_in, tenant_id, wrong, 404))["code"] == "no_such_entry"


async def test_only_the_platform_corrects(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    url = f"/api/v1/tenants/{tenant_id}/usage-entries/{ids.new()}/corrections"
    assert (await sign_in(tenant_id).post(url, json={"reason": "I want it."})).status_code == 403
