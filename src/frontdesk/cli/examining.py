"""`frontdesk doctor` and `backup check`: what the deployment stands on, a line each, with what to do."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from frontdesk.cli.telling import AsJson, coloured, print_json

if TYPE_CHECKING:
    from frontdesk.doctor import Diagnosis, Wishes

DOCTOR_EXIT_CODES = """\
\b
Exit codes:
  0  all is well
  1  something could be better: a warning
  2  something is broken, or the settings are"""


def doctor(
    call_models: Annotated[
        bool,
        typer.Option(
            "--call-models", help="Ask each model of the chain something; some 50 tokens each."
        ),
    ] = False,
    call_whatsapp: Annotated[
        bool, typer.Option("--call-whatsapp", help="Ask Meta about 20 connected numbers at most.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Where WhatsApp calls this deployment: call it with an empty webhook.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything the deployment stands on; a line each, with what to do where it is not well.

    Settings, Postgres with its roles and row-level security, Redis, clocks, workers, what is overdue,
    webhooks, numbers, model keys, e-mail, files, disks. Nothing that lasts is changed, and nothing is
    called that costs, unless you say so.

    \b
    Examples:
      frontdesk doctor
      frontdesk doctor --call-models --url https://desk.example.com/webhooks/whatsapp
      frontdesk doctor --json | jq '.checks[] | select(.level != "ok")'
    """
    import asyncio

    from frontdesk.core.settings import SettingsError, load_settings
    from frontdesk.doctor import Wishes, broken

    wishes = Wishes(call_models=call_models, call_whatsapp=call_whatsapp, webhook_url=url)
    try:
        settings = load_settings()
    except SettingsError as error:
        act = "Set it in the environment or in .env; see docs/configuration.md."
        found = [broken("settings", line, act) for line in str(error).splitlines()]
        _show(found, as_json)
    else:
        found = asyncio.run(_examine(settings, wishes, as_json))
    _conclude(found, as_json)


backup = typer.Typer(
    help="""\
Backups: whether one is whole. How to make and restore them is in docs/running.md.

\b
Examples:
  frontdesk backup check /backups/frontdesk-2026-11-29.dump
  frontdesk backup check --restored postgresql://frontdesk_system:PASSWORD@localhost/restored""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@backup.callback()
def _group() -> None:
    """Keep `check` a command of its own: a group with one would be that one."""


@backup.command("check", epilog=DOCTOR_EXIT_CODES)
def backup_check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The newest dump, by pg_dump.")
    ] = None,
    restored: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A database that was restored from one, as frontdesk_system."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """See whether a backup is whole: a dump by its file, or better a database restored from it.

    Of a file: its age, that pg_dump wrote it, and what it lists. Of a restored database: its version,
    how much is in it beside the live one, how much would be lost, whether the keys that are configured
    open its secrets, and every promise of `frontdesk invariants`. Nothing is changed.

    \b
    Examples:
      frontdesk backup check /backups/frontdesk-2026-11-29.dump
      frontdesk backup check --restored postgresql://frontdesk_system:PASSWORD@localhost/restored
    """
    import asyncio

    from frontdesk.core.settings import load_settings
    from frontdesk.doctor import look_at_dump, look_at_restored

    if (file is None) == (restored is None):
        raise typer.BadParameter("Name either a dump's file, or --restored with a database's URL.")
    look = look_at_dump(file) if file else look_at_restored(load_settings(), str(restored))
    found = asyncio.run(look)
    _show(found, as_json)
    _conclude(found, as_json)


def _conclude(found: "list[Diagnosis]", as_json: bool) -> NoReturn:
    """Sum up, and exit as bad as the worst is."""
    from frontdesk.doctor import Level, worst

    level = worst(found)
    if as_json:
        print_json({"level": level, "checks": [asdict(diagnosis) for diagnosis in found]})
    else:
        count = sum(diagnosis.level is not Level.OK for diagnosis in found)
        typer.echo(f"\n{len(found)} looked at, {count or 'none'} to look after.")
    raise typer.Exit({Level.OK: 0, Level.WARNING: 1, Level.BROKEN: 2}[level])


async def _examine(settings: Any, wishes: "Wishes", as_json: bool) -> "list[Diagnosis]":
    from frontdesk import gateway
    from frontdesk.core.logging import configure_logging
    from frontdesk.core.resources import open_resources
    from frontdesk.doctor import Patient, examine
    from frontdesk.subscriptions import SUBSCRIPTIONS

    secret = settings.security.session_secret.get_secret_value()
    configure_logging(settings.log, hash_key=secret, stream=sys.stderr)
    found = []
    async with open_resources(settings, SUBSCRIPTIONS) as resources:
        async for diagnosis in examine(Patient(resources, wishes)):
            found.append(diagnosis)
            _show([diagnosis], as_json)
        if wishes.call_models:
            await gateway.close(resources)
    return found


def _show(found: "list[Diagnosis]", as_json: bool) -> None:
    """Line by line as it is found, since some of it takes seconds; coloured on a terminal."""
    if as_json:
        return
    for diagnosis in found:
        typer.echo(f"{coloured(diagnosis.level, 8)} {diagnosis.check:<18} {diagnosis.detail}")
        if diagnosis.fix:
            typer.echo(f"{'':<8} → {diagnosis.fix}")
