"""A month of three tenants: providers, WhatsApp, people, ledger, reports, Stripe and invoice agree.

Messages come in by webhook, models answer over HTTP, statuses say what WhatsApp bills. The day over,
what was written in it is put back to the day it stands for, and everything else is due work.
"""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.billing.paying import Payer
from tests.desk import Desk

from frontdesk.billing.storage import record_storage
from frontdesk.billing.stripe.plans import set_up
from frontdesk.simulator import Billed, ModelFault, ModelFaultKind

# How many days ago something was said; each tenant leaves a part of it out.
DAYS_AGO = (29, 21, 12, 5, 1)
SAID = (
    "How long does shipping take?",
    "Can I return a lamp?",
    "When are you open?",
    "Thanks! And do you ship faster?",
)
# Nobody else's tests write from Iceland.
COUNTRY, NUMBER = "IS", "3545550001"
USD_PER_MESSAGE = Decimal("0.0456")
USD_PER_MINUTE, USD_PER_GIB_MONTH = Decimal("0.6"), Decimal(3)
MIB = 700
# Per million tokens (seconds of sound): input, output.
LIST = {
    "groq/openai/gpt-oss-20b": ("0.075", "0.30"),
    "openai/gpt-4o-mini": ("0.15", "0.60"),
}


def midnight(days_ago: int = 0) -> datetime:
    """When a day of UTC began, by the clock of now."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def begins() -> datetime:
    """When the month of 30 days began that ended with yesterday."""
    return midnight(30)


@dataclass
class Month:
    """What the world outside saw of one tenant: the truth that everything is held against."""

    payer: Payer
    subscription: dict[str, Any]
    billed: list[Billed] = field(default_factory=list)
    delivered: int = 0
    paid_for: int = 0
    minutes: int = 0
    resolved: int = 0

    @property
    def desk(self) -> Desk:
        return self.payer.desk

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output, as the providers' bills have them."""
        return sum(b.input_tokens for b in self.billed), sum(b.output_tokens for b in self.billed)

    @property
    def usd(self) -> dict[str, Decimal]:
        """What it must have cost, by kind."""
        return {
            "llm": sum((_cost(each) for each in self.billed), Decimal(0)),
            "whatsapp": self.paid_for * USD_PER_MESSAGE,
            "human": self.minutes * USD_PER_MINUTE,
            "storage": 30 * _exact(USD_PER_GIB_MONTH * MIB / 1024 / 30),
            "resolution": Decimal(0),
        }


def _cost(billed: Billed) -> Decimal:
    prompt, completion = map(Decimal, LIST[f"{billed.provider}/{billed.model}"])
    tokens = billed.input_tokens * prompt + billed.output_tokens * completion
    return _exact(tokens / 1_000_000)


def _exact(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("1e-9"), ROUND_HALF_UP)


@pytest.fixture
async def desks(desk: Desk, admin_sql: asyncpg.Connection) -> AsyncIterator[list[Desk]]:
    """Three tenants on one deployment, on whose numbers only two messages are free."""
    simulator = desk.simulator
    before = simulator.settings.free_service_messages
    simulator.configure(free_service_messages=2)
    await admin_sql.execute(
        "INSERT INTO price (model, effective_from, input_usd_per_million, output_usd_per_million, "
        "source) VALUES ($1, '2026-01-01', $2, 0, 'a test') ON CONFLICT DO NOTHING",
        f"whatsapp/service/{COUNTRY}",
        USD_PER_MESSAGE * 1_000_000,
    )
    others = [
        await Desk.make(desk.app, desk.resources, desk.dispatcher, simulator) for _ in range(2)
    ]
    yield [desk, *others]
    simulator.configure(free_service_messages=before)
    for other in others:
        await other.work_until_idle()
        await other.aclose()


