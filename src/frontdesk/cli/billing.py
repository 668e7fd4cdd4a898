"""Commands of billing through Stripe: tell it of the plans, see who pays, compare what it counted."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontdesk.cli.telling import ACT_FIRST, EXIT_CODES, FAILED, AsJson, fail, print_json
from frontdesk.cli.tending import _with_resources

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources

stripe = typer.Typer(
    help="""\
Billing tenants through Stripe: set it up, see how tenants stand, compare what was counted.

What each means, and what to do about a difference, is in docs/stripe.md.

\b
Examples:
  frontdesk stripe set-up
  frontdesk stripe accounts
  frontdesk stripe reconcile --days 7""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@stripe.command("set-up", epilog=EXIT_CODES)
def stripe_set_up(as_json: AsJson = False) -> None:
    """Make Stripe's meters, products and prices what STRIPE__PLANS says; safe to run again.

    A changed amount makes a new price, which new subscriptions get; whoever has one keeps the old.
    Exits with 3 when STRIPE__SECRET_KEY or STRIPE__PLANS is not set.

    \b
    Examples:
      frontdesk stripe set-up
      frontdesk stripe set-up --json | jq -r '.[] | select(.outcome != "kept") | .name'
    """
    from dataclasses import asdict

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        try:
            return await billing.set_up_stripe(resources)
        except (billing.StripeNotSetUp, billing.NoSuchPlan) as error:
            return error

    changes = _with_resources(run)
    if isinstance(changes, Exception):
        fail(f"{changes}. Set STRIPE__SECRET_KEY and STRIPE__PLANS first.", ACT_FIRST)
    if as_json:
        print_json([asdict(change) for change in changes])
        return
    for change in changes:
        typer.echo(f"{change.outcome:<9} {change.what:<8} {change.name}")
    typer.echo(
        "Next: at Stripe, let an endpoint send customer.subscription.*, invoice.* and "
        "checkout.session.completed to /webhooks/stripe, and set STRIPE__WEBHOOK_SECRETS."
    )


@stripe.command("accounts", epilog=EXIT_CODES)
def stripe_accounts(as_json: AsJson = False) -> None:
    """List the tenants that are customers at Stripe, and how they stand.

    \b
    Examples:
      frontdesk stripe accounts
      frontdesk stripe accounts --json | jq '.[] | select(.standing == "stopped")'
    """

    async def run(resources: "Resources") -> Any:
        async with resources.db.system() as connection:
            return await connection.fetch(
                "SELECT t.slug AS tenant, a.customer_id, a.plan, a.standing, a.status, "
                "a.standing_since, a.metered_until, a.last_error, (SELECT count(*) FROM "
                "stripe_batch b WHERE b.tenant_id = a.tenant_id AND b.state = 'pending') AS unsent, "
                "(SELECT count(*) FROM stripe_batch b WHERE b.tenant_id = a.tenant_id "
                "AND b.state IN ('too_old', 'uncertain')) AS stuck "
                "FROM stripe_account a JOIN tenant t ON t.id = a.tenant_id ORDER BY t.slug"
            )

    rows = [dict(row) for row in _with_resources(run)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(
            f"{row['tenant']}  {row['standing']} ({row['status'] or 'no subscription'}) since "
            f"{row['standing_since']:%Y-%m-%d}  {row['plan'] or '–'}  {row['customer_id']}"
        )
        if row["unsent"] or row["stuck"] or row["last_error"]:
            problem = row["last_error"] or "no error"
            typer.echo(f"    {row['unsent']} unsent, {row['stuck']} stuck batches; {problem}")
    typer.echo(f"{len(rows)} in all. Next: frontdesk stripe reconcile")


@stripe.command("reconcile", epilog=EXIT_CODES)
def stripe_reconcile(
    tenant: Annotated[str | None, typer.Option(help="Only this one: short name or id.")] = None,
    days: Annotated[int, typer.Option(min=1, max=35, help="So many days, up to yesterday.")] = 3,
    today: Annotated[bool, typer.Option("--today", help="Today as well, as far as it is sent.")] = (
        False
    ),
    as_json: AsJson = False,
) -> None:
    """Compare what we sent with what Stripe counted, by tenant, day (UTC) and meter.

    Of a day that differs it names the hours that do, with the batches that were sent of them. What it
    finds is written down as the daily comparison does. Exits with 1 when anything differs,
    or could not be compared.

    \b
    Examples:
      frontdesk stripe reconcile --days 7
      frontdesk stripe reconcile --tenant green-leaf --json | jq '.[] | select(.agrees | not)'
    """
    last = datetime.now(UTC).date() - timedelta(days=0 if today else 1)
    wanted = [last - timedelta(days=back) for back in range(days + today)]

    async def run(resources: "Resources") -> list[dict[str, Any]]:
        async with resources.db.system() as connection:
            accounts = await connection.fetch(
                "SELECT a.tenant_id, t.slug FROM stripe_account a JOIN tenant t "
                "ON t.id = a.tenant_id WHERE a.metered_from IS NOT NULL AND ($1::text IS NULL "
                "OR t.slug = $1 OR t.id::text = $1) ORDER BY t.slug",
                tenant and tenant.lower(),
            )
        return [
            found
            for account in accounts
            for day in reversed(wanted)
            for found in await _compared(resources, account["tenant_id"], account["slug"], day)
        ]

    found = _with_resources(run)
    wrong = [each for each in found if not each["agrees"]]
    if as_json:
        print_json(found)
    else:
        for each in found:
            state = "agrees" if each["agrees"] else each["problem"] or "DIFFERS"
            numbers = (
                "" if each["ours"] is None else f"ours {each['ours']}, Stripe {each['theirs']}"
            )
            typer.echo(f"{each['tenant']}  {each['day']}  {each['meter']:<12} {state}  {numbers}")
            for hour in each["hours"]:
                batches = ", ".join(hour["batches"]) or "no batch of ours"
                counted = f"ours {hour['ours']}, Stripe {hour['theirs']}"
                typer.echo(f"    {hour['hour_at']:%H:%M} UTC  {counted}: {batches}")
    if wrong:
        fail(f"{len(wrong)} of {len(found)} differ. What to do: docs/stripe.md.", FAILED)
    if not as_json:
        typer.echo(f"All {len(found)} agree.")


async def _compared(resources: "Resources", tenant_id: Any, slug: str, day: date) -> Any:
    from frontdesk import billing
    from frontdesk.core.errors import FrontdeskError

    about = {"tenant": slug, "day": str(day)}
    try:
        counts = await billing.compare_with_stripe(resources, tenant_id, day)
    except FrontdeskError as error:
        nothing: dict[str, Any] = {
            "meter": "–",
            "ours": None,
            "theirs": None,
            "agrees": False,
            "hours": [],
        }
        return [{**about, **nothing, "problem": str(error)}]
    return [
        {
            **about,
            "meter": count.meter.value,
            "ours": count.ours,
            "theirs": count.theirs,
            "agrees": count.agrees,
            "problem": None,
            "hours": [
                {**asdict(hour), "batches": [str(batch) for batch in hour.batches]}
                for hour in count.hours
            ],
        }
        for count in counts
    ]
