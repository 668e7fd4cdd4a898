"""Commands of tenants: who is served, and by what limits; make one, suspend it, serve it again."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from frontdesk.cli.telling import EXIT_CODES, AsJson, coloured, print_json
from frontdesk.cli.tending import _with_resources, find_tenant

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources

tenants = typer.Typer(
    help="""\
Tenants: list them, make one, suspend one, serve it again.

\b
Examples:
  frontdesk tenants list
  frontdesk tenants create "Green Leaf" --slug green-leaf
  frontdesk tenants suspend green-leaf --reason "Invoice 1042 is unpaid since May." """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Its short name or its id.")]
_PAGE = 200


@tenants.command("list", epilog=EXIT_CODES)
def tenants_list(
    status: Annotated[
        Literal["ACTIVE", "SUSPENDED"] | None, typer.Option(help="Only those of this status.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List all tenants, the oldest first, with their plan and limits.

    \b
    Examples:
      frontdesk tenants list
      frontdesk tenants list --status SUSPENDED --json | jq -r '.[].slug'
    """

    async def run(resources: "Resources") -> list[Any]:
        from frontdesk import identity

        wanted = identity.TenantStatus(status) if status else None
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = await identity.list_tenants(resources, status=wanted, limit=_PAGE, cursor=cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found

    found = _with_resources(run)
    if as_json:
        print_json([tenant.model_dump(mode="json") for tenant in found])
        return
    width = max((len(tenant.slug) for tenant in found), default=0)
    for tenant in found:
        typer.echo(
            f"{tenant.id}  {tenant.slug:<{width}}  {coloured(tenant.status.value, 9)}  {tenant.plan:<10}  "
            f"{tenant.name}"
        )
    typer.echo(f"{len(found)} in all.")


@tenants.command("create", epilog=EXIT_CODES)
def tenants_create(
    name: Annotated[str, typer.Argument(help="Its name, as people know it.")],
    slug: Annotated[str, typer.Option(help="Its short name: lower-case letters, digits, dashes.")],
    plan: Annotated[str, typer.Option(help="What its plan is called.")] = "standard",
    max_users: Annotated[int | None, typer.Option(min=0, help="Users at most.")] = None,
    max_channels: Annotated[int | None, typer.Option(min=0, help="Numbers at most.")] = None,
    max_agents: Annotated[int | None, typer.Option(min=0, help="AI agents at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant. For its first admin and AI agent as well, `frontdesk init` is shorter.

    \b
    Examples:
      frontdesk tenants create "Green Leaf" --slug green-leaf
      frontdesk tenants create Shop --slug shop --plan small --max-users 5 --max-channels 1
    """

    async def run(resources: "Resources") -> Any:
        from pydantic import ValidationError

        from frontdesk import identity

        try:
            body = identity.TenantCreate(
                name=name,
                slug=slug,
                plan=plan,
                max_users=max_users,
                max_channels=max_channels,
                max_agents=max_agents,
            )
        except ValidationError as error:
            told = error.errors()[0]
            raise typer.BadParameter(f"{told['loc'][0]}: {told['msg']}") from None
        return await identity.open_tenant(resources, body, by=None)

    made = _with_resources(run)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    typer.echo(f"{made.id}  {made.slug} is there.")
    typer.echo(f'Next: frontdesk init --tenant "{name}" --slug {slug} --email ADMIN')


@tenants.command("suspend", epilog=EXIT_CODES)
def tenants_suspend(
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why; it stands in the tenant's audit log.")],
    as_json: AsJson = False,
) -> None:
    """Serve a tenant no longer: nobody signs in, sessions end, keys rest, its agents fall silent.

    What contacts write is still received, and answered once it is served again. Safe to repeat.

    \b
    Example:
      frontdesk tenants suspend green-leaf --reason "Invoice 1042 is unpaid since May."
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import identity

        tenant_id = await find_tenant(resources, tenant)
        body = identity.Suspension(reason=reason)
        return await identity.suspend(resources, tenant_id, body, by=None)

    _tell(_with_resources(run), as_json)


@tenants.command("resume", epilog=EXIT_CODES)
def tenants_resume(tenant: Tenant, as_json: AsJson = False) -> None:
    """Serve a tenant again; what its contacts wrote meanwhile is answered now. Safe to repeat.

    \b
    Example:
      frontdesk tenants resume green-leaf
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import identity

        return await identity.resume(resources, await find_tenant(resources, tenant), by=None)

    _tell(_with_resources(run), as_json)


def _tell(tenant: Any, as_json: bool) -> None:
    if as_json:
        print_json(tenant.model_dump(mode="json"))
    else:
        typer.echo(f"{tenant.slug} is {tenant.status.value}.")
