"""The report of a month: what it cost, per conversation and resolution, what is left; three forms."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest

from frontdesk.billing import Held, UsageKind, record_human_time
from frontdesk.billing.months import foresee_month, span_of_month
from frontdesk.core import ids
from frontdesk.core.errors import Invalid
from frontdesk.core.resources import Resources

from .conftest import SUPER_ADMIN, SignIn
from .using import use


def now() -> datetime:
    """Not the moment this was imported: a month may have ended since."""
    return datetime.now(UTC)


async def conversation(resources: Resources, tenant_id: UUID, *, people: bool) -> UUID:
    """A conversation that was closed just now."""
    agent_id, channel_id, contact_id, thread_id = (ids.new() for _ in range(4))
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "INSERT INTO agent (id, name, version, enabled) VALUES ($1::uuid, $1::uuid::text, 1, true)",
            agent_id,
        )
        await tx.sql.execute(
            "INSERT INTO channel (id, name, phone_number_id, waba_id, display_phone_number, "
            "agent_id, status, access_token_sealed) "
            "VALUES ($1, 'Shop', $2, 'w', '+1', $3, 'CONNECTED', '')",
            channel_id,
            str(channel_id),
            agent_id,
        )
        await tx.sql.execute(
            "INSERT INTO contact (id, wa_id) VALUES ($1, $2)", contact_id, str(contact_id.int)[:12]
        )
        await tx.sql.execute(
            "INSERT INTO conversation (id, channel_id, contact_id, agent_id, status, closed_at, "
            "closed_by) VALUES ($1, $2, $3, $4, 'CLOSED', now(), 'system')",
            thread_id,
            channel_id,
            contact_id,
            agent_id,
        )
        if people:
            await tx.sql.execute(
                "INSERT INTO handoff (id, conversation_id, reason, rule, packet, state, "
                "assigned_user_id) VALUES ($1, $2, 'requested', '', '{}', 'ended', $3)",
                ids.new(),
                thread_id,
                ids.new(),
            )
    return thread_id


async def report(sign_in: SignIn, tenant_id: UUID, month: str = "current") -> Any:
    response = await sign_in(tenant_id).get(f"/api/v1/usage/months/{month}")
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_resolution_costs_all_that_was_used(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    admin = sign_in(tenant_id)
    terms = {"human_usd_per_minute": "0.6"}
    said = await admin.put("/api/v1/usage/terms", json=terms, headers={"If-Match": '"0"'})
    assert said.status_code == 200, said.text
    threads = [await conversation(resources, tenant_id, people=people) for people in (True, False)]
    await use(resources, tenant_id, now(), conversation_id=threads[0], usd="0.002")
    await use(resources, tenant_id, now(), feature="guard", usd="0.001")
    await use(resources, tenant_id, now(), kind=UsageKind.EMBEDDING, usd="0.0005")
    await use(resources, tenant_id, now(), kind=UsageKind.SPEECH, quantity=20, usd="0.0005")
    await use(resources, tenant_id, now(), kind=UsageKind.WHATSAPP, model="service/DE", usd="0.055")
    async with resources.db.hot(tenant_id) as tx:
        since: datetime = await tx.sql.fetchval("SELECT now() - interval '10 minutes'")
        await record_human_time(tx, Held(ids.new(), threads[0], ids.new(), since))
    month = await report(sign_in, tenant_id)
    assert month["outcomes"] == {
        "active": 2,
        "resolutions": 2,
        "by_agent": 1,
        "by_people": 1,
        "closed_by": {"system": 2},
    }
    assert month["total"]["human_seconds"] == 600
    assert month["total"]["amount_usd"] == "6.059000000"
    assert month["usd_per_resolution"] == month["usd_per_conversation"] == "3.029500"
    assert [item["key"] for item in month["by_kind"]] == [
        "embedding",
        "human",
        "llm",
        "speech",
        "whatsapp",
    ]
    assert [item["key"] for item in month["by_category"]] == ["service"]
    # Whose time it was is no model.
    assert [item["key"] for item in month["by_model"]] == ["openai/gpt-4o-mini", "service/DE"]
    (person,) = month["by_human_agent"]
    assert (UUID(person["key"]).version, person["human_seconds"]) == (7, 600)


async def test_the_margin_is_what_is_paid_less_what_it_costs_the_platform(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await use(resources, tenant_id, now(), usd="3")
    await use(resources, tenant_id, now(), usd="5", own_key=True)
    assert (await report(sign_in, tenant_id))["margin_usd"] is None
    url = f"/api/v1/tenants/{tenant_id}/revenue"
    paid = {"revenue_usd_per_month": "199"}
    assert (await sign_in(tenant_id).put(url, json=paid)).status_code == 403
    said = await sign_in(tenant_id, SUPER_ADMIN).put(url, json=paid)
    assert said.status_code == 200, said.text
    month = await report(sign_in, tenant_id)
    assert (month["revenue_usd"], month["margin_usd"]) == ("199.000000000", "196.000000000")


async def test_csv_and_page_tell_the_same_as_the_json(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await use(resources, tenant_id, now(), feature="=cmd()", usd="1.5")
    await use(resources, tenant_id, now(), feature="<b>triage</b>", usd="0.25")
    month = await report(sign_in, tenant_id)
    client = sign_in(tenant_id)
    sheet = await client.get("/api/v1/usage/months/current/csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert (rows[0]["slice"], rows[0]["amount_usd"]) == ("total", month["total"]["amount_usd"])
    assert {row["key"] for row in rows if row["slice"] == "feature"} == {"'=cmd()", "<b>triage</b>"}
    page = await client.get("/api/v1/usage/months/current/html")
    assert page.headers["content-type"].startswith("text/html")
    assert "1.75 USD" in page.text
    assert page.text.count("<svg ") == 2
    assert "&lt;b&gt;triage" in page.text
    _Checked().feed(page.text)


class _Checked(HTMLParser):
    """Fails on what the policy of answers would not let a page have."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "style", "link", "img", "iframe")
        for name, value in attrs:
            assert name != "style"
            assert not name.startswith("on")
            assert name == "xmlns" or not re.match(r"https?:", value or "")


def test_a_forecast_adds_the_usual_day_for_today_and_each_to_come() -> None:
    usual = Decimal("1.5")
    assert foresee_month(Decimal(20), Decimal(1), usual, date(2026, 11, 21)) == Decimal(35)
    assert foresee_month(Decimal(20), Decimal(0), usual, date(2026, 2, 28)) == Decimal("21.5")
    assert foresee_month(Decimal(20), Decimal(4), usual, date(2026, 2, 28)) == Decimal(24)


async def test_the_forecast_says_how_it_was_made(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await use(resources, tenant_id, now())
    assert (await report(sign_in, tenant_id))["forecast"] is None, "there is nothing to go by"
    await use(resources, tenant_id, now() - timedelta(days=2))
    told = await report(sign_in, tenant_id)
    assert "mean of the 2 days before" in told["forecast"]["method"]
    assert Decimal(told["forecast"]["amount_usd"]) >= Decimal(told["total"]["amount_usd"])


def test_a_month_is_all_of_it_or_as_much_as_there_has_been() -> None:
    today = date(2026, 11, 21)
    assert span_of_month(None, today=today).last == today
    assert span_of_month("2026-02", today=today).last == date(2026, 2, 28)
    for wrong in ("2026-12", "2026-13", "26-01", "november"):
        with pytest.raises(Invalid):
            span_of_month(wrong, today=today)
