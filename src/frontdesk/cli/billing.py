"""Commands of billing through Stripe: tell it of the plans, see who pays, compare what it counted."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from frontdesk.cli.progress import progress
from frontdesk.cli.telling import ACT_FIRST, EXIT_CODES, FAILED, AsJson, coloured, fail, print_json
from frontdesk.cli.tending import _with_resources, find_tenant

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
  frontdesk stripe reconcile --days 7
  frontdesk stripe batches""",
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


@stripe.command("batches", epilog=EXIT_CODES)
def stripe_batches(
    tenant: Annotated[str | None, typer.Option(help="Only this one: short name or id.")] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Also those that are still tried by themselves.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Show so many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List usage that could not be told to Stripe and needs a person, the oldest hour first.

    \b
    Examples:
      frontdesk stripe batches
      frontdesk stripe batches --tenant green-leaf --waiting --json | jq -r '.[].last_error'
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        states = [*billing.STUCK, *([billing.BatchState.PENDING] if waiting else [])]
        tenant_id = None if tenant is None else await find_tenant(resources, tenant)
        return await billing.list_waiting(resources, states, tenant_id=tenant_id, limit=limit)

    found = _with_resources(run)
    if as_json:
        print_json([batch.model_dump(mode="json") for batch in found])
        return
    for batch in found:
        typer.echo(
            f"{batch.id}  {batch.tenant}  {batch.hour_at:%Y-%m-%d %H:%M} UTC  "
            f"{batch.value} {batch.meter.value}  {batch.state.value}"
        )
        typer.echo(f"    {batch.last_error or 'not tried yet'} ({batch.attempts} attempts)")
    if not found:
        typer.echo("There are none.")
        return
    typer.echo(f"{len(found)} in all. Next: frontdesk stripe settle ID --help")


@stripe.command("settle", epilog=EXIT_CODES)
def stripe_settle(
    batch: Annotated[
        UUID, typer.Argument(metavar="ID", help="As `frontdesk stripe batches` prints it.")
    ],
    how: Annotated[
        Literal["arrived", "resend", "write-off"],
        typer.Argument(
            metavar="HOW",
            help="arrived: Stripe has it. resend: it has not, send it. write-off: let it go.",
        ),
    ],
    tenant: Annotated[str, typer.Option(help="Whose it is: short name or id.")],
    reason: Annotated[str, typer.Option(help="Why; the tenant reads it in its audit log.")],
    as_json: AsJson = False,
) -> None:
    """Decide what becomes of a batch that is too old or uncertain; written into the audit log.

    `frontdesk stripe reconcile` says whether Stripe has it. What is sent again and had arrived is
    counted twice. What is older than Stripe takes can only be let go, and billed by hand.

    \b
    Examples:
      frontdesk stripe settle ID arrived --tenant green-leaf --reason "the day agrees with it"
      frontdesk stripe settle ID write-off --tenant green-leaf --reason "on invoice 12 by hand"
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import billing

        tenant_id, verdict = await find_tenant(resources, tenant), billing.Verdict(how)
        return await billing.settle_batch(resources, tenant_id, batch, verdict, reason=reason)

    state = _with_resources(run)
    if as_json:
        print_json({"id": str(batch), "state": state.value})
    else:
        typer.echo(f"The batch is {state.value.replace('_', ' ')} now.")


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
        asked = [(account, day) for account in accounts for day in reversed(wanted)]
        found: list[dict[str, Any]] = []
        with progress("comparing days") as tell:
            for number, (account, day) in enumerate(asked, 1):
                found += await _compared(resources, account["tenant_id"], account["slug"], day)
                tell(number, len(asked))
        return found

    found = _with_resources(run)
    wrong = [each for each in found if not each["agrees"]]
    if as_json:
        print_json(found)
    else:
        for each in found:
            how = "agrees" if each["agrees"] else each["problem"] or "DIFFERS"
            numbers = (
                "" if each["ours"] is None else f"ours {each['ours']}, Stripe {each['theirs']}"
            )
            typer.echo(
                f"{each['tenant']}  {each['day']}  {each['meter']:<12} {coloured(how)}  {numbers}"
            )
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
