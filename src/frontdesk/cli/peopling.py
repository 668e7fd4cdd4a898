"""Commands of users: who belongs to a tenant; ask them in, help them in again, put them out."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from frontdesk.cli.telling import EXIT_CODES, AsJson, print_json
from frontdesk.cli.tending import _with_resources, find_tenant

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources

users = typer.Typer(
    help="""\
Users of a tenant: list them, ask somebody in, send a link for a new password, end sessions.

\b
Examples:
  frontdesk users list --tenant green-leaf
  frontdesk users invite ana@example.com --tenant green-leaf --admin you@example.com
  frontdesk users reset ana@example.com
  frontdesk users sign-out ana@example.com --tenant green-leaf""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Tenant = Annotated[str, typer.Option(help="The tenant: its short name or its id.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Whose.")]
_PAGE = 200


@users.command("list", epilog=EXIT_CODES)
def users_list(tenant: Tenant, as_json: AsJson = False) -> None:
    """List the users of a tenant by name, the disabled ones among them.

    \b
    Examples:
      frontdesk users list --tenant green-leaf
      frontdesk users list --tenant green-leaf --json | jq -r '.[] | select(.role == "ADMIN").email'
    """

    async def run(resources: "Resources") -> list[Any]:
        from frontdesk import identity

        tenant_id = await find_tenant(resources, tenant)
        found: list[Any] = []
        cursor: str | None = None
        while True:
            async with resources.db.transaction(tenant_id) as session:
                page = await identity.list_members(session, limit=_PAGE, cursor=cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found

    found = _with_resources(run)
    if as_json:
        print_json([member.model_dump(mode="json") for member in found])
        return
    for member in found:
        state = "  disabled" if member.disabled else ""
        typer.echo(f"{member.id}  {member.role.value:<11}  {member.email}  {member.name}{state}")
    typer.echo(f"{len(found)} in all.")


@users.command("invite", epilog=EXIT_CODES)
def users_invite(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Who is asked in.")],
    tenant: Tenant,
    admin: Annotated[str, typer.Option(help="Email of the tenant's admin who asks them in.")],
    role: Annotated[
        Literal["ADMIN", "HUMAN_AGENT"], typer.Option(help="What they may do.")
    ] = "HUMAN_AGENT",
    as_json: AsJson = False,
) -> None:
    """Ask somebody into a tenant; the link goes out by e-mail and is good for 72 hours.

    \b
    Example:
      frontdesk users invite ana@example.com --tenant green-leaf --admin you@example.com
    """

    async def run(resources: "Resources") -> Any:
        from datetime import UTC, datetime

        from frontdesk import identity
        from frontdesk.core.callers import Role

        return await identity.invite_for(
            resources,
            await find_tenant(resources, tenant),
            identity.InviteCreate(email=email, role=Role(role)),
            admin=admin,
            now=datetime.now(UTC),
        )

    made = _with_resources(run)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        typer.echo(
            f"{made.email} is asked in as {made.role.value}, until {made.expires_at:%Y-%m-%d %H:%M} UTC."
        )


@users.command("reset", epilog=EXIT_CODES)
def users_reset(email: Email, as_json: AsJson = False) -> None:
    """Have a link for a new password sent to somebody; only whoever reads their mail can use it.

    Whether the address has an account is not told, here as on the page.

    \b
    Example:
      frontdesk users reset ana@example.com
    """

    async def run(resources: "Resources") -> None:
        from frontdesk import identity

        await identity.send_reset(resources, email)

    _with_resources(run)
    if as_json:
        print_json({"email": email, "queued": True})
    else:
        typer.echo(f"If {email} has an account, a worker sends it a link now.")


@users.command("sign-out", epilog=EXIT_CODES)
def users_sign_out(email: Email, tenant: Tenant, as_json: AsJson = False) -> None:
    """End all sessions of a user in a tenant, within ten seconds everywhere. Safe to repeat.

    They may sign in again: to keep them out, disable the member.

    \b
    Example:
      frontdesk users sign-out ana@example.com --tenant green-leaf
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import identity

        return await identity.sign_out_member(
            resources, await find_tenant(resources, tenant), email
        )

    user_id = _with_resources(run)
    if as_json:
        print_json({"id": user_id, "email": email, "signed_out": True})
    else:
        typer.echo(f"{email} is signed out of {tenant}.")
