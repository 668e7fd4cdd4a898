"""Commands about money: a month's report, the books checked against the ledger, prices."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from frontdesk.cli.knowing import Tenant, _tenant_id
from frontdesk.cli.progress import progress
from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, fail, print_json
from frontdesk.cli.tending import _with_resources

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources

usage = typer.Typer(
    help="""\
What was used and what it cost: report a month, check the books, correct an entry.

\b
Examples:
  frontdesk usage report --tenant green-leaf --month 2026-11
  frontdesk usage reconcile --tenant green-leaf --month 2026-11
  frontdesk usage correct ENTRY --tenant green-leaf --reason "taken off the provider's bill\"""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
prices = typer.Typer(
    help="""\
What models and WhatsApp messages cost: list, set, and check that nothing lacks a price.

\b
Examples:
  frontdesk prices list
  frontdesk prices set openai/gpt-4o-mini --input 0.15 --output 0.60 --source "openai.com/api/pricing"
  frontdesk prices check""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Month = Annotated[str | None, typer.Option(help="The month, like 2026-11.  [default: this month]")]


@usage.command("report", epilog=EXIT_CODES)
def usage_report(
    tenant: Tenant,
    month: Month = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write it to this file instead: as .json, .csv or .html, by its name."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a month cost, what for, per conversation and resolution, and what is left.

    \b
    Examples:
      frontdesk usage report --tenant green-leaf --month 2026-11
      frontdesk usage report --tenant green-leaf --month 2026-11 --out november.html
    """
    if out is not None and out.suffix not in (".json", ".csv", ".html"):
        raise typer.BadParameter("The file's name has to end in .json, .csv or .html.")

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        async with resources.db.transaction(await _tenant_id(resources, tenant)) as tx:
            span, today = await billing.month_of(tx, month)
            report = await billing.report_month(tx, span, today=today)
            return report, await billing.tenant_name(tx)

    report, name = _with_resources(run)
    if out is not None:
        from frontdesk import billing

        shown = {
            ".json": report.model_dump_json,
            ".csv": lambda: billing.month_as_csv(report),
            ".html": lambda: billing.month_as_html(report, name),
        }
        out.write_text(shown[out.suffix](), encoding="utf-8")
        typer.echo(f"Written to {out}.")
    elif as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show_month(report, name)


def _show_month(report: Any, name: str) -> None:
    from frontdesk.billing import in_usd

    total, outcomes = report.total, report.outcomes
    typer.echo(f"{name}, {report.month}, up to {report.last_day}")
    for words, value in (
        ("costs", in_usd(total.amount_usd)),
        ("  per conversation", f"{in_usd(report.usd_per_conversation)} of {outcomes.active}"),
        ("  per resolution", f"{in_usd(report.usd_per_resolution)} of {outcomes.resolutions}"),
        ("revenue", in_usd(report.revenue_usd)),
        ("margin", in_usd(report.margin_usd)),
        ("forecast", in_usd(report.forecast.amount_usd) if report.forecast else "-"),
        ("without a price", f"{total.unpriced} entries"),
    ):
        typer.echo(f"{words:<20} {value}")
    for slice_name in ("kind", "feature", "model", "human_agent"):
        if getattr(report, f"by_{slice_name}"):
            typer.echo(f"by {slice_name.replace('_', ' ')}")
        for group in getattr(report, f"by_{slice_name}"):
            typer.echo(f"  {group.key or 'none':<40} {in_usd(group.amount_usd):>20}")


@usage.command("reconcile", epilog=EXIT_CODES)
def usage_reconcile(
    tenant: Tenant,
    month: Month = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make wrong sums anew from the ledger.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count a month anew from the ledger, and say where the books differ. Exits with 1 if they do.

    Sums of days are compared with the ledger, amounts with quantities times unit prices, and billed
    model calls with their entries, token by token. Only sums can be repaired: the ledger takes corrections.

    \b
    Examples:
      frontdesk usage reconcile --tenant green-leaf --month 2026-11
      frontdesk usage reconcile --tenant green-leaf --repair
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        tenant_id = await _tenant_id(resources, tenant)
        async with resources.db.transaction(tenant_id) as tx:
            span, _ = await billing.month_of(tx, month)
        with progress("counting days") as tell:
            found = await billing.reconcile(resources, tenant_id, span.first, span.last, tell=tell)
        if repair:
            wrong = sorted({difference.day for difference in found if difference.of_sums})
            await billing.mend(resources, tenant_id, wrong)
        return span, found

    span, found = _with_resources(run)
    if as_json:
        from dataclasses import asdict

        print_json([{"tenant": tenant, **asdict(difference)} for difference in found])
    else:
        for difference in found:
            typer.echo(f"{tenant}  {difference.day}  {difference.what}")
            typer.echo(f"    is         {difference.is_so}")
            typer.echo(f"    should be  {difference.should_be}")
    if found:
        fail(f"{tenant}: {len(found)} differences from {span.first} to {span.last}.", FAILED)
    if not as_json:
        typer.echo(f"From {span.first} to {span.last} everything agrees.")


@usage.command("correct", epilog=EXIT_CODES)
def usage_correct(
    entry: Annotated[
        UUID, typer.Argument(help="The entry's id, or its model call's or message's.")
    ],
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why; the tenant reads it in its audit log.")],
    amount_usd: Annotated[
        str | None,
        typer.Option(help="What it should have cost; left out, it is taken back whole."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add an entry to the ledger that puts another one right. What was written stays.

    \b
    Examples:
      frontdesk usage correct 0192f0aa-7777-7d11-8a55-0c0ffee00007 --tenant green-leaf --reason "twice"
      frontdesk usage correct ENTRY --tenant green-leaf --amount-usd 0.0012 --reason "price was late"
    """
    amount = None if amount_usd is None else _usd(amount_usd)

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        tenant_id = await _tenant_id(resources, tenant)
        async with resources.db.transaction(tenant_id) as tx:
            entry_id = await billing.find_entry(tx, str(entry)) or entry
        body = billing.CorrectionCreate(amount_usd=amount, reason=reason)
        return await billing.correct(resources, tenant_id, entry_id, body, by=None)

    made = _with_resources(run)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        typer.echo(f"{made.amount_usd} USD added for {made.day} as {made.id}.")


@prices.command("list", epilog=EXIT_CODES)
def prices_list(
    history: Annotated[
        bool, typer.Option("--history", help="Also prices that no longer hold.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what models and messages cost in USD per million, since when, and where that is written.

    \b
    Examples:
      frontdesk prices list
      frontdesk prices list --history --json
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        return await billing.list_prices(resources, history=history)

    found = _with_resources(run)
    if as_json:
        print_json([price.model_dump(mode="json") for price in found])
        return
    for price in found:
        cached = price.cached_input_usd_per_million
        numbers = (price.input_usd_per_million, price.output_usd_per_million, cached)
        shown = "".join(
            "         -" if number is None else f"{number:>14,.4f}" for number in numbers
        )
        typer.echo(f"{price.model:<44}{shown}  {price.effective_from:%Y-%m-%d}  {price.source}")


@prices.command("set", epilog=EXIT_CODES)
def prices_set(
    model: Annotated[
        str, typer.Argument(help="Such as openai/gpt-4o-mini or whatsapp/utility/DE.")
    ],
    input_usd: Annotated[
        str, typer.Option("--input", help="USD per million input tokens, seconds or messages.")
    ],
    source: Annotated[str, typer.Option(help="Where it is written.")],
    output_usd: Annotated[
        str, typer.Option("--output", help="USD per million output tokens.")
    ] = "0",
    cached_usd: Annotated[
        str | None, typer.Option("--cached", help="USD per million cached input tokens.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="First day (UTC).  [default: now]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set a price from a day on. What is in the ledger keeps the price it was written with.

    \b
    Examples:
      frontdesk prices set openai/gpt-4o-mini --input 0.15 --output 0.60 --source "price list"
      frontdesk prices set whatsapp/utility/DE --input 55000 --from 2027-01-01 --source "rate card"
    """
    try:
        first = None if since is None else date.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter("A day is written like 2026-12-01.") from None
    given = {
        "input_usd_per_million": _usd(input_usd),
        "output_usd_per_million": _usd(output_usd),
        "cached_input_usd_per_million": None if cached_usd is None else _usd(cached_usd),
    }

    async def run(resources: "Resources") -> Any:
        from pydantic import ValidationError

        from frontdesk import billing

        try:
            body = billing.PriceSet(model=model, effective_from=first, source=source, **given)
        except ValidationError as error:
            raise typer.BadParameter(error.errors()[0]["msg"]) from None
        return await billing.set_price(resources, body)

    price = _with_resources(run)
    if as_json:
        print_json(price.model_dump(mode="json"))
    else:
        typer.echo(f"{price.model} costs that from {price.effective_from:%Y-%m-%d %H:%M} UTC on.")


@prices.command("log", epilog=EXIT_CODES)
def prices_log(
    model: Annotated[str | None, typer.Argument(help="Only of this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Show so many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who set which price when, and what it was before; the newest first.

    \b
    Examples:
      frontdesk prices log
      frontdesk prices log openai/gpt-4o-mini --json
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        return await billing.list_price_changes(resources, model, limit=limit)

    found = _with_resources(run)
    if as_json:
        print_json([change.model_dump(mode="json") for change in found])
        return
    for change in found:
        who = change.user_id or "the operator"
        typer.echo(f"{change.created_at:%Y-%m-%d %H:%M} UTC  {change.model}  by {who}")
        typer.echo(f"    before  {_price(change.before)}")
        typer.echo(f"    after   {_price(change.after)}")
    if not found:
        typer.echo("No price has been set yet.")


def _price(price: dict[str, str | None] | None) -> str:
    if price is None:
        return "none"
    names = {"input_usd_per_million": "input", "output_usd_per_million": "output"}
    names["cached_input_usd_per_million"] = "cached"
    numbers = ", ".join(f"{names[name]} {price[name] or '-'}" for name in names)
    return f"{numbers}, from {price['effective_from']}, {price['source']}"


@prices.command("check", epilog=EXIT_CODES)
def prices_check(as_json: AsJson = False) -> None:
    """Find what is used or configured and has no price. Exits with 1 when there is something.

    \b
    Examples:
      frontdesk prices check
      frontdesk prices check --json
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        return await billing.list_unpriced(resources)

    found = _with_resources(run)
    if as_json:
        print_json([item.model_dump(mode="json") for item in found])
    else:
        for item in found:
            how = "configured" if item.configured else "used"
            typer.echo(f"{item.model:<44} {how}, {item.used} entries in 30 days")
    if found:
        fail(f"{len(found)} have no price. Next: frontdesk prices set --help", FAILED)
    if not as_json:
        typer.echo("Everything has a price.")


def _usd(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"“{text}” is no amount.") from None
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"“{text}” is no amount.")
    return amount
