"""Commands of drills: simulate an outage for one tenant, end it, and read what contacts saw."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from frontdesk.cli.telling import EXIT_CODES, MISUSED, AsJson, fail, print_json
from frontdesk.cli.tending import _with_resources, find_tenant

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources

drill = typer.Typer(
    help="""\
Outages simulated for one tenant: to see what its contacts would, before it happens.

\b
  models    no model answers, or none of one provider: as if breakers were open
  whatsapp  nothing is sent; messages wait, and leave when it is over
  redis     workers send that tenant's rings and news through Redis no more

No other tenant notices, and nothing real is lost: a message that could not leave any more after the
drill leaves in spite of it.

\b
Examples:
  frontdesk drill start --tenant green-leaf --outage models --provider groq --minutes 5 --yes
  frontdesk drill list --tenant green-leaf
  frontdesk drill show 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --tenant green-leaf""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Tenant = Annotated[str, typer.Option(help="The tenant: its short name or its id.")]
DrillId = Annotated[
    UUID, typer.Argument(metavar="ID", help="Its id as `frontdesk drill list` prints it.")
]


@drill.command("start", epilog=EXIT_CODES)
def drill_start(
    tenant: Tenant,
    outage: Annotated[
        Literal["models", "whatsapp", "redis"], typer.Option(help="What is to be away.")
    ],
    minutes: Annotated[int, typer.Option(min=1, max=60, help="For how long.")] = 5,
    provider: Annotated[
        str | None, typer.Option(help="Of models, the one that is away, as `groq`; else all are.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Real contacts of this tenant may notice: go on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate an outage for one tenant; it begins within five seconds and ends by itself.

    It is written into the tenant's audit log and shown to its people on the feed, and `/readyz` tells
    that drills run.

    \b
    Examples:
      frontdesk drill start --tenant green-leaf --outage whatsapp --minutes 5 --yes
      frontdesk drill start --tenant green-leaf --outage models --provider groq --yes
    """
    if not yes:
        fail("Contacts of this tenant may have to wait. Say --yes if that is meant.", MISUSED)

    async def run(resources: "Resources") -> Any:
        from frontdesk import pipeline
        from frontdesk.observability import Outage

        tenant_id = await find_tenant(resources, tenant)
        async with resources.db.hot(tenant_id) as tx:
            slug = await tx.sql.fetchval("SELECT slug FROM tenant")
        return await pipeline.start_drill(
            resources,
            tenant_id,
            Outage(outage),
            minutes=minutes,
            confirm=slug,
            provider=provider,
        )

    begun = _with_resources(run)
    if as_json:
        print_json(asdict(begun))
        return
    typer.echo(f"{begun.id}  {begun.outage} is away until {begun.ends_at:%H:%M:%S} UTC.")
    typer.echo(f"What contacts see: frontdesk drill show {begun.id} --tenant {tenant}")
    typer.echo(f"To end it sooner: frontdesk drill stop {begun.id} --tenant {tenant}")


@drill.command("list", epilog=EXIT_CODES)
def drill_list(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Show so many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List a tenant's drills, newest first.

    \b
    Examples:
      frontdesk drill list --tenant green-leaf
      frontdesk drill list --tenant green-leaf --json | jq '.[] | select(.ended_at == null)'
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import pipeline

        tenant_id = await find_tenant(resources, tenant)
        return await pipeline.drills_of(resources, tenant_id, limit=limit)

    found = _with_resources(run)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        state = f"ended {each.ended_at:%H:%M:%S}" if each.ended_at else "runs"
        named = f" ({each.provider})" if each.provider else ""
        typer.echo(f"{each.id}  {each.outage}{named}  {each.created_at:%Y-%m-%d %H:%M:%S}  {state}")
    typer.echo(f"{len(found)} in all.")


@drill.command("show", epilog=EXIT_CODES)
def drill_show(drill_id: DrillId, tenant: Tenant, as_json: AsJson = False) -> None:
    """Show what contacts saw of a drill: how long they waited, what they were told, who took over.

    While it runs, what they have seen so far; after it, also what has left since.

    \b
    Example:
      frontdesk drill show 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --tenant green-leaf --json
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import pipeline

        return await pipeline.read_drill(resources, await find_tenant(resources, tenant), drill_id)

    shown, report = _with_resources(run)
    if as_json:
        print_json(asdict(shown) | {"report": asdict(report)})
        return
    end = (
        f"ended {shown.ended_at:%H:%M:%S}" if shown.ended_at else f"until {shown.ends_at:%H:%M:%S}"
    )
    typer.echo(f"{shown.outage}, {shown.created_at:%Y-%m-%d %H:%M:%S}, {end} (UTC)\n")
    typer.echo(f"bursts            {_counted(report.turns)}")
    typer.echo(f"given to people   {_counted(report.handoffs)}")
    typer.echo(f"still waiting     {report.still_waiting}")
    typer.echo(
        f"first word after  {_seconds(report.median_wait_seconds)} in the middle, "
        f"{_seconds(report.longest_wait_seconds)} at most"
    )
    typer.echo(
        f"messages held     {report.held_sends}, of which {report.sent_since} have left since; "
        f"{report.failed_sends} failed"
    )
    typer.echo(f"a send took       {_seconds(report.longest_send_seconds)} at most")
    for notice in report.notices:
        typer.echo(f"they were told    “{notice}”")


@drill.command("stop", epilog=EXIT_CODES)
def drill_stop(drill_id: DrillId, tenant: Tenant, as_json: AsJson = False) -> None:
    """End a drill before its time; what it held leaves within seconds. Safe to repeat.

    \b
    Example:
      frontdesk drill stop 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --tenant green-leaf
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import pipeline

        return await pipeline.stop_drill(resources, await find_tenant(resources, tenant), drill_id)

    ended = _with_resources(run)
    if as_json:
        print_json(asdict(ended))
        return
    typer.echo(f"It ended at {ended.ended_at:%H:%M:%S} UTC.")
    typer.echo(f"What contacts saw: frontdesk drill show {ended.id} --tenant {tenant}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"