async def begin(desk: Desk) -> Month:
    """A tenant that has been paying since the month began, with terms and a file."""
    payer = Payer(desk)
    subscription = await payer.buy()
    for item in subscription["items"]["data"]:
        item["current_period_start"] = int(begins().timestamp())
    await desk.sql("UPDATE stripe_account SET metered_from = $1, metered_until = $1", begins())
    admin = await desk.admin()
    terms = {
        "human_usd_per_minute": str(USD_PER_MINUTE),
        "storage_usd_per_gib_month": str(USD_PER_GIB_MONTH),
    }
    await admin.put("/usage/terms", terms, If_Match='"0"')
    await desk.sql(
        "UPDATE knowledge_source SET size_bytes = $1 WHERE id = (SELECT min(id::text)::uuid "
        "FROM knowledge_source)",
        MIB * 1_048_576,
    )
    await desk.sql("UPDATE knowledge_source SET size_bytes = 0 WHERE size_bytes < 1048576")
    return Month(payer, subscription)


async def live(month: Month, days_ago: int, said: tuple[str, ...], *, minutes: int) -> None:
    """One day: contacts write, one wants a person and gets one, the others' chats are closed."""
    desk, simulator = month.desk, month.desk.simulator
    bill, log = len(simulator.model.billed), len(simulator.whatsapp.log)
    numbers = [f"{NUMBER}{days_ago:02}{at}" for at in range(len(said))]
    for number, text in zip(numbers, said, strict=True):
        desk.phone(number).say(text)
    await desk.work_until_idle()
    admin, ana = await desk.admin(), await desk.ana()
    first, *rest = [await desk.conversation(number) for number in numbers]
    await ana.post(f"/conversations/{first['id']}/take-over")
    await ana.post(f"/conversations/{first['id']}/messages", {"text": "Ana here."})
    await desk.sql(
        "UPDATE handoff SET assigned_at = now() - make_interval(mins => $1) "
        "WHERE conversation_id = $2 AND state <> 'ended'",
        minutes,
        UUID(first["id"]),
    )
    await ana.post(f"/conversations/{first['id']}/close", {"reason": "resolved"})
    for conversation in rest:
        await admin.post(f"/conversations/{conversation['id']}/close", {"reason": "resolved"})
    await desk.work_until_idle()
    month.billed += list(simulator.model.billed)[bill:]
    sent = [each for each in simulator.whatsapp.log[log:] if each.type != "reaction"]
    month.paid_for += len(sent) - max(0, min(len(sent), 2 - month.delivered))
    month.delivered += len(sent)
    month.minutes += minutes
    month.resolved += len(rest)


async def put_back(month: Month, days_ago: int, admin_sql: asyncpg.Connection) -> None:
    """What was written just now was written so many days ago."""
    for table, more in (("usage_entry", ", day = day - $2::int"), ("llm_call", "")):
        await admin_sql.execute(
            f"UPDATE {table} SET created_at = created_at - make_interval(days => $2::int) {more} "
            "WHERE tenant_id = $1 AND created_at > now() - interval '10 minutes'",
            month.desk.id,
            days_ago,
        )


async def close_books(month: Month) -> dict[str, Any]:
    """Let due work sum the days and tell Stripe; then the period ends: its invoice."""
    desk = month.desk
    await desk.sql(
        "INSERT INTO usage_book (due_at, stored_day) "
        "VALUES (now(), (now() AT TIME ZONE 'UTC')::date - 1)"
    )
    await month.payer.overlook()
    made = month.payer.stripe.end_period(month.subscription["id"])
    await desk.work_until_idle()
    invoice: dict[str, Any] = await (await desk.admin()).get(f"/billing/invoices/{made['id']}")
    return invoice


@pytest.fixture
async def months(desks: list[Desk], admin_sql: asyncpg.Connection) -> list[Month]:
    """Three tenants' months, each another: more or less said, with one day of failing models."""
    await set_up(desks[0].resources)
    made = [await begin(desk) for desk in desks]
    model = desks[0].simulator.model
    for at, month in enumerate(made):
        for days_ago in DAYS_AGO[at:]:
            if (at, days_ago) == (1, DAYS_AGO[1]):
                # The first provider is down for a day; the other's first answer is of no use.
                model.faults.share(ModelFault(ModelFaultKind.STATUS), 1, only="groq")
                model.faults.next(ModelFault(ModelFaultKind.INVALID_JSON), only="openai")
            await live(month, days_ago, SAID[at:], minutes=3 + at)
            model.faults.clear()
            await put_back(month, days_ago, admin_sql)
        for days in range(30):
            async with month.desk.resources.db.hot(month.desk.id) as tx:
                await record_storage(tx, (begins() + timedelta(days=days)).date())
        await admin_sql.execute(
            "UPDATE usage_entry SET created_at = day + interval '23 hours' "
            "WHERE tenant_id = $1 AND kind = 'storage'",
            month.desk.id,
        )
    return made


