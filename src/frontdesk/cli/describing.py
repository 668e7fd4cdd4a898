"""`frontdesk openapi`: the description of the API, as a file for whoever writes a client."""

from pathlib import Path
from typing import Annotated

import typer

from frontdesk.cli.telling import EXIT_CODES

openapi = typer.Typer(
    help="""\
The description of the REST API, for clients and their generators.

\b
Example:
  frontdesk openapi export --output openapi.json""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@openapi.callback()
def _group() -> None:
    """Keep `export` a command of its own: a group with one would be that one."""


@openapi.command("export", epilog=EXIT_CODES)
def openapi_export(
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file instead of standard output.")
    ] = None,
) -> None:
    """Print the OpenAPI description as JSON. Needs no settings and no services; it is always JSON.

    \b
    Examples:
      frontdesk openapi export | jq -r '.paths | keys[]'
      frontdesk openapi export --output openapi.json
    """
    import json

    from frontdesk.core.settings import load_settings
    from frontdesk.main import create_app

    # Nothing is opened with these, and none of them is in the description.
    settings = load_settings(
        None,
        database={"url": "postgresql://nobody@localhost/nothing"},
        redis={"url": "redis://localhost"},
        security={
            "session_secret": "0123456789abcdef0123456789abcdef",
            "encryption_keys": f"none:{'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='}",
        },
        whatsapp={"app_secrets": "described", "verify_token": "described"},
    )
    described = json.dumps(create_app(settings).openapi(), ensure_ascii=False, indent=2)
    if output is None:
        typer.echo(described)
        return
    output.write_text(f"{described}\n", encoding="utf-8")
    typer.echo(f"Written to {output}.")
