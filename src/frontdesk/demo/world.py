"""Everything the demo runs: the servers beneath, the settings, and the three processes on top."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from frontdesk.core.embedded import EmbeddedPostgres, EmbeddedRedis
from frontdesk.core.settings import APP_ROLE, with_database, with_user
from frontdesk.core.settings_page import list_variables
from frontdesk.demo.errors import DemoError
from frontdesk.demo.outside import Late, until
from frontdesk.demo.places import Folder, Secrets
from frontdesk.demo.supervisor import Program, Supervisor
from frontdesk.simulator import APP_ID

HOST = "127.0.0.1"
WEB_PORT, SIMULATOR_PORT = 8000, 9000
# Below the range from which kernels take ports of outgoing connections.
_FREE_PORTS = range(15_000, 32_000)
PHONE_NUMBER_ID, WABA_ID = "100000000000001", "200000000000001"
DISPLAY_NUMBER, BUSINESS_NAME = "15550100200", "Lumen & Oak"

# The default chain's models, by the variable that holds the key of their provider.
_MODELS = {
    "GROQ_API_KEY": "groq/openai/gpt-oss-20b",
    "OPENAI_API_KEY": "openai/gpt-4o-mini",
}
_OWN_SERVERS = (
    "DATABASE__URL",
    "DATABASE__SYSTEM_URL",
    "DATABASE__MIGRATOR_URL",
    "DATABASE__ADMIN_URL",
    "REDIS__URL",
)
# What may be tuned from outside; all else of a real deployment has no business in a demo.
_TUNABLE = ("LOG__", "LLM__", "LIMITS__", "RETENTION__", "WORKER__")


@dataclass(frozen=True)
class Plan:
    """What to run and where."""

    web_port: int
    simulator_port: int
    model_latency: str
    """Seconds the scripted model takes, as `frontdesk simulator --latency` wants it."""
    tick_delay: str
    """Seconds between one tick and the next, likewise."""
    keys: Mapping[str, str]
    """Keys of real providers, by variable; empty for the scripted model."""
    tuning: Mapping[str, str]
    """Settings that go before the demo's own."""

    @property
    def web_url(self) -> str:
        """Where the desk is."""
        return f"http://{HOST}:{self.web_port}"

    @property
    def simulator_url(self) -> str:
        """Where WhatsApp is."""
        return f"http://{HOST}:{self.simulator_port}"

    @property
    def models(self) -> list[str]:
        """The real models that answer; none when the scripted one does."""
        return [model for name, model in _MODELS.items() if name in self.keys]


def plan_from(environment: Mapping[str, str], *, port: int | None) -> Plan:
    """The plan of a demo for people: known ports if they are free, real models if there is a key.

    Raises:
        DemoError: the port asked for is taken.
    """
    if port and not is_free(port):
        raise DemoError(f"Port {port} is in use. Choose another --port, or leave it out.")
    return Plan(
        web_port=port or (WEB_PORT if is_free(WEB_PORT) and port is None else free_port()),
        simulator_port=SIMULATOR_PORT if is_free(SIMULATOR_PORT) else free_port(),
        # Long enough that the phone shows somebody typing.
        model_latency="0.3-0.9",
        tick_delay="0.2-0.6",
        keys={name: environment[name] for name in _MODELS if environment.get(name)},
        tuning={
            variable.name: environment[variable.name]
            for variable in list_variables()
            if variable.name in environment and variable.name.startswith(_TUNABLE)
        },
    )


def plan_for_check() -> Plan:
    """The plan of a check: free ports, no key, and less patience than with people."""
    return Plan(
        web_port=free_port(),
        simulator_port=free_port(),
        model_latency="0.05-0.1",
        tick_delay="0.02-0.1",
        keys={},
        tuning={"WORKER__DEBOUNCE_SECONDS": "0.5"},
    )


def is_free(port: int) -> bool:
    """Whether a server of ours could listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port nobody listens on now."""
    for port in random.sample(_FREE_PORTS, 100):
        if is_free(port):
            return port
    raise DemoError(f"No port on {HOST} is free.")


