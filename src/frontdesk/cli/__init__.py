"""The command line: every process Frontdesk has, and what an operator does once.

Whatever is slow to import is imported inside the command that needs it, so that `--help` answers
at once.
"""

import gc
import os
import sys
from typing import Annotated, ClassVar

import typer

from frontdesk.cli.accounting import prices, usage
from frontdesk.cli.billing import stripe
from frontdesk.cli.channels import channels
from frontdesk.cli.describing import openapi
from frontdesk.cli.drilling import drill
from frontdesk.cli.erasing import erasures
from frontdesk.cli.evaluating import evaluation
from frontdesk.cli.examining import DOCTOR_EXIT_CODES, backup, doctor
from frontdesk.cli.experimenting import experiments
from frontdesk.cli.keys import keys
from frontdesk.cli.knowing import kb
from frontdesk.cli.operating import init, migrate, show_settings, web, worker
from frontdesk.cli.peopling import users
from frontdesk.cli.playing import demo, simulate, simulator
from frontdesk.cli.prompting import prompts
from frontdesk.cli.replaying import replay
from frontdesk.cli.telling import EXIT_CODES, FAILED, Commands, fail
from frontdesk.cli.tenanting import tenants
from frontdesk.cli.tending import dead, invariants
from frontdesk.cli.tracing import trace

__all__ = ["app"]

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


class Overview(Commands):
    """All commands, by what one wants to do."""

    sections: ClassVar = {
        "Try it": ("demo", "simulator", "simulate"),
        "Run it": ("migrate", "init", "web", "worker", "settings"),
        "Look after it": ("doctor", "invariants", "dead", "drill", "backup", "keys", "erasures"),
        "Tenants": ("tenants", "users", "channels"),
        "What agents say": ("prompts", "experiments", "kb", "eval", "replay"),
        "For programs": ("openapi",),
    }


app = typer.Typer(
    cls=Overview,
    help=_HELP,
    no_args_is_help=True,
    # Plain help: it is read in containers and logs as well, and needs no library to be drawn.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# In the order of --help: what one tries first comes first.
for command, name, summary in (
    (demo, "demo", "Run everything here in one command, with a shop to look at."),
    (simulator, "simulator", "Serve a simulated WhatsApp and a scripted model."),
    (migrate, "migrate", "Bring the database up to date."),
    (init, "init", "Create the first tenant with an admin and an AI agent."),
    (web, "web", "Serve the REST API, the live feed and WhatsApp's webhooks."),
    (worker, "worker", "Answer, send and do whatever else is due."),
    (invariants, "invariants", "Prove with SQL that the promises hold."),
    (trace, "trace", "Tell how a message came about, as a tree."),
    (replay, "replay", "Make a recorded model call again, and compare."),
    (show_settings, "settings", "Show every setting, check them, or print their page."),
):
    app.command(name, short_help=summary, epilog=EXIT_CODES)(command)
app.command(
    "doctor",
    short_help="Look at all a deployment stands on, and say what to do.",
    epilog=DOCTOR_EXIT_CODES,
)(doctor)
app.add_typer(
    dead, name="dead", short_help="Work that will not go on by itself: see, replay, discard."
)
app.add_typer(tenants, name="tenants", short_help="Who is served: list, create, suspend, resume.")
app.add_typer(
    users, name="users", short_help="Who belongs to a tenant: list, invite, reset, sign out."
)
app.add_typer(backup, name="backup", short_help="See whether a backup is whole.")
app.add_typer(openapi, name="openapi", short_help="The description of the API, as a file.")
app.add_typer(drill, name="drill", short_help="Outages simulated for one tenant: start, see, stop.")
app.add_typer(
    prompts,
    name="prompts",
    short_help="Prompts: list, show, diff, approve, publish, rollback; pull and push as files.",
)
app.add_typer(
    experiments, name="experiments", short_help="Versions tried on a share of turns: start, stop."
)
app.add_typer(
    evaluation,
    name="eval",
    short_help="Cases an agent is judged by: import, run, compare, gate; for CI as well.",
)
app.add_typer(
    channels, name="channels", short_help="WhatsApp numbers: list, connect, health, pause, let go."
)
app.add_typer(
    kb, name="kb", short_help="What agents answer from: add files and sites, status, search."
)
app.add_typer(usage, name="usage", short_help="What was used and cost: report, reconcile, correct.")
app.add_typer(prices, name="prices", short_help="What models and messages cost: list, set, check.")
app.add_typer(
    stripe, name="stripe", short_help="Billing through Stripe: set-up, accounts, reconcile."
)
app.add_typer(keys, name="keys", short_help="Keys that seal secrets: generate, rotate, status.")
app.add_typer(
    erasures,
    name="erasures",
    short_help="What is to be forgotten: erase, list, after a restore again.",
)
app.add_typer(simulate, name="simulate")


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
    # What a command imports stays to its end: at the default threshold the collector would walk
    # over it again and again, for a quarter of the time a start takes.
    gc.set_threshold(50_000)
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
        fail("The process that started this one is gone.", FAILED)