async def test_everything_agrees_and_what_is_wrong_is_found(
    months: list[Month], admin_sql: asyncpg.Connection, commands: Any
) -> None:
    assert {b.provider for month in months for b in month.billed} == {"groq", "openai"}
    for month in months:
        invoice = await close_books(month)
        await holds(month, invoice)
    of = [f"--tenant {month.desk.id}" for month in months]
    calendar = sorted({f"{begins():%Y-%m}", f"{midnight(1):%Y-%m}"})
    checks = [f"usage reconcile {tenant} --month {name}" for tenant in of for name in calendar]
    checks += [f"stripe reconcile {tenant} --days 30" for tenant in of]
    for done in await commands(*checks):
        assert done["code"] == 0, done

    await plants_are_found(months, admin_sql, commands)


async def holds(month: Month, invoice: dict[str, Any]) -> None:
    """What the world saw, the ledger, the reports, Stripe's meters and the invoice are one."""
    admin, (prompt, completion) = await month.desk.admin(), month.tokens
    expected = month.usd

    ledger = await month.desk.sql(
        "SELECT kind, sum(input_tokens) AS prompt, sum(output_tokens) AS completion, "
        "sum(quantity) AS quantity, sum(amount_usd) AS usd FROM usage_entry GROUP BY kind"
    )
    by_kind = {row["kind"]: row for row in ledger}
    assert (by_kind["llm"]["prompt"], by_kind["llm"]["completion"]) == (prompt, completion)
    assert {kind: row["usd"] for kind, row in by_kind.items()} == expected
    assert by_kind["whatsapp"]["quantity"] == month.delivered
    assert by_kind["human"]["quantity"] == 60 * month.minutes
    assert by_kind["resolution"]["quantity"] == month.resolved

    span = {"from": str(begins().date()), "to": str(midnight().date())}
    told = await admin.get("/usage", group_by="kind", **span)
    assert {item["key"]: Decimal(item["amount_usd"]) for item in told["items"]} == expected
    total = sum(expected.values())
    # A month of 30 days is a part of two or three of the calendar's.
    names = sorted({f"{begins() + timedelta(days=n):%Y-%m}" for n in range(30)})
    reports = [await admin.get(f"/usage/months/{name}") for name in names]
    assert sum(Decimal(report["total"]["amount_usd"]) for report in reports) == total
    assert sum(report["total"]["input_tokens"] for report in reports) == prompt
    assert sum(report["total"]["messages"] for report in reports) == month.delivered
    sheets = [await admin.http.get(f"/api/v1/usage/months/{name}/csv") for name in names]
    lines = [line for sheet in sheets for line in csv.DictReader(io.StringIO(sheet.text))]
    for part in ("total", "day", "kind", "feature"):
        in_csv = sum(Decimal(line["amount_usd"]) for line in lines if line["slice"] == part)
        assert in_csv == total, part

    meters: dict[str, int] = {}
    for event in month.payer.stripe.meters.events:
        if event.customer == month.subscription["customer"]:
            name = event.event_name.removeprefix("frontdesk_")
            meters[name] = meters.get(name, 0) + event.value
    assert meters == {
        "tokens": prompt + completion,
        "messages": month.delivered,
        "resolutions": month.resolved,
    }
    lines_by_meter = {line["meter"]: line for line in invoice["lines"]}
    assert {name: lines_by_meter[name]["quantity"] for name in meters} == meters
    assert {name: lines_by_meter[name]["sent"] for name in meters} == meters
    cents = Decimal("0.01")
    amounts = {
        None: Decimal(99),
        "tokens": (meters["tokens"] * Decimal(2) / 1_000_000).quantize(cents, ROUND_HALF_UP),
        "messages": meters["messages"] * Decimal("0.01"),
        "resolutions": meters["resolutions"] * Decimal("0.5"),
    }
    assert {name: Decimal(lines_by_meter[name]["amount"]) for name in amounts} == amounts
    assert Decimal(invoice["total"]) == sum(amounts.values())


