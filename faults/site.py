"""A desk that may be broken: servers, processes, tenants, the outside world, and its clock."""

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from benchmarks.ground import APP_SECRET, Ground

from faults import processes, traffic
from faults.clock import Clock
from faults.processes import Member, Role
from faults.scenario import Broken
from faults.tenants import Tenant, make_tenant
from frontdesk.core.crash import CrashPlan
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import with_database
from frontdesk.demo.world import free_port
from frontdesk.simulator import Phone, Posting, Simulator, SimulatorSettings, running
from frontdesk.subscriptions import SUBSCRIPTIONS

# Short waits where the length of a wait proves nothing; leases and deadlines are the defaults.
_SETTINGS = {
    "WORKER__DEBOUNCE_SECONDS": "0.3",
    "WORKER__DEBOUNCE_MAX_SECONDS": "1",
    "REDIS__SOCKET_TIMEOUT_SECONDS": "1",
    "LOG__LEVEL": "WARNING",
}
_FIRST_NUMBER = 4915500000000
# An answer covers a burst, so one that goes out again is to so many messages.
MOST_IN_BURST = 3


@dataclass(frozen=True)
class Written:
    """A message somebody wrote."""

    code: str
    wamid: str
    tenant: Tenant
    contact: str

    @property
    def chat(self) -> tuple[str, str]:
        """The number it was written to, and its writer's."""
        return self.tenant.phone_number_id, self.contact


