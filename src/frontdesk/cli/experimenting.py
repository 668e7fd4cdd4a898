"""Commands of experiments and canaries: what is tried on whom, beginning one, ending one."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from frontdesk.cli.prompting import Name, Override, Tenant, in_tenant
from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, fail, print_json

if TYPE_CHECKING:
    from frontdesk.core.db import Session
    from frontdesk.core.pages import Page
    from frontdesk.core.resources import Resources
    from frontdesk.prompts import ExperimentPublic

experiments = typer.Typer(
    help="""\
Versions of a prompt tried on a share of the turns: see, start, stop. One is open per prompt.

What they are is in docs/prompts.md.

\b
Examples:
  frontdesk experiments list reply
  frontdesk experiments start reply "Shorter answers" --variant shorter=1.1.0:0.05
  frontdesk experiments stop reply --winner shorter""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@experiments.command("list", epilog=EXIT_CODES)
def experiments_list(name: Name, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """List a prompt's newest experiments and canaries, at most 100, and how far each has got.

    \b
    Examples:
      frontdesk experiments list reply
      frontdesk experiments list reply --json | jq -r '.[0].state'
    """

    async def run(_: "Resources", session: "Session") -> "Page[ExperimentPublic]":
        from frontdesk.prompts import list_experiments

        return await list_experiments(session, name, limit=100, cursor=None)

    found = in_tenant(tenant, run).items
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        _tell(each)


@experiments.command("start", epilog=EXIT_CODES)
def experiments_start(
    name: Name,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What it is about.")],
    variant: Annotated[
        list[str],
        typer.Option(metavar="NAME=VERSION:SHARE", help="What to try on which share; repeatable."),
    ],
    guard: Annotated[
        list[str] | None,
        typer.Option(help="What must not get worse; one variant with guards is a canary."),
    ] = None,
    by_tenant: Annotated[
        bool, typer.Option("--by-tenant", help="One variant for the tenant, not a conversation.")
    ] = False,
    override: Override = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Try versions on a share of the turns, from the next one on; the rest gets production.

    \b
    Examples:
      frontdesk experiments start reply "Shorter answers" --variant shorter=1.1.0:0.05
      frontdesk experiments start reply Tone --variant warm=1.2.0:0.1 --guard thumbs_down_rate
    """
    from pydantic import ValidationError

    from frontdesk.prompts import ExperimentStart

    try:
        body = ExperimentStart.model_validate(
            {
                "name": title,
                "unit": "tenant" if by_tenant else "conversation",
                "variants": [_variant(text) for text in variant],
                "guards": guard or [],
                "override": override,
            }
        )
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False)
        place = ".".join(map(str, first["loc"]))
        raise typer.BadParameter(f"{place}: {first['msg']}.".removeprefix(": ")) from None

    async def run(resources: "Resources", session: "Session") -> "ExperimentPublic":
        from frontdesk.prompts import start_experiment

        return await start_experiment(session, resources, name, body)

    _tell_one(in_tenant(tenant, run), as_json)


@experiments.command("stop", epilog=EXIT_CODES)
def experiments_stop(
    name: Name,
    winner: Annotated[
        str | None,
        typer.Option(help="The variant that goes to production; else production stays as it is."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the experiment.")] = "",
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """End a prompt's open experiment, back or, with a winner, forward into production.

    \b
    Examples:
      frontdesk experiments stop reply
      frontdesk experiments stop reply --winner shorter --reason "Fewer handoffs."
    """

    async def run(resources: "Resources", session: "Session") -> "ExperimentPublic":
        from frontdesk.prompts import (
            ExperimentMove,
            ExperimentState,
            list_experiments,
            move_experiment,
        )

        # The newest is the only one that can be open.
        page = await list_experiments(session, name, limit=1, cursor=None)
        if not page.items or page.items[0].ended_at is not None:
            fail(f"No experiment is open on {name}.", FAILED)
        to = ExperimentState.ROLLED_FORWARD if winner else ExperimentState.ROLLED_BACK
        move = ExperimentMove(to=to, winner=winner, reason=reason)
        open_id: UUID = page.items[0].id
        return await move_experiment(session, resources, name, open_id, move)

    _tell_one(in_tenant(tenant, run), as_json)


def _variant(text: str) -> dict[str, str]:
    """`shorter=1.1.0:0.05` as a body has it."""
    name, _, rest = text.partition("=")
    version, _, share = rest.partition(":")
    return {"name": name, "version": version, "share": share}


def _tell_one(experiment: "ExperimentPublic", as_json: bool) -> None:
    if as_json:
        print_json(experiment.model_dump(mode="json"))
    else:
        _tell(experiment)


def _tell(experiment: "ExperimentPublic") -> None:
    variants = ", ".join(
        f"{each.name} {each.version} on {each.share:.0%}" for each in experiment.variants
    )
    won = f" ({experiment.winner})" if experiment.winner else ""
    typer.echo(f"{experiment.id}  {experiment.state}{won}  {experiment.name}: {variants}")