@contextmanager
def servers(
    folder: Folder, given: Mapping[str, str], note: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """Postgres and Redis, those given or embedded ones, as the variables that name them.

    Raises:
        EmbeddedServiceError: an embedded server does not start.
    """
    named = {name: given[name] for name in _OWN_SERVERS if given.get(name)}
    with ExitStack() as stack:
        if "DATABASE__URL" not in named:
            note("Starting Postgres …")
            admin_url = stack.enter_context(EmbeddedPostgres(folder.services, durable=True)).url
            app_url = with_database(with_user(admin_url, APP_ROLE), "frontdesk")
            named = {"DATABASE__URL": app_url, "DATABASE__ADMIN_URL": admin_url} | {
                name: url for name, url in named.items() if name == "REDIS__URL"
            }
        if "REDIS__URL" not in named:
            note("Starting Valkey …")
            named["REDIS__URL"] = stack.enter_context(EmbeddedRedis(folder.services)).url
        yield named


def environment(plan: Plan, secrets: Secrets, named: Mapping[str, str]) -> dict[str, str]:
    """The environment of the demo's processes: ours, without settings meant for something else."""
    known = {variable.name for variable in list_variables()}
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in known}
    settings = {
        "LOG__JSON_LINES": "false",
        "WEB__GRACEFUL_SHUTDOWN_SECONDS": "2",
        "WORKER__DRAIN_SECONDS": "5",
        **plan.tuning,
        **named,
        "WEB__HOST": HOST,
        "WEB__PORT": str(plan.web_port),
        "WEB__PUBLIC_URL": plan.web_url,
        "WEB__INSECURE_COOKIES": "true",
        "WEB__DOCS": "true",
        "SECURITY__SESSION_SECRET": secrets.session_secret,
        "SECURITY__ENCRYPTION_KEYS": secrets.encryption_keys,
        "WHATSAPP__API_BASE": plan.simulator_url,
        "WHATSAPP__APP_ID": APP_ID,
        "WHATSAPP__APP_SECRETS": secrets.app_secret,
        "WHATSAPP__VERIFY_TOKEN": secrets.verify_token,
        **(plan.keys or _scripted(plan.simulator_url)),
    }
    if plan.models:
        settings["LLM__CHAIN"] = ",".join(plan.models)
    return {**inherited, **settings, "PYTHONUNBUFFERED": "1"}


def _scripted(simulator_url: str) -> dict[str, str]:
    return {
        "LLM__GROQ_API_BASE": f"{simulator_url}/groq/openai/v1",
        "LLM__OPENAI_API_BASE": f"{simulator_url}/openai/v1",
        "GROQ_API_KEY": "scripted",
        "OPENAI_API_KEY": "scripted",
    }


def programs(plan: Plan) -> tuple[Program, ...]:
    """The processes, in the order in which they are stopped: first whoever takes in work."""
    simulator = (
        *("simulator", "--host", HOST, "--port", str(plan.simulator_port)),
        *("--webhook-url", f"{plan.web_url}/webhooks/whatsapp"),
        *("--phone-number-id", PHONE_NUMBER_ID, "--waba-id", WABA_ID),
        *("--display-number", DISPLAY_NUMBER, "--business-name", BUSINESS_NAME),
        *("--latency", plan.model_latency, "--status-delay", plan.tick_delay),
    )
    return (
        Program("web", ("web",), stop_seconds=6),
        Program("worker", ("worker",), stop_seconds=12),
        Program("simulator", simulator, stop_seconds=4),
    )


@asynccontextmanager
async def running(
    folder: Folder, plan: Plan, named: Mapping[str, str], note: Callable[[str], None]
) -> AsyncIterator[Supervisor]:
    """The migrated database with all processes on it; stopped on leaving.

    The web process and the simulator answer; the worker, which loads for some seconds, may not yet.

    Raises:
        DemoError: something does not come up.
    """
    named = {
        **named,
        "PRIVACY__FOLDER": str(folder.path / "privacy"),
        "STORAGE__FOLDER": str(folder.path / "files"),
        "MAIL__OUTBOX_FOLDER": str(folder.path / "mail"),
    }
    settings = environment(plan, folder.secrets(), named)
    supervisor = Supervisor(folder, settings, note)
    known = {variable.name for variable in list_variables()}
    # Commands on the demo need no keys of real models, and nobody's right to make roles and databases.
    unneeded = {*plan.keys, "DATABASE__ADMIN_URL"}
    folder.save_environment(
        {name: it for name, it in settings.items() if name in known and name not in unneeded}
    )
    try:
        note("Migrating the database …")
        await supervisor.run("migrate")
        note("Starting web, worker and simulator …")
        for program in programs(plan):
            await supervisor.start(program)
        await ready(supervisor, plan, "database", "migrations")
        yield supervisor
    finally:
        await supervisor.stop()


async def ready(supervisor: Supervisor, plan: Plan, *names: str) -> None:
    """Wait until the simulator answers and these checks of `/readyz` are fine.

    Raises:
        DemoError: that takes too long, or a process has ended.
    """
    missing = "no answer"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:

        async def look() -> bool:
            nonlocal missing
            supervisor.must_live()
            try:
                desk: Any = (await http.get(f"{plan.web_url}/readyz")).json()
                await http.get(f"{plan.simulator_url}/_sim")
            except (httpx.HTTPError, ValueError) as error:
                missing = f"{type(error).__name__} {error}"
                return False
            checks = {name: desk["checks"][name] for name in names}
            missing = ", ".join(
                f"{name}: {check['detail']}" for name, check in checks.items() if not check["ok"]
            )
            return not missing

        try:
            await until(look, "everything being ready", seconds=60)
        except Late as late:
            raise DemoError(f"{late} ({missing})") from None


async def end_of(supervisor: Supervisor, work: asyncio.Task[Any]) -> None:
    """Wait until work is done while everything is kept alive.

    Raises:
        DemoError: something crashes again and again, or the work failed so.
    """
    watching = asyncio.create_task(supervisor.watch())
    try:
        await asyncio.wait((watching, work), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        if work.done():
            work.result()
    finally:
        for task in (watching, work):
            task.cancel()
        await asyncio.gather(watching, work, return_exceptions=True)
