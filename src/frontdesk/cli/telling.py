"""How every command tells what it found: JSON on request, one sentence for a failure, exit codes."""

from typing import Annotated, Any, ClassVar, NoReturn

import typer
from typer.core import TyperGroup

FAILED, MISUSED, ACT_FIRST = 1, 2, 3
EXIT_CODES = """\
\b
Exit codes:
  0  done
  1  it failed; the last line on standard error says why
  2  used wrongly, or settings are missing or wrong
  3  an administrator has to act first; what to do is printed"""


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Commands(TyperGroup):
    """The commands, with every expected failure told in one sentence instead of a traceback.

    `sections` puts them under headings in `--help`, in this order; what is in none comes last.
    """

    sections: ClassVar[dict[str, tuple[str, ...]]] = {}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, section by section."""
        listed = {name for names in self.sections.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in listed)
        for title, names in (*self.sections.items(), ("Commands", others)):
            known = ((name, self.get_command(ctx, name)) for name in names)
            if rows := [(name, found.get_short_help_str(80)) for name, found in known if found]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:
            code, sentence = told(error)
            if sentence is None:
                raise
            fail(sentence, code)


def print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


_COLOURS = {
    **dict.fromkeys(("ok", "active", "connected", "done", "ready", "passed"), "green"),
    **dict.fromkeys(("agrees", "created"), "green"),
    **dict.fromkeys(("warning", "pending", "paused", "queued", "reading", "splitting"), "yellow"),
    **dict.fromkeys(
        ("connecting", "embedding", "uncertain", "awaits_approval", "awaits_run"), "yellow"
    ),
    **dict.fromkeys(("broken", "failed", "dead", "differs", "refused", "suspended"), "red"),
    **dict.fromkeys(("disconnected", "too_old", "needs_attention"), "red"),
}


def coloured(state: str, width: int = 0) -> str:
    """A state in a column so wide, in the colour of its first word.

    Written to a file or a pipe it loses the colour in `typer.echo`.
    """
    first = state.partition(" ")[0].rstrip(",").lower()
    return typer.style(f"{state:<{width}}", fg=_COLOURS.get(first))


def told(error: Exception) -> tuple[int, str | None]:
    """Exit code and sentence of a failure that has to be expected; no sentence for a bug of ours."""
    from frontdesk.core.errors import FrontdeskError
    from frontdesk.core.settings import SettingsError

    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, SettingsError):
        return MISUSED, f"Settings are missing or wrong (see docs/configuration.md):\n{error}"
    # By name, so that one command's failure does not import what only another one needs.
    if kinds & {"DemoError", "EmbeddedServiceError", "PhoneError"}:
        return FAILED, str(error)
    if isinstance(error, FrontdeskError):
        return FAILED, str(error)
    if isinstance(error, OSError):
        about = f" ({error.filename})" if error.filename else ""
        return FAILED, f"{error.strerror or error}{about}."
    library = type(error).__module__.partition(".")[0]
    if library in ("asyncpg", "httpx"):
        source = "Postgres refused" if library == "asyncpg" else "A process did not answer"
        return FAILED, f"{source}: {error or type(error).__name__}"
    return FAILED, None


def fail(sentence: str, code: int) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