async def plants_are_found(
    months: list[Month], admin_sql: asyncpg.Connection, commands: Any
) -> None:
    """Each number that was changed behind the books' back is named, and the others are left alone."""
    first, second, third = months
    when = (begins() + timedelta(days=9)).date()

    async def entry(month: Month, kind: str, days_ago: int) -> Any:
        return await admin_sql.fetchrow(
            "SELECT id, day, source_id FROM usage_entry WHERE tenant_id = $1 AND kind = $2 "
            "AND day = $3 AND (amount_usd > 0 OR kind = 'resolution') ORDER BY id LIMIT 1",
            month.desk.id,
            kind,
            midnight(days_ago).date(),
        )

    async def changed(row: Any, what: str) -> None:
        await admin_sql.execute(f"UPDATE usage_entry SET {what} WHERE id = $1", row["id"])

    async def found(month: Month, day: date) -> list[dict[str, Any]]:
        (done,) = await commands(
            f"usage reconcile --tenant {month.desk.id} --month {day:%Y-%m} --json"
        )
        assert done["code"] == 1, done
        assert str(month.desk.id) in done["stderr"]
        differences: list[dict[str, Any]] = json.loads(done["stdout"])
        assert {each["tenant"] for each in differences} == {str(month.desk.id)}
        return differences

    # A sum of a day.
    (summed,) = await first.desk.sql(
        "UPDATE usage_rollup SET amount_usd = amount_usd + 0.01 WHERE kind = 'storage' AND day = $1 "
        "RETURNING feature, model",
        when,
    )
    (wrong,) = await found(first, when)
    assert (wrong["day"], wrong["what"]) == (
        str(when),
        f"sums of {summed['feature']}, {summed['model']}",
    )

    # An entry's tokens and its amount, so that both fit each other, and a message's amount.
    llm, message = await entry(second, "llm", 12), await entry(second, "whatsapp", 12)
    await changed(llm, "input_tokens = input_tokens + 1000, amount_usd = amount_usd + 0.000075")
    await changed(message, "amount_usd = amount_usd + 0.01")
    await commands(f"usage reconcile --tenant {second.desk.id} --month {llm['day']:%Y-%m} --repair")
    named = {each["what"]: each for each in await found(second, llm["day"])}
    assert named[f"entry {llm['id']}"]["should_be"].endswith(
        f"as call {llm['source_id']} was answered"
    )
    assert Decimal(named[f"entry {message['id']}"]["should_be"].split()[0]) == USD_PER_MESSAGE

    # An event that Stripe lost, and one that it has twice.
    stripe = third.payer.stripe
    mine = [e for e in stripe.meters.events if e.customer == third.subscription["customer"]]
    lost = next(e for e in mine if e.event_name == "frontdesk_tokens")
    twice = next(e for e in mine if e.event_name == "frontdesk_messages" and e.at != lost.at)
    stripe.meters.lose(lost.identifier)
    stripe.meters.plant(twice.event_name, twice.customer, twice.value, twice.at)
    checks = [
        f"stripe reconcile --tenant {each.desk.id} --days 30 --json" for each in (first, third)
    ]
    agreed, differs = await commands(*checks)
    assert (agreed["code"], differs["code"]) == (0, 1)
    apart = [each for each in json.loads(differs["stdout"]) if not each["agrees"]]
    slug = await admin_sql.fetchval("SELECT slug FROM tenant WHERE id = $1", third.desk.id)
    assert {each["tenant"] for each in apart} == {slug}
    hours = {each["meter"]: each["hours"] for each in apart}
    assert {name: [hour["batches"] for hour in hours[name]] for name in hours} == {
        "tokens": [[lost.identifier]],
        "messages": [[twice.identifier]],
    }
    (hour,) = hours["messages"]
    assert (hour["ours"], hour["theirs"]) == (twice.value, 2 * twice.value)
