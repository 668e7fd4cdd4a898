"""Unusual hours: planted spikes are found and told once, and quiet or new tenants are left alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from frontdesk.billing.anomalies import look_at_hours
from frontdesk.billing.anomaly_rules import LEAST_HOURS, judge
from frontdesk.billing.book_models import Measure
from frontdesk.core import ids
from frontdesk.core.resources import Resources

from .conftest import SignIn
from .using import use


def last_hour() -> datetime:
    """In the last hour of which all that was used is to be seen by now."""
    return datetime.now(UTC) - timedelta(hours=1, minutes=6)


def usual(*values: str, hours: int = 60) -> list[Decimal]:
    return [Decimal(values[number % len(values)]) for number in range(hours)]


@pytest.mark.parametrize(
    ("value", "before", "is_unusual"),
    [
        ("5", usual("0.2", "0.25", "0.3"), True),
        ("0.5", usual("0.2", "0.25", "0.3"), False),  # Not three times the usual.
        ("0.74", usual("0.25"), False),
        ("0.76", usual("0.25"), True),  # However little it varies.
        ("0.04", usual("0.001"), False),  # Forty times the usual, and yet nothing.
        ("500", usual("0.2", hours=LEAST_HOURS - 1), False),  # Nobody knows it yet.
        ("500", [], False),
        ("5", usual("0.2", "0", "0", "0"), False),  # Fifteen hours of usage are too few.
        ("5", usual("0.2", "0", hours=2 * LEAST_HOURS), True),  # Silent hours say nothing.
        ("1.4", usual("0.1", "0.9"), False),  # Usage that swings may swing.
        # One wild hour among them moves no median.
        ("5", [*usual("0.2"), Decimal(900)], True),
    ],
)
def test_an_hour_is_unusual_by_what_hours_of_usage_are_like(
    value: str, before: list[Decimal], is_unusual: bool
) -> None:
    assert (judge(Measure.COST, Decimal(value), before) is not None) is is_unusual


def test_the_reason_says_how_much_and_what_is_usual() -> None:
    found = judge(Measure.COST, Decimal("5"), usual("0.25"))
    assert found is not None
    assert found.reason == (
        "5 USD were spent in this hour, 20 times the usual 0.25 (median of 60 hours with usage; "
        "unusual from 0.75 on)."
    )


async def a_fortnight(resources: Resources, tenant_id: UUID, hours: int = 48) -> None:
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute("INSERT INTO usage_book (due_at) VALUES (now())")
        await tx.sql.executemany(
            "INSERT INTO usage_hour (hour, cost, calls, tokens) "
            "VALUES (date_trunc('hour', now()) - make_interval(hours => $1), $2, 20, 4000)",
            [
                (number + 3, Decimal("0.1") + number % 3 * Decimal("0.01"))
                for number in range(hours)
            ],
        )
        await tx.sql.execute(
            "UPDATE usage_book SET looked_at = date_trunc('hour', now()) - interval '2 hours'"
        )


async def told(resources: Resources, tenant_id: UUID) -> list[Any]:
    async with resources.db.hot(tenant_id) as tx:
        return await tx.sql.fetch(
            "SELECT audience, payload FROM feed_event WHERE kind = 'usage.unusual'"
        )


async def test_a_planted_spike_is_told_once_to_admins_and_acknowledged(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    await a_fortnight(resources, tenant_id)
    await use(resources, tenant_id, last_hour(), usd="9")
    await look_at_hours(resources, tenant_id)
    async with resources.db.hot(tenant_id) as tx:  # The same hours once more.
        await tx.sql.execute("UPDATE usage_book SET looked_at = looked_at - interval '2 hours'")
    await look_at_hours(resources, tenant_id)
    (event,) = await told(resources, tenant_id)
    assert event["audience"] == "admins"
    assert "9 USD were spent" in event["payload"]
    client = sign_in(tenant_id)
    (shown,) = (await client.get("/api/v1/usage/anomalies?open=true")).json()["items"]
    assert (shown["measure"], shown["value"]) == ("cost", "9.000000000")
    for _ in range(2):
        done = await client.post(f"/api/v1/usage/anomalies/{shown['id']}/acknowledge")
        assert done.json()["acknowledged_by"] is not None
    assert (await client.get("/api/v1/usage/anomalies?open=true")).json()["items"] == []
    missing = await client.post(f"/api/v1/usage/anomalies/{ids.new()}/acknowledge")
    assert missing.json()["code"] == "no_such_anomaly"


@pytest.mark.parametrize("hours", [0, LEAST_HOURS - 1])
async def test_a_new_tenant_s_first_busy_hour_is_no_alarm(
    resources: Resources, tenant_id: UUID, hours: int
) -> None:
    await a_fortnight(resources, tenant_id, hours)
    await use(resources, tenant_id, last_hour(), usd="9")
    assert await look_at_hours(resources, tenant_id) == []
    assert await told(resources, tenant_id) == []
