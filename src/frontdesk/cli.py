"""The command line: every process Frontdesk has, and what an operator does once.

Whatever is slow to import is imported inside the command that needs it, so that `--help` answers
at once. Errors become one sentence on standard error; the exit codes are those of `EXIT_CODES`.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from frontdesk.core.settings import Settings

FAILED, MISUSED, ACT_FIRST = 1, 2, 3
EXIT_CODES = """\
\b
Exit codes:
  0  done
  1  it failed; the last line on standard error says why
  2  used wrongly, or settings are missing or wrong
  3  an administrator has to act first; what to do is printed"""

_HELP = f"""\
A WhatsApp support desk: an AI agent answers around the clock, people take over with the whole
context.

\b
Try it, with nothing to install or configure:
  frontdesk demo
Run it for real (see docs/configuration.md):
  frontdesk migrate
  frontdesk init --tenant "Green Leaf" --email you@example.com
  frontdesk web
  frontdesk worker

{EXIT_CODES}"""


class _Commands(TyperGroup):
    """The commands, with every expected failure told in one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:
            code, sentence = _told(error)
            if sentence is None:
                raise
            _fail(sentence, code)


app = typer.Typer(
    cls=_Commands,
    help=_HELP,
    no_args_is_help=True,
    # Plain help: it is read in containers and logs as well, and needs no library to be drawn.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
simulate = typer.Typer(
    help="Be a contact of the running demo: a phone in the terminal.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(simulate, name="simulate")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Folder = Annotated[
    Path,
    typer.Option(
        help="Where the demo keeps everything.",
        envvar="FRONTDESK_DEMO_FOLDER",
        file_okay=False,
        show_default=True,
    ),
]
DEMO_FOLDER = Path(".frontdesk")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("frontdesk"))
        raise typer.Exit


