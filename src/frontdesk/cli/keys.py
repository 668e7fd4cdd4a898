"""Commands about the keys that seal stored secrets: make one, rotate to it, see who needs which."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, fail, print_json

if TYPE_CHECKING:
    from frontdesk.core.resealing import Rotation

keys = typer.Typer(
    help="""\
Keys that seal stored secrets: make one, seal everything anew with it, see which are needed.

\b
A rotation, with nobody noticing:
  1. frontdesk keys generate            put what it prints first into SECURITY__ENCRYPTION_KEYS,
                                        before the old key and a comma
  2. restart web and worker, all of them
  3. frontdesk keys rotate
  4. frontdesk keys status              take out the keys that seal nothing any more

\b
Examples:
  frontdesk keys generate
  frontdesk keys rotate --dry-run
  frontdesk keys status --json""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@keys.command("generate", epilog=EXIT_CODES)
def generate(as_json: AsJson = False) -> None:
    """Print a new key, as it goes into SECURITY__ENCRYPTION_KEYS. Needs no settings.

    \b
    Examples:
      frontdesk keys generate
      frontdesk keys generate >> key.txt
    """
    import base64
    import secrets
    from datetime import UTC, datetime

    key_id = f"k{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(2)}"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    if as_json:
        print_json({"id": key_id, "setting": f"{key_id}:{key}"})
        return
    typer.echo(f"{key_id}:{key}")
    typer.echo(
        "Put it first: SECURITY__ENCRYPTION_KEYS=NEW,OLD. Restart web and worker, all of them. "
        "Next: frontdesk keys rotate",
        err=True,
    )


@keys.command("rotate", epilog=EXIT_CODES)
def rotate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count; every value is opened all the same.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Seal every stored secret of every tenant anew with the first key of the settings.

    First let every process know that key: one that does not can't open what it seals. Safe to
    interrupt and to repeat, while everything runs. Exits with 1 when a value does not open; the
    others are done.

    \b
    Examples:
      frontdesk keys rotate --dry-run
      frontdesk keys rotate
    """
    import asyncio

    from frontdesk.core.crypto import Sealer
    from frontdesk.core.db import Database
    from frontdesk.core.resealing import rotate as run
    from frontdesk.core.settings import load_settings

    settings = load_settings()
    sealer = Sealer(settings.security)

    def tell(field: str, so_far: "Rotation") -> None:
        seen = so_far.resealed + so_far.current + len(so_far.broken)
        typer.echo(f"{field}: {seen} values seen", file=sys.stderr)

    async def opened() -> "Rotation":
        database = Database(settings.database, {})
        await database.open()
        try:
            return await run(database, sealer, dry_run=dry_run, tell=tell)
        finally:
            await database.close()

    done = asyncio.run(opened())
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "key": sealer.sealing_key_id,
                "resealed": done.resealed,
                "already": done.current,
                "broken": done.broken,
            }
        )
    else:
        verb = "would be sealed" if dry_run else "sealed"
        typer.echo(f"{done.resealed} {verb} anew with {sealer.sealing_key_id}.")
        typer.echo(f"{done.current} had been before.")
        for value in done.broken:
            typer.echo(f"  does not open: {value}")
    if done.broken:
        fail(
            f"{len(done.broken)} do not open and stay as they are: set the key they need, or "
            "replace the secret.",
            FAILED,
        )
    if not as_json:
        next_step = "frontdesk keys rotate" if dry_run else "frontdesk keys status"
        typer.echo(f"Next: {next_step}")


@keys.command("status", epilog=EXIT_CODES)
def status(as_json: AsJson = False) -> None:
    """Show how many stored secrets each key has sealed. Exits with 1 when a key is missing.

    \b
    Examples:
      frontdesk keys status
      frontdesk keys status --json
    """
    import asyncio

    from frontdesk.core.crypto import Sealer
    from frontdesk.core.db import Database
    from frontdesk.core.resealing import count_by_key, summary
    from frontdesk.core.settings import load_settings

    settings = load_settings()
    configured = Sealer(settings.security).key_ids

    async def opened() -> dict[str, dict[str, int]]:
        database = Database(settings.database, {})
        await database.open()
        try:
            return await count_by_key(database)
        finally:
            await database.close()

    counts = asyncio.run(opened())
    total = summary(counts)
    missing = sorted(set(total) - set(configured))
    if as_json:
        print_json(
            {
                "seals": configured[0],
                "keys": {key_id: total[key_id] for key_id in [*configured, *missing]},
                "fields": counts,
                "missing": missing,
            }
        )
    else:
        for key_id in [*configured, *missing]:
            state = "MISSING in the settings" if key_id in missing else "opens"
            role = "seals" if key_id == configured[0] else state
            typer.echo(f"{key_id:<20} {total[key_id]:>8} values   {role}")
    if missing:
        fail(f"These keys are needed and not set: {', '.join(missing)}.", FAILED)
    if as_json:
        return
    if old := [key_id for key_id in configured[1:] if total[key_id]]:
        typer.echo(f"Next: frontdesk keys rotate, so that nothing needs {', '.join(old)}.")
    elif len(configured) > 1:
        typer.echo("Nothing needs the keys after the first: take them out of the settings.")