class Site:
    """Everything a scenario may use and break."""

    def __init__(self, ground: Ground, simulator: Simulator, resources: Resources) -> None:
        self.ground = ground
        self.simulator = simulator
        self.resources = resources
        self.folder = ground.folder
        self.clock = Clock(self)
        self.chance = random.Random()
        self.tenants: list[Tenant] = []
        self.members: list[Member] = []
        self.written: dict[str, Written] = {}
        self.deaths: list[str] = []
        """Processes that ended and were not to, in words."""
        self.roles: dict[int, Role] = {}
        """What each process was started as, by its id."""
        self.notes: list[str] = []
        """What a reader of the result has to know."""
        self.most_twice = 0
        """How many messages can have met the residual case."""
        self.silent = False
        """Whether nobody but the scenario's own contacts writes while the site drains."""
        self.written_at = time.monotonic()
        self.dsn = with_database(ground.postgres.url, "frontdesk")
        """Of a superuser."""
        self._port = free_port()
        self.environment: Mapping[str, str] = {}
        """Every setting of the scenario's processes."""
        self._world = simulator.settings
        self._looking: asyncpg.Connection | None = None
        self._numbers = itertools.count(_FIRST_NUMBER)
        self._codes = itertools.count(1)
        self._logs = itertools.count(1)
        self._scenarios = itertools.count(1)
        self._plan_folder = self.folder

    # Beginning and ending

    async def begin(
        self, seed: str, settings: Mapping[str, str], *, tenants: int = 3, workers: int = 2
    ) -> None:
        """Forget what was, and open with fresh tenants, a web process and workers."""
        self.chance = random.Random(seed)
        simulator = self.simulator
        await simulator.reset(
            replace(
                self._world,
                seed=self.chance.getrandbits(32),
                webhook_url=f"{self.web_url}/webhooks/whatsapp",
            )
        )
        self.environment = self.ground.product_variables(
            WEB__PORT=str(self._port),
            WHATSAPP__API_BASE=simulator.url,
            LLM__GROQ_API_BASE=simulator.groq_url,
            LLM__OPENAI_API_BASE=simulator.openai_url,
            **{**_SETTINGS, **settings},
        )
        await self.resources.redis.flushall()
        await self.sql(await self._emptying())
        self.written.clear()
        self.deaths.clear()
        self.roles.clear()
        self.notes.clear()
        self.most_twice = 0
        self.silent = False
        self.clock.reset()
        self._plan_folder = self.folder / f"deaths-{next(self._scenarios)}"
        self._plan_folder.mkdir()
        self.tenants = [await make_tenant(self.resources, simulator) for _ in range(tenants)]
        await self.open(workers=workers)

    async def _emptying(self) -> str:
        """The statement that empties every table but those a migration fills."""
        rows = await self.sql(
            "SELECT string_agg(tablename, ', ') AS tables FROM pg_tables WHERE schemaname = "
            "'public' AND tablename NOT IN ('alembic_version', 'price')"
        )
        return f"TRUNCATE {rows[0]['tables']}"

    async def end(self) -> None:
        """Kill what is left of the scenario."""
        for member in self.members:
            member.wanted = False
            member.process.kill()
        for member in self.members:
            await self._gone(member)
        self.members.clear()

    # Processes

    @property
    def web_url(self) -> str:
        """Where the web process is reached."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def web(self) -> Member:
        """The web process."""
        return next(m for m in self.members if m.role == "web" and m.wanted)

    @property
    def workers(self) -> list[Member]:
        """The workers that are meant to run."""
        return [m for m in self.members if m.role == "worker" and m.wanted]

    async def open(self, *, workers: int = 2, plan: CrashPlan | None = None) -> None:
        """Start a web process and workers, and wait until webhooks are taken."""
        self.start("web", plan)
        for _ in range(workers):
            self.start("worker", plan)
        await self.web_answers()

    def start(self, role: Role, plan: CrashPlan | None = None) -> Member:
        """One more process."""
        log = self.folder / f"{role}-{next(self._logs)}.log"
        member = processes.start(role, self.environment, log, plan)
        self.members.append(member)
        self.roles[member.pid] = role
        return member

    async def arm(
        self,
        *points: str,
        times: int,
        how: int = signal.SIGKILL,
        only: object = None,
        again: bool = False,
    ) -> CrashPlan:
        """Start all processes anew, and let the next that pass a crash point die there.

        So many at each; with SIGSTOP they pause there. `only` and `again` as `CrashPlan` has them.
        """
        await self.end()
        plan = CrashPlan(points, times, self._plan_folder, how, only, again)
        await self.open(plan=plan)
        return plan

    def kill(self, member: Member) -> None:
        """End a process as `kill -9` does; another one takes its place."""
        member.killed = True
        os.kill(member.pid, signal.SIGKILL)

    def go_on(self, member: Member) -> None:
        """Let a process that was stopped run again."""
        os.kill(member.pid, signal.SIGCONT)

    async def terminate(self, member: Member, patience_seconds: float = 40) -> None:
        """Stop a process as a deployment does, and wait until it has drained."""
        member.wanted = False
        os.kill(member.pid, signal.SIGTERM)
        if not await self._gone(member, patience_seconds):
            raise Broken(f"a {member.role} did not end within {patience_seconds:g} s of SIGTERM")
        # uvicorn shuts down in good order, and then ends by the signal that it was sent.
        if member.process.exitcode not in (0, -signal.SIGTERM):
            raise Broken(f"a {member.role} ended with {member.process.exitcode} on SIGTERM")

    async def replace(self, member: Member) -> None:
        """Put a new process in the place of one, which drains, as a deployment does.

        Workers overlap; of web processes there is room for one on the port.
        """
        if member.role == "worker":
            self.start("worker")
            await self.terminate(member)
        else:
            await self.terminate(member)
            self.start("web")
            await self.web_answers()

    async def web_answers(self) -> None:
        """Wait until the web process takes requests."""
        async with httpx.AsyncClient() as client:
            await self.until(lambda: self._is_live(client), 60, "the web process did not start")

    async def _is_live(self, client: httpx.AsyncClient) -> bool:
        with suppress(httpx.HTTPError):
            answer = await client.get(f"{self.web_url}/livez", timeout=1)
            return answer.status_code == 200
        return False

    async def _gone(self, member: Member, seconds: float = 10) -> bool:
        until = time.monotonic() + seconds
        while member.process.is_alive():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.01)
        return True

    async def watch(self) -> None:
        """Start again what ended without being asked, as an orchestrator does."""
        while True:
            self.see_deaths()
            await asyncio.sleep(0.05)

    def see_deaths(self) -> None:
        """Start again what has ended, and note what was not to."""
        for member in [m for m in self.members if not m.process.is_alive()]:
            self.members.remove(member)
            if member.wanted:
                if not member.is_to_die:
                    ended = f"{member.process.name} ended with {member.process.exitcode}"
                    self.deaths.append(f"{ended}, and nobody had asked for it")
                self.start(member.role, member.plan)

    # Contacts

    async def chat(
        self,
        *,
        contacts: int = 12,
        bursts: int = 2,
        most_in_burst: int = MOST_IN_BURST,
        over_seconds: float = 2.0,
    ) -> list[Phone]:
        """New contacts write, spread over the tenants; returns when the last webhook is on its way.

        About 30 % of the webhooks come twice, side by side or later, and all in any order.
        """
        lines = traffic.plan_chat(
            self.chance,
            map(traffic.code, self._codes),
            contacts=contacts,
            bursts=bursts,
            most_in_burst=most_in_burst,
            over_seconds=over_seconds,
        )
        phones = [self.phone(self.tenants[n % len(self.tenants)]) for n in range(contacts)]
        began, began_at = time.monotonic(), time.time()
        wamids: dict[int, str] = {}
        for seconds, position, line in traffic.postings(lines):
            await asyncio.sleep(began + seconds - time.monotonic())
            posting = phones[line.contact].say(
                line.text,
                wamid=wamids.get(position),
                sent_at=began_at + line.written_seconds,
                copies=line.copies,
            )
            if position not in wamids:
                wamids[position] = posting.wamid
                self._note(phones[line.contact], line.text, posting)
        self.written_at = time.monotonic()
        return phones

    def phone(self, tenant: Tenant | None = None) -> Phone:
        """The phone of a new contact of a tenant, the first one by default."""
        number = str(next(self._numbers))
        channel = (tenant or self.tenants[0]).phone_number_id
        return self.simulator.phone(number, channel=channel)

    def say(self, phone: Phone, text: str = "How long does delivery take?", **post: Any) -> Posting:
        """One message of one contact, known again in its answer."""
        marked = f"{text} {traffic.code(next(self._codes))}"
        posting = phone.say(marked, **post)
        self._note(phone, marked, posting)
        self.written_at = time.monotonic()
        return posting

    def _note(self, phone: Phone, text: str, posting: Posting) -> None:
        channel = phone.channel.phone_number_id
        tenant = next(t for t in self.tenants if t.phone_number_id == channel)
        code = traffic.codes_in(text)[0]
        self.written[code] = Written(code, posting.wamid, tenant, phone.contact.number)

    # Looking and waiting

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Rows as a superuser sees them; the connection is made anew when it broke."""
        connection = await self._connection()
        return list(await connection.fetch(statement, *values, timeout=20))

    async def execute(self, statements: str) -> None:
        """Run statements as a superuser, several in one transaction."""
        connection = await self._connection()
        await connection.execute(statements, timeout=20)

    async def _connection(self) -> asyncpg.Connection:
        if self._looking is None or self._looking.is_closed():
            self._looking = await asyncpg.connect(self.dsn, timeout=5)
        return self._looking

    async def until(self, holds: Any, seconds: float, otherwise: str) -> None:
        """Wait until `holds()` (sync or async) is true.

        Raises:
            Broken: it is not within so many seconds.
        """
        give_up_at = time.monotonic() + seconds
        while True:
            value = holds()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return
            if time.monotonic() > give_up_at:
                raise Broken(otherwise)
            await asyncio.sleep(0.02)

    def refused_webhooks(self) -> int:
        """How many attempts to post a webhook were answered otherwise than 200, or not at all."""
        return sum(
            attempt.status != 200
            for posting in self.simulator.webhooks.postings
            for attempt in posting.attempts
        )

    async def became_unknown(self, at_least: int) -> None:
        """See that so many sends have been of unknown outcome for a while.

        Raises:
            Broken: they have not.
        """
        rows = await self.sql("SELECT coalesce(sum(unknowns), 0) AS n FROM outbound")
        if rows[0]["n"] < at_least:
            raise Broken(f"{rows[0]['n']} sends became `unknown`, not {at_least}")

    async def drain(self, enough: Callable[[], bool] | None = None) -> None:
        """Wait until nothing is left to do, or until `enough()`; see `Clock.drain`."""
        await self.clock.drain(enough)

    def last_words(self) -> list[str]:
        """The ends of the newest logs, for a failure."""
        newest = sorted(self.folder.glob("w*.log"), key=lambda path: path.stat().st_mtime)[-4:]
        return [line for log in newest for line in _tail(log)]

    async def aclose(self) -> None:
        """End it all."""
        await self.end()
        if self._looking is not None:
            self._looking.terminate()


def _tail(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()[-8:]
    return [f"{log.name}: {line[:400]}" for line in lines]


@asynccontextmanager
async def open_site(ground: Ground) -> AsyncIterator[Site]:
    """A site on running servers; its processes come with each scenario's `begin`."""
    world = SimulatorSettings(
        app_secret=APP_SECRET,
        status_delay_seconds=(0.01, 0.05),
        status_doubled_share=0.1,
        status_reversed_share=0.1,
        retry_pauses_seconds=(0.1, 0.2, 0.5, 1.0),
        inbound_in_order=False,
        model_latency_seconds=(0.02, 0.15),
    )
    async with running(world) as simulator:
        traffic.name_what_is_answered(simulator)
        async with open_resources(ground.settings(), SUBSCRIPTIONS) as resources:
            site = Site(ground, simulator, resources)
            watching = asyncio.create_task(site.watch())
            try:
                yield site
            finally:
                watching.cancel()
                await site.aclose()
