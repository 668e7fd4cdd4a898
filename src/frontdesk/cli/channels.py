"""Commands of channels: which numbers there are, how they are; connect, pause, resume, let go."""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, coloured, fail, print_json
from frontdesk.cli.tending import _with_resources

if TYPE_CHECKING:
    from frontdesk.core.db import Session
    from frontdesk.core.resources import Resources
    from frontdesk.messaging import ChannelPublic

channels = typer.Typer(
    help="""\
WhatsApp numbers of all tenants: see how they are, connect one, pause, resume, let go.

\b
Examples:
  frontdesk channels list
  frontdesk channels health 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
  frontdesk channels connect --tenant green-leaf --phone-number-id 100000000000001 \\
      --waba-id 200000000000001 < token""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ChannelId = Annotated[
    UUID, typer.Argument(metavar="ID", help="Its id as `frontdesk channels list` prints it.")
]
Reason = Annotated[str, typer.Option(help="Why; it is shown and written into the audit log.")]
_BY_OPERATOR = "An operator gave no reason."
_LONGEST_WAIT_SECONDS = 60


@channels.command("list", epilog=EXIT_CODES)
def channels_list(
    tenant: Annotated[str | None, typer.Option(help="Only of this one: short name or id.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the numbers of all tenants, oldest first, with their state.

    \b
    Examples:
      frontdesk channels list
      frontdesk channels list --json | jq '.[] | select(.status != "CONNECTED")'
    """

    async def run(resources: "Resources") -> Any:
        async with resources.db.system() as connection:
            return await connection.fetch(
                "SELECT c.id, t.slug AS tenant, c.name, c.phone_number_id, c.display_phone_number, "
                "c.status, c.status_reason, c.stage, c.token_expires_at FROM channel c "
                "JOIN tenant t ON t.id = c.tenant_id "
                "WHERE $1::text IS NULL OR t.slug = $1 OR t.id::text = $1 ORDER BY c.id",
                tenant and tenant.lower(),
            )

    rows = [dict(row) for row in _with_resources(run)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        number = row["display_phone_number"] or row["phone_number_id"] or "no number yet"
        typer.echo(
            f"{row['id']}  {coloured(row['status'], 12)}  {row['tenant']}  {row['name']} ({number})"
        )
        if row["status_reason"]:
            typer.echo(f"    {row['status_reason']}")
    typer.echo(f"{len(rows)} in all. Next: frontdesk channels health ID")


@channels.command("health", epilog=EXIT_CODES)
def channels_health(channel_id: ChannelId, as_json: AsJson = False) -> None:
    """Say in words how a number is and what to do; exits with 1 when something is critical.

    \b
    Examples:
      frontdesk channels health 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
      frontdesk channels health 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --json | jq -r .state
    """

    async def run(resources: "Resources", session: "Session") -> Any:
        from datetime import UTC, datetime

        from frontdesk import messaging

        return await messaging.channel_health(session, channel_id, now=datetime.now(UTC))

    health = _in_tenant_of(channel_id, run)
    if as_json:
        print_json(health.model_dump(mode="json"))
    else:
        typer.echo(f"{health.state.value}: {health.sentence}")
        for finding in health.findings:
            since = f", since {finding.since:%Y-%m-%d %H:%M}" if finding.since else ""
            typer.echo(f"\n{finding.severity} {finding.code}{since}\n    {finding.sentence}")
            if finding.what_to_do:
                typer.echo(f"    → {finding.what_to_do.format(channel_id=channel_id)}")
    if any(finding.severity == "critical" for finding in health.findings):
        raise typer.Exit(FAILED)


@channels.command("connect", epilog=EXIT_CODES)
def channels_connect(
    tenant: Annotated[str, typer.Option(help="The tenant: its short name or its id.")],
    phone_number_id: Annotated[
        str | None, typer.Option(help="Which number; with --signup only where there are several.")
    ] = None,
    waba_id: Annotated[
        str | None, typer.Option(help="Its WhatsApp Business Account; not with --signup.")
    ] = None,
    signup: Annotated[
        bool,
        typer.Option("--signup", help="Standard input holds a code of Embedded Signup, no token."),
    ] = False,
    agent: Annotated[
        str | None, typer.Option(help="Name of the AI agent; by default the tenant's only one.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the number is called here.")] = "Main number",
    wait: Annotated[
        bool, typer.Option(help="Wait until a worker has connected it, or could not.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Connect a number. The token, or the code, is read from standard input and never shown.

    A two-step PIN is taken from FRONTDESK_PIN. A worker must be running: it asks Meta, step by step.
    Exits with 1 when the number could not be connected; the reason is printed.

    \b
    Examples:
      frontdesk channels connect --tenant green-leaf --phone-number-id 100000000000001 \\
          --waba-id 200000000000001 < token
      frontdesk simulate signup --json | jq -r .code | \\
          frontdesk channels connect --tenant green-leaf --signup
    """
    if not signup and not (phone_number_id and waba_id):
        raise typer.BadParameter("Say --phone-number-id and --waba-id, or --signup.")
    secret = _read_secret("Code of the signup" if signup else "Access token")
    pin = os.environ.get("FRONTDESK_PIN")

    async def run(resources: "Resources") -> "ChannelPublic":
        from frontdesk.cli.tending import _caller

        tenant_id = (await _caller(resources, tenant)).tenant_id
        assert tenant_id is not None
        given: dict[str, Any] = {"name": name, "phone_number_id": phone_number_id, "pin": pin}
        async with resources.db.transaction(tenant_id) as session:
            given["agent_id"] = await _agent(session, agent)
            channel = await _begin(session, resources, given, secret, waba_id, signup)
        return await _watch(resources, tenant_id, channel) if wait else channel

    channel = _with_resources(run)
    if as_json:
        print_json(channel.model_dump(mode="json"))
    else:
        typer.echo(f"{channel.status}: {channel.name} {channel.id}")
    if channel.status == "FAILED":
        fail(channel.status_reason or "It failed.", FAILED)
    if not as_json:
        typer.echo(f"Next: frontdesk channels health {channel.id}")


@channels.command("pause", epilog=EXIT_CODES)
def channels_pause(
    channel_id: ChannelId, reason: Reason = _BY_OPERATOR, as_json: AsJson = False
) -> None:
    """Stop sending from a number; messages still come in, and what should go out waits.

    \b
    Example:
      frontdesk channels pause 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --reason "Wrong prices."
    """

    async def run(resources: "Resources", session: "Session") -> "ChannelPublic":
        from frontdesk import messaging

        return await messaging.pause_by_admin(session, channel_id, reason, user_id=None)

    _tell(_in_tenant_of(channel_id, run), as_json, f"frontdesk channels resume {channel_id}")


@channels.command("resume", epilog=EXIT_CODES)
def channels_resume(
    channel_id: ChannelId, reason: Reason = _BY_OPERATOR, as_json: AsJson = False
) -> None:
    """Let a paused number send again; what waited goes out at its pace.

    \b
    Example:
      frontdesk channels resume 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
    """

    async def run(resources: "Resources", session: "Session") -> "ChannelPublic":
        from frontdesk import messaging

        return await messaging.resume_by_admin(session, channel_id, reason, user_id=None)

    _tell(_in_tenant_of(channel_id, run), as_json, f"frontdesk channels health {channel_id}")


@channels.command("disconnect", epilog=EXIT_CODES)
def channels_disconnect(
    channel_id: ChannelId,
    reason: Reason = _BY_OPERATOR,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let go of a number: a worker tells Meta and destroys the token; conversations stay.

    \b
    Example:
      frontdesk channels disconnect 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --reason "Sold." --yes
    """
    if not yes:
        typer.confirm(f"Disconnect {channel_id}? Its token is destroyed", abort=True)

    async def run(resources: "Resources", session: "Session") -> "ChannelPublic":
        from frontdesk import messaging

        return await messaging.disconnect_by_admin(session, channel_id, reason, user_id=None)

    _tell(_in_tenant_of(channel_id, run), as_json, "frontdesk channels list")


def _in_tenant_of(channel_id: UUID, run: "Callable[[Resources, Session], Awaitable[Any]]") -> Any:
    """What `run` gives in a transaction of the tenant whose channel it is."""

    async def opened(resources: "Resources") -> Any:
        from frontdesk.core.errors import NotFound

        async with resources.db.system() as connection:
            tenant_id = await connection.fetchval(
                "SELECT tenant_id FROM channel WHERE id = $1", channel_id
            )
        if tenant_id is None:
            raise NotFound(f"There is no channel {channel_id}.")
        async with resources.db.transaction(tenant_id) as session:
            return await run(resources, session)

    return _with_resources(opened)


async def _agent(session: "Session", name: str | None) -> UUID:
    from frontdesk.core.errors import NotFound

    rows = await session.sql.fetch(
        "SELECT id FROM agent WHERE $1::text IS NULL OR name = $1 ORDER BY id", name
    )
    if len(rows) != 1:
        many = "several agents: name one with --agent" if rows else "no such agent"
        raise NotFound(f"The tenant has {many}.")
    found: UUID = rows[0]["id"]
    return found


async def _begin(
    session: "Session",
    resources: "Resources",
    given: dict[str, Any],
    secret: str,
    waba_id: str | None,
    signup: bool,
) -> "ChannelPublic":
    from pydantic import ValidationError

    from frontdesk import messaging
    from frontdesk.core.errors import Invalid

    try:
        if signup:
            by_code = messaging.SignupCreate(code=secret, **given)
            return await messaging.connect_by_signup(session, resources, by_code)
        pasted = messaging.ChannelCreate(access_token=secret, waba_id=waba_id, **given)
        return await messaging.connect_channel(session, resources, pasted)
    except ValidationError as error:
        wrong = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise Invalid(wrong) from None


async def _watch(
    resources: "Resources", tenant_id: UUID, channel: "ChannelPublic"
) -> "ChannelPublic":
    """The channel once it is connected or failed; each step is told on standard error."""
    import asyncio

    from frontdesk import messaging
    from frontdesk.core.errors import Unavailable

    told = None
    for _ in range(_LONGEST_WAIT_SECONDS * 5):
        if channel.status != "CONNECTING":
            return channel
        if (channel.stage, channel.status_reason) != told:
            told = channel.stage, channel.status_reason
            typer.echo(f"{channel.stage} … {channel.status_reason or ''}".rstrip(), err=True)
        await asyncio.sleep(0.2)
        async with resources.db.transaction(tenant_id) as session:
            channel = await messaging.get_channel(session, channel.id)
    raise Unavailable(
        f"It is not connected yet. Is a worker running? Look again: frontdesk channels health "
        f"{channel.id}"
    )


def _read_secret(what: str) -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt(what, hide_input=True)
        return asked.strip()
    return sys.stdin.readline().strip()


def _tell(channel: "ChannelPublic", as_json: bool, next_step: str) -> None:
    if as_json:
        print_json(channel.model_dump(mode="json"))
        return
    typer.echo(f"{channel.status}: {channel.name} {channel.id}")
    typer.echo(f"Next: {next_step}")
