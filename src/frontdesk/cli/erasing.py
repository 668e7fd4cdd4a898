"""Commands of erasures: start one, see what became of them, and do them again after a restore."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from frontdesk.cli.telling import EXIT_CODES, AsJson, coloured, print_json
from frontdesk.cli.tending import _with_resources

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources
    from frontdesk.privacy import Relisted

erasures = typer.Typer(
    help="""\
What is to be forgotten: erase a contact or a whole tenant, and again after a restore.

A worker does it. What it removes and what it keeps is in docs/runbooks/erasure.md.

\b
Examples:
  frontdesk erasures list
  frontdesk erasures start --tenant green-leaf --contact 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
  frontdesk erasures reapply""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@erasures.command("list", epilog=EXIT_CODES)
def erasures_list(as_json: AsJson = False) -> None:
    """List the erasures of all tenants, newest first, with what is left of each.

    \b
    Examples:
      frontdesk erasures list
      frontdesk erasures list --json | jq '.[] | select(.state != "done")'
    """

    async def run(resources: "Resources") -> Any:
        async with resources.db.system() as connection:
            return await connection.fetch(
                "SELECT e.id, t.slug AS tenant, e.contact_id, e.state, e.stage, e.created_at, "
                "e.finished_at, e.last_error FROM erasure e JOIN tenant t ON t.id = e.tenant_id "
                "ORDER BY e.id DESC LIMIT 1000"
            )

    rows = [dict(row) for row in _with_resources(run)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        whom = f"contact {row['contact_id']}" if row["contact_id"] else "the whole tenant"
        typer.echo(f"{row['id']}  {coloured(row['state'], 6)}  {row['tenant']}  {whom}")
        if row["last_error"]:
            typer.echo(f"    {row['last_error']}")
    typer.echo(f"{len(rows)} in all.")


@erasures.command("start", epilog=EXIT_CODES)
def erasures_start(
    tenant: Annotated[str, typer.Option(help="The tenant: its short name or its id.")],
    contact: Annotated[
        UUID | None, typer.Option(help="The contact's id, as the API shows it.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="The whole tenant, instead of a contact.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a contact, or everything of a tenant; it can't be undone.

    Costs, counts and outcomes stay, naming nobody. A tenant's numbers stop at once, and nobody can
    sign in to it any more. A worker does it: `frontdesk erasures list` tells when it is done.

    \b
    Examples:
      frontdesk erasures start --tenant green-leaf --contact 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
      frontdesk erasures start --tenant green-leaf --everything
    """
    if everything == (contact is not None):
        raise typer.BadParameter("Say either --contact ID or --everything.")
    if not yes:
        what = "everything" if everything else f"contact {contact}"
        typer.confirm(f"Erase {what} of {tenant}? This can't be undone", abort=True)

    async def run(resources: "Resources") -> UUID:
        from frontdesk import privacy
        from frontdesk.cli.tending import _caller

        tenant_id = (await _caller(resources, tenant)).tenant_id
        assert tenant_id is not None
        async with resources.db.hot(tenant_id) as tx:
            return await privacy.start_erasure(tx, contact)

    erasure_id = _with_resources(run)
    if as_json:
        print_json({"id": str(erasure_id)})
    else:
        typer.echo(f"Erasure {erasure_id} is due. Next: frontdesk erasures list")


@erasures.command("reapply", epilog=EXIT_CODES)
def erasures_reapply(
    ledger: Annotated[
        Path | None,
        typer.Option(help="A copy of the ledger; default: erasures.jsonl in PRIVACY__FOLDER."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """After a restore: erase again whom the backup has brought back, before anything is served.

    Reads the ledger, which no backup undoes, lists the erased again and makes their erasures due;
    a worker does them. Safe to repeat.

    \b
    Examples:
      frontdesk erasures reapply
      frontdesk erasures reapply --ledger /mnt/backup/erasures.jsonl
    """
    lines = None if ledger is None else ledger.read_text().splitlines()

    async def run(resources: "Resources") -> "Relisted":
        from frontdesk import privacy

        return await privacy.reapply_erasures(resources, lines)

    done = _with_resources(run)
    if as_json:
        print_json({"erasures": done.erasures, "people": done.people})
        return
    typer.echo(f"{done.people} people are listed as erased; {done.erasures} are erased again.")
    if done.erasures:
        typer.echo("Start a worker, then: frontdesk erasures list")
