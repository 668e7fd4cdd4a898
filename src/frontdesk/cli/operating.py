"""Commands to run Frontdesk for real: its processes, its database, its settings."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontdesk.cli.telling import ACT_FIRST, FAILED, MISUSED, AsJson, fail, print_json

if TYPE_CHECKING:
    from frontdesk.core.settings import InitSettings, Settings


def migrate(
    as_json: AsJson = False,
) -> None:
    """Bring the database up to date; safe to run again, and by several at once.

    With DATABASE__ADMIN_URL it first makes the roles, the database and the extensions that are
    missing. Without it, and when something is missing, it prints the SQL that an administrator
    has to run, and exits with 3. With FRONTDESK_INIT__TENANT and FRONTDESK_INIT__EMAIL set it ends
    with what `frontdesk init` does, which needs all the settings.

    \b
    Examples:
      frontdesk migrate
      frontdesk migrate > prepare.sql || psql -f prepare.sql
    """
    from frontdesk.core.migrate import NotPrepared
    from frontdesk.core.migrate import migrate as run
    from frontdesk.core.settings import load_database_settings

    settings = load_database_settings()
    try:
        run(settings)
    except NotPrepared as unprepared:
        if as_json:
            print_json({"migrated": False, "sql": str(unprepared)})
        else:
            typer.echo(str(unprepared))
        fail(
            "The database is not prepared. Let an administrator run the SQL printed above, or set "
            "DATABASE__ADMIN_URL; then migrate again.",
            ACT_FIRST,
        )
    made = _begin_headless()
    if as_json:
        print_json({"migrated": True, **({"init": made} if made else {})})
        return
    typer.echo("The database is up to date.")
    if made:
        _tell(made)
    else:
        typer.echo("Next, once: frontdesk init --help")


def init(
    tenant: Annotated[
        str | None, typer.Option(help="Name of the tenant, as people know it.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Email of its first admin.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the admin; else from the email.")
    ] = None,
    slug: Annotated[str | None, typer.Option(help="Short name; else from the tenant's.")] = None,
    agent: Annotated[
        str | None, typer.Option(help="Name of its first AI agent.  [default: Assistant]")
    ] = None,
    super_admin: Annotated[
        str | None,
        typer.Option(help="Email of the super admin; else the admin, if there is none yet."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create the first tenant, its admin and AI agent, and a super admin; what is there stays.

    What is not given is taken from FRONTDESK_INIT__TENANT, __EMAIL, __NAME, __SLUG, __AGENT and
    __SUPER_ADMIN_EMAIL. Passwords come from FRONTDESK_INIT__PASSWORD (or FRONTDESK_INIT_PASSWORD)
    and FRONTDESK_INIT__SUPER_ADMIN_PASSWORD, or are asked for, or are read from standard input when
    that is no terminal, a line each. Whoever has an account keeps their password.

    \b
    Examples:
      frontdesk init --tenant "Green Leaf" --email you@example.com
      frontdesk init --tenant Shop --email shop@example.com --super-admin you@example.com
      openssl rand -base64 18 | tee secret | frontdesk init --tenant Shop --email you@example.com
    """
    settings = _settings()
    given = settings.frontdesk_init.model_copy(
        update={
            key: value
            for key, value in {
                "tenant": tenant,
                "email": email,
                "name": name,
                "slug": slug,
                "agent": agent,
                "super_admin_email": super_admin,
            }.items()
            if value is not None
        }
    )
    made = _begin(settings, given, _ask_password)
    if as_json:
        print_json(made)
    else:
        _tell(made)


def web() -> None:
    """Serve the REST API, the live feed and WhatsApp's webhooks, until SIGTERM or Ctrl-C.

    Where it listens is set by WEB__HOST and WEB__PORT. Any number of web processes may run.

    \b
    Example:
      WEB__PORT=8001 frontdesk web
    """
    settings = _settings()
    _must_be_free(settings.web.host, settings.web.port, "WEB__PORT")
    from frontdesk.main import serve

    serve(settings)