@app.callback()
def start(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Read what holds for every command; typer takes the help from the application above."""
    if parent := os.environ.pop(PARENT_VARIABLE, ""):
        end_with_parent(int(parent))


# Set for the processes of the demo, which must not outlive it however it ends.
PARENT_VARIABLE = "FRONTDESK_PARENT_PID"


def end_with_parent(parent: int) -> None:
    """Let the kernel end this process with SIGTERM when its parent ends, even by SIGKILL."""
    if sys.platform == "linux":
        import ctypes
        import signal

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        _fail("The process that started this one is gone.", FAILED)


# Trying it


@app.command(epilog=EXIT_CODES)
def demo(
    folder: Folder = DEMO_FOLDER,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the web process; by default 8000, or a free one if that is taken.",
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what an earlier demo left, and begin afresh.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Start all on free ports in a temporary folder, play a scripted day, see from "
            "outside that every step happened, and stop.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run everything here in one command, with a shop, its team and thirty conversations.

    Postgres and Valkey come along, unless DATABASE__URL (with DATABASE__ADMIN_URL) or REDIS__URL
    name servers of your own. WhatsApp is simulated. So is the model, unless GROQ_API_KEY or
    OPENAI_API_KEY is set. Only the environment counts here, never the file .env, and everything
    listens on this machine only. Data stays in the folder; Ctrl-C stops all of it.

    --check always uses servers of its own and the simulated model, costs nothing and ends by
    itself in less than a minute; --json prints its timeline as JSON.

    \b
    Examples:
      frontdesk demo
      frontdesk demo --reset --port 8080
      frontdesk demo --check --json
    """
    from frontdesk.demo import run_check, run_demo

    if check:
        if reset or port is not None:
            raise typer.BadParameter("--check chooses folder and port itself.")
        raise typer.Exit(run_check(as_json=as_json))
    if as_json:
        raise typer.BadParameter("--json goes with --check.")
    run_demo(folder, port=port, reset=reset)


# Being a contact of the demo

Number = Annotated[str, typer.Option(help="The contact's phone number, digits.")]
Name = Annotated[str | None, typer.Option(help="The contact's name on WhatsApp.")]
Url = Annotated[
    str | None,
    typer.Option(help="Address of a simulator; by default the one of the demo in --folder."),
]
Channel = Annotated[
    str | None, typer.Option(help="phone_number_id to write to; by default the demo's.")
]


@simulate.command("chat", epilog=EXIT_CODES)
def simulate_chat(
    number: Number = "15550001111",
    name: Name = None,
    url: Url = None,
    channel: Channel = None,
    folder: Folder = DEMO_FOLDER,
) -> None:
    """A phone in the terminal: type as a contact; see replies, ticks and who is typing.

    Type /help in the chat for pictures, reactions, buttons and more; Ctrl-D ends it. Lines can
    also be piped in.

    \b
    Examples:
      frontdesk simulate chat
      frontdesk simulate chat --number 34600111222 --name Lucía
      echo "How long does shipping take?" | frontdesk simulate chat
    """
    import asyncio

    from frontdesk.demo import find_phone
    from frontdesk.simulator import chat

    phone = find_phone(folder, url, channel)
    asyncio.run(chat(phone.url, number=number, channel=phone.channel, name=name))


@simulate.command("send", epilog=EXIT_CODES)
def simulate_send(
    text: Annotated[str, typer.Argument(help="What the contact writes.")],
    number: Number = "15550001111",
    name: Name = None,
    url: Url = None,
    channel: Channel = None,
    folder: Folder = DEMO_FOLDER,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for an answer; 0 does not wait.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Send one message as a contact, and print what comes back.

    Exits with 1 when no answer comes in time.

    \b
    Examples:
      frontdesk simulate send "When do you open on Saturday?"
      frontdesk simulate send "¿Hacen envíos a Sevilla?" --number 34600111222 --json
    """
    import asyncio
    import io

    from frontdesk.demo import find_phone
    from frontdesk.simulator import send

    phone = find_phone(folder, url, channel)
    out = io.StringIO() if as_json else sys.stdout
    sent = send(
        phone.url,
        text,
        number=number,
        channel=phone.channel,
        name=name,
        wait_seconds=wait,
        out=out,
    )
    answers = asyncio.run(sent)
    if as_json:
        _print_json({"number": number, "text": text, "answers": answers})
    if wait and not answers:
        _fail(f"No answer came within {wait:g} seconds.", FAILED)


@app.command(epilog=EXIT_CODES)
def simulator(  # Options; typer passes them by name.
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9000,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            help="Where webhooks go, http://HOST:8000/webhooks/whatsapp; until it is known they "
            "wait."
        ),
    ] = None,
    app_secret: Annotated[
        str | None,
        typer.Option(
            help="Signs the webhooks; of several, comma-separated, the first. Default: simulated",
            envvar="WHATSAPP__APP_SECRETS",
        ),
    ] = None,
    verify_token: Annotated[
        str | None,
        typer.Option(
            help="Presented in the handshake. Default: simulated", envvar="WHATSAPP__VERIFY_TOKEN"
        ),
    ] = None,
    phone_number_id: Annotated[
        str | None, typer.Option(help="Register a business number; others register themselves.")
    ] = None,
    waba_id: Annotated[str | None, typer.Option(help="Its WhatsApp Business Account.")] = None,
    display_number: Annotated[str | None, typer.Option(help="Its number, digits.")] = None,
    business_name: Annotated[str | None, typer.Option(help="Its verified name.")] = None,
    latency: Annotated[
        str, typer.Option(help="Seconds a model call takes: 0.8, or a span as in 0.4-1.5.")
    ] = "0",
    send_latency: Annotated[str, typer.Option(help="Seconds a send takes, likewise.")] = "0",
    status_delay: Annotated[
        str, typer.Option(help="Seconds between one tick and the next, likewise.")
    ] = "0.02-0.06",
    doubled: Annotated[float, typer.Option(min=0, max=1, help="Share of ticks sent twice.")] = 0,
    reversed_ticks: Annotated[
        float, typer.Option("--reversed", min=0, max=1, help="Share of sends with ticks backwards.")
    ] = 0,
    dropped: Annotated[
        float, typer.Option(min=0, max=1, help="Share of sends that get no ticks.")
    ] = 0,
    early: Annotated[
        float, typer.Option(min=0, max=1, help="Share of sends ticked before they are answered.")
    ] = 0,
    send_fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=SHARE", help="Let a share of sends go wrong; repeatable."),
    ] = None,
    model_fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=SHARE", help="Let a share of model calls go wrong; repeatable."),
    ] = None,
    pair_limit: Annotated[
        bool, typer.Option("--pair-limit", help="Enforce Meta's limit per contact (131056).")
    ] = False,
    throughput: Annotated[
        int | None, typer.Option(min=1, help="Sends a second per number (130429); else no limit.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every draw of luck above.")] = 1,
) -> None:
    """Serve a WhatsApp Cloud API with phones, and a scripted model, for demo and tests.

    The model answers from the facts in its prompt and says in every answer's reasoning that it is
    scripted. It speaks at /openai/v1 and /groq/openai/v1; GET /_sim lists what can be done to this
    world while it runs. Kinds of faults: error, failed, server_error, hang_after, drop_after,
    lose_status, … for sends; status, hang, invalid_json, wrong_schema, drop, … for the model;
    GET /_sim/faults lists them all.

    \b
    Examples:
      frontdesk simulator --webhook-url http://127.0.0.1:8000/webhooks/whatsapp
      frontdesk simulator --latency 0.5-2 --doubled 0.1 --model-fault status=0.05
    """
    import asyncio
    import logging

    from frontdesk.simulator import (
        ModelFault,
        ModelFaultKind,
        SendFault,
        SendFaultKind,
        Simulator,
        SimulatorSettings,
        serve,
    )

    send_faults = [(SendFault(SendFaultKind(k)), s) for k, s in _shares(send_fault, SendFaultKind)]
    model_faults = [
        (ModelFault(ModelFaultKind(k)), s) for k, s in _shares(model_fault, ModelFaultKind)
    ]

    def prepare(world: Simulator) -> None:
        for send, share in send_faults:
            world.whatsapp.faults.share(send, share)
        for call, share in model_faults:
            world.model.faults.share(call, share)
        if phone_number_id is not None:
            known = {
                "waba_id": waba_id,
                "display_phone_number": display_number,
                "verified_name": business_name,
            }
            world.register_channel(phone_number_id, **{k: v for k, v in known.items() if v})

    # Where it listens, which it knows only once it does.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("frontdesk.simulator").setLevel(logging.INFO)
    settings = SimulatorSettings(
        app_secret=(app_secret or "simulated").split(",")[0].strip(),
        verify_token=verify_token or "simulated",
        webhook_url=webhook_url,
        host=host,
        port=port,
        seed=seed,
        model_latency_seconds=_span("--latency", latency),
        send_latency_seconds=_span("--send-latency", send_latency),
        status_delay_seconds=_span("--status-delay", status_delay),
        status_doubled_share=doubled,
        status_reversed_share=reversed_ticks,
        status_dropped_share=dropped,
        status_early_share=early,
        pair_limit=pair_limit,
        throughput_limit=throughput,
    )
    asyncio.run(serve(settings, prepare=prepare))


# Running it for real


@app.command(epilog=EXIT_CODES)
def migrate(
    as_json: AsJson = False,
) -> None:
    """Bring the database up to date; safe to run again, and by several at once.

    With DATABASE__ADMIN_URL it first makes the roles, the database and the extensions that are
    missing. Without it, and when something is missing, it prints the SQL that an administrator
    has to run, and exits with 3.

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
            _print_json({"migrated": False, "sql": str(unprepared)})
        else:
            typer.echo(str(unprepared))
        _fail(
            "The database is not prepared. Let an administrator run the SQL printed above, or set "
            "DATABASE__ADMIN_URL; then migrate again.",
            ACT_FIRST,
        )
    if as_json:
        _print_json({"migrated": True})
    else:
        typer.echo("The database is up to date. Next, once: frontdesk init --help")


@app.command(epilog=EXIT_CODES)
def init(
    tenant: Annotated[str, typer.Option(help="Name of the tenant, as people know it.")],
    email: Annotated[str, typer.Option(help="Email of its first admin.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the admin; else from the email.")
    ] = None,
    slug: Annotated[str | None, typer.Option(help="Short name; else from the tenant's.")] = None,
    agent: Annotated[str, typer.Option(help="Name of its first AI agent.")] = "Assistant",
    as_json: AsJson = False,
) -> None:
    """Create the first tenant with an admin and an AI agent; what is there already stays.

    The password comes from FRONTDESK_INIT_PASSWORD, or is asked for, or is read from standard
    input when that is no terminal. An admin who has an account keeps their password.

    \b
    Examples:
      frontdesk init --tenant "Green Leaf" --email you@example.com
      openssl rand -base64 18 | tee secret | frontdesk init --tenant Shop --email you@example.com
    """
    import asyncio

    from frontdesk.demo import set_up

    settings = _settings()
    made = asyncio.run(
        set_up(
            settings,
            tenant=tenant,
            slug=slug,
            email=email,
            name=name,
            agent=agent,
            ask_password=_ask_password,
        )
    )
    if as_json:
        _print_json(made)
        return
    for what in ("tenant", "admin", "agent"):
        state = "is new" if made["created"][what] else "was there already"
        typer.echo(f"The {what} {made[what]['name']} {state}.")
    typer.echo(f"Next: frontdesk web and frontdesk worker; then sign in at {made['sign_in']}")


@app.command(epilog=EXIT_CODES)
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


@app.command(epilog=EXIT_CODES)
def worker() -> None:
    """Answer, send and do whatever else is due, until SIGTERM or Ctrl-C.

    On SIGTERM it takes on nothing new and ends what it has in hand, for WORKER__DRAIN_SECONDS at
    most. Any number of workers may run.

    \b
    Example:
      frontdesk worker
    """
    settings = _settings()
    import asyncio

    from frontdesk.core.logging import configure_logging
    from frontdesk.worker import run

    configure_logging(settings.log, hash_key=settings.security.session_secret.get_secret_value())
    asyncio.run(run(settings))


@app.command("settings", epilog=EXIT_CODES)
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
        _print_json(shown)
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


# What the commands share


def _settings() -> "Settings":
    from frontdesk.core.settings import load_settings

    return load_settings()


def _ask_password() -> str:
    if given := os.environ.get("FRONTDESK_INIT_PASSWORD"):
        return given
    if sys.stdin.isatty():
        asked: str = typer.prompt(
            "Password of the admin", hide_input=True, confirmation_prompt=True
        )
        return asked
    return sys.stdin.readline().rstrip("\n")


def _span(option: str, text: str) -> tuple[float, float]:
    """The two ends of `0.4-1.5`, or of `0.8` twice."""
    low, dash, high = text.partition("-")
    try:
        ends = float(low), float(high if dash else low)
    except ValueError:
        raise typer.BadParameter(f"{option} takes seconds, as in 0.8 or 0.4-1.5.") from None
    return ends


def _shares(given: list[str] | None, kinds: Any) -> list[tuple[str, float]]:
    shares = []
    for item in given or []:
        kind, _, share = item.partition("=")
        known = [str(each) for each in kinds]
        if kind not in known:
            raise typer.BadParameter(f"{kind} is no fault; known are {', '.join(known)}.")
        try:
            shares.append((kind, float(share or 1)))
        except ValueError:
            raise typer.BadParameter(f"{item}: the share is a number from 0 to 1.") from None
    return shares


def _must_be_free(host: str, port: int, variable: str) -> None:
    """Fail with a sentence where the server would fail with a log line."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            _fail(
                f"Can't listen on {host}:{port}: {error.strerror}. Set {variable} to another one.",
                FAILED,
            )


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _told(error: Exception) -> tuple[int, str | None]:
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
    if type(error).__module__.startswith("asyncpg."):
        return FAILED, f"Postgres refused: {error}"
    return FAILED, None


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