def worker() -> None:
    """Answer, send and do whatever else is due, until SIGTERM or Ctrl-C.

    On SIGTERM it takes on nothing new and ends what it has in hand, for WORKER__DRAIN_SECONDS at
    most. Any number of workers may run.

    \b
    Example:
      frontdesk worker
    """
    settings = _settings()
    from frontdesk.core.logging import configure_logging
    from frontdesk.worker import check_times, serve

    try:
        check_times(settings)
    except ValueError as error:
        fail(str(error), MISUSED)
    configure_logging(settings.log, hash_key=settings.security.session_secret.get_secret_value())
    serve(settings)


def show_settings(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/configuration.md.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="See whether a process would start with them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show every variable Frontdesk reads and whether it is set; secrets are never shown.

    \b
    Examples:
      frontdesk settings
      frontdesk settings --check
      frontdesk settings --markdown > docs/configuration.md
    """
    from frontdesk.core import settings_page

    if markdown:
        typer.echo(settings_page.markdown(), nl=False)
        return
    if check:
        _settings()
        typer.echo("The settings are complete and make sense.")
        return
    shown = settings_page.describe(os.environ)
    if as_json:
        print_json(shown)
        return
    width = max(len(variable["name"]) for variable in shown)
    for variable in shown:
        if variable["set"]:
            state = "set" if variable["secret"] else f"= {variable['value']}"
        elif variable["required"]:
            state = "MISSING"
        else:
            state = f"default {variable['default']}" if variable["default"] else "not set"
        typer.echo(f"{variable['name']:<{width}}  {state}")
    typer.echo("\nFrom the environment alone; processes also read .env. Check both: --check")


def _settings() -> "Settings":
    from frontdesk.core.settings import load_settings

    return load_settings()


def _begin_headless() -> dict[str, Any] | None:
    """What `init` does, when the environment says all of it; None when it says nothing."""
    from frontdesk.core.settings import load_init_settings

    given = load_init_settings()
    if given.tenant is None or given.email is None:
        return None

    def refuse(email: str) -> str:
        fail(
            f"{email} has no account yet. Set FRONTDESK_INIT__PASSWORD, or "
            "FRONTDESK_INIT__SUPER_ADMIN_PASSWORD for the super admin.",
            MISUSED,
        )

    return _begin(_settings(), given, refuse)


def _begin(
    settings: "Settings", given: "InitSettings", ask_password: Callable[[str], str]
) -> dict[str, Any]:
    import asyncio

    from frontdesk.demo import set_up

    if given.tenant is None or given.email is None:
        fail("Say --tenant and --email, or set FRONTDESK_INIT__TENANT and __EMAIL.", MISUSED)
    passwords = {given.email.strip().lower(): given.password}
    if given.super_admin_email is not None:
        passwords.setdefault(given.super_admin_email.strip().lower(), given.super_admin_password)

    def password_of(email: str) -> str:
        known = passwords.get(email)
        return known.get_secret_value() if known else ask_password(email)

    return asyncio.run(
        set_up(
            settings,
            tenant=given.tenant,
            slug=given.slug,
            email=given.email,
            name=given.name,
            agent=given.agent,
            super_admin=given.super_admin_email,
            ask_password=password_of,
        )
    )


def _tell(made: dict[str, Any]) -> None:
    for what in ("tenant", "admin", "agent", "super_admin"):
        state = "is new" if made["created"][what] else "was there already"
        typer.echo(f"The {what.replace('_', ' ')} {made[what]['name']} {state}.")
    typer.echo(f"Next: frontdesk web and frontdesk worker; then sign in at {made['sign_in']}")
    typer.echo(
        'The super admin looks after all tenants: sign in with "platform": true, then /api/v1/tenants.'
    )


def _ask_password(email: str) -> str:
    if given := os.environ.get("FRONTDESK_INIT_PASSWORD"):
        return given
    if sys.stdin.isatty():
        asked: str = typer.prompt(f"Password of {email}", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\n")


def _must_be_free(host: str, port: int, variable: str) -> None:
    """Fail with a sentence where the server would fail with a log line."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(
                f"Can't listen on {host}:{port}: {error.strerror}. Set {variable} to another one.",
                FAILED,
            )
