"""A tenant at work, as tests hold it: its people, its number, phones that write, a worker."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from frontdesk import agent_config, identity, knowledge
from frontdesk.agent_config import AgentCreate
from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.core.work import Dispatcher
from frontdesk.knowledge import SourceCreate
from frontdesk.knowledge.work import INGEST
from frontdesk.messaging import ChannelCreate, connect_channel
from frontdesk.messaging.work import LIVE
from frontdesk.observability.overdue import OVERDUE
from frontdesk.simulator import Phone, Simulator

ORIGIN = "http://testserver"
PASSWORD = "eleven purple boats sing"
FACTS = {
    "Shipping": "We ship within 2 working days. Delivery takes 3 to 5 working days.",
    "Returns": "You can return anything within 30 days for a full refund.",
    "Opening hours": "The shop is open Monday to Friday from 9 am to 6 pm.",
}
# Asking once for all tables whose rows come due is cheaper than sweeping every kind of them.
_IS_DUE = "SELECT " + " OR ".join(
    f"EXISTS (SELECT FROM {due.table} WHERE ({due.unfinished}) AND due_at <= now())"
    for due in OVERDUE
)
_IN_DUE_TABLES = frozenset(
    {
        "agent_config.preview",
        "billing.book",
        "billing.reservation",
        "billing.stripe_account",
        "billing.stripe_batch",
        "billing.stripe_check",
        "billing.stripe_event",
        "conversation.memory",
        "conversation.timer",
        "conversation.turn",
        "escalation.backtest",
        "escalation.suggestion",
        "evaluation.canary",
        "evaluation.collection",
        "evaluation.run",
        "learning.round",
        "identity.mail",
        "knowledge.source",
        "messaging.channel",
        "messaging.media",
        "messaging.outbound",
        "messaging.templates",
        "messaging.webhook_event",
        "observability.drill",
        "observability.replay",
        "privacy.erasure",
        "privacy.export",
    }
)
_numbers = itertools.count(100_000_000_000_000)


class Person:
    """A user of the tenant, signed in: an HTTP client that behaves like their browser."""

    def __init__(self, app: FastAPI, user_id: UUID, email: str) -> None:
        self.id = user_id
        self.email = email
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url=ORIGIN,
            headers={"Origin": ORIGIN},
        )

    async def sign_in(self) -> None:
        answer = await self.http.post(
            "/api/v1/auth/sign-in", json={"email": self.email, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(f"/api/v1{path}", params=params)
        assert answer.is_success, answer.text
        return answer.json()

    async def post(
        self, path: str, body: Any = None, *, status: int | None = None, **headers: str
    ) -> Any:
        return await self._send("POST", path, body, status, headers)

    async def put(
        self, path: str, body: Any = None, *, status: int | None = None, **headers: str
    ) -> Any:
        return await self._send("PUT", path, body, status, headers)

    async def _send(
        self, method: str, path: str, body: Any, status: int | None, headers: dict[str, str]
    ) -> Any:
        answer = await self.http.request(
            method,
            f"/api/v1{path}",
            json=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        if status is None:
            assert answer.is_success, answer.text
        else:
            assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


class Desk:
    """A fresh tenant with everything it needs, the outside world, and a worker in this process."""

    def __init__(
        self,
        app: FastAPI,
        resources: Resources,
        dispatcher: Dispatcher | None,
        simulator: Simulator,
        tenant_id: UUID,
    ) -> None:
        self.app = app
        self.resources = resources
        self.dispatcher = dispatcher
        self.simulator = simulator
        self.id = tenant_id
        self.people: list[Person] = []
        self.agent_id: UUID
        self.channel_id: UUID
        self.phone_number_id = ""
        self.waba_id = ""

    @classmethod
    async def make(
        cls,
        app: FastAPI,
        resources: Resources,
        dispatcher: Dispatcher | None,
        simulator: Simulator,
        facts: dict[str, str] | None = None,
    ) -> "Desk":
        """A new tenant: an admin, two human agents (away), an agent that knows `facts`, a number."""
        slug = f"t-{uuid4().hex[:12]}"
        async with resources.db.system_transaction() as tx:
            tenant = await identity.create_tenant(tx, f"Shop {slug}", slug)
            desk = cls(app, resources, dispatcher, simulator, tenant.id)
            for name, role in (
                ("admin", Role.ADMIN),
                ("ana", Role.HUMAN_AGENT),
                ("ben", Role.HUMAN_AGENT),
            ):
                email = f"{name}@{slug}.example"
                user_id = await identity.create_user(tx, email, name.title(), PASSWORD)
                await identity.add_member(tx, tenant.id, user_id, role)
                desk.people.append(Person(app, user_id, email))
        async with resources.db.transaction(tenant.id) as session:
            agent = await agent_config.create_agent(
                session,
                AgentCreate(
                    name="Shop agent",
                    config={
                        "company_name": "Lumen & Oak",
                        "persona": "You are Olive, the assistant of Lumen & Oak, a lamp shop.",
                        "languages": ["en", "es", "de"],
                    },
                ),
            )
            desk.agent_id = agent.id
            for title, text in (FACTS if facts is None else facts).items():
                await knowledge.add_source(
                    resources, session, SourceCreate(agent_id=agent.id, title=title, body=text)
                )
            desk.phone_number_id, desk.waba_id = str(next(_numbers)), str(next(_numbers))
            simulator.register_channel(
                desk.phone_number_id, waba_id=desk.waba_id, display_phone_number="15550001111"
            )
            channel = await connect_channel(
                session,
                resources,
                ChannelCreate(
                    name="Main number",
                    agent_id=agent.id,
                    phone_number_id=desk.phone_number_id,
                    waba_id=desk.waba_id,
                    access_token=SecretStr("EAAB-test"),
                ),
            )
            desk.channel_id = channel.id
        await connected(resources, desk.id, channel.id)
        for row in await desk.sql("SELECT id FROM knowledge_source"):
            await INGEST.handle(resources, desk.id, row["id"])
        # The worker may have been faster, and still be at it.
        await eventually(desk.knows_its_facts)
        return desk

    async def aclose(self) -> None:
        for person in self.people:
            await person.http.aclose()

    # People

    async def admin(self) -> Person:
        return await self._signed_in(0)

    async def ana(self) -> Person:
        return await self._signed_in(1)

    async def ben(self) -> Person:
        return await self._signed_in(2)

    async def _signed_in(self, number: int) -> Person:
        person = self.people[number]
        if not person.http.cookies:
            await person.sign_in()
        return person

    async def configure(self, **changes: Any) -> None:
        """Save the agent's configuration with these changes, as an admin does."""
        admin = await self.admin()
        answer = await admin.http.get(f"/api/v1/agents/{self.agent_id}")
        config = answer.json()["config"] | changes
        await admin.put(f"/agents/{self.agent_id}/config", config, If_Match=answer.headers["etag"])

    # Phones

    def phone(self, number: str = "4915550001", **known: Any) -> Phone:
        """The phone of a contact, chatting with this tenant's number."""
        return self.simulator.phone(number, channel=self.phone_number_id, **known)

    async def say(self, *texts: str, number: str = "4915550001", **known: Any) -> list[str]:
        """A contact writes a burst; everything is worked off; all replies on that phone so far.

        It comes in one webhook: between two, the time a burst may take is soon over on a busy machine.
        """
        phone = self.phone(number, **known)
        if texts:
            phone.say_together(*texts)
        await self.work_until_idle()
        return phone.replies

    # Work

    async def work_until_idle(self) -> None:
        """Let webhooks arrive and do whatever is due, until nothing is."""
        assert self.dispatcher is not None, "the worker is another process"
        for _ in range(100):
            await self.simulator.settle()
            await self.dispatcher.idle()
            if not self.simulator.is_settled:
                continue  # What was sent meanwhile comes back as statuses.
            # Nothing goes on any more, so what these don't find is not there.
            async with self.resources.db.system() as connection:
                is_due = await connection.fetchval(_IS_DUE)
            kinds = self.dispatcher.kinds.keys() - (frozenset() if is_due else _IN_DUE_TABLES)
            if not any([await self.dispatcher.sweep(kind) for kind in kinds]):
                return
        raise AssertionError("there is always more work")

    # Looking

    async def knows_its_facts(self) -> bool:
        """Whether all its sources can be found in."""
        return not await self.sql("SELECT 1 FROM knowledge_source WHERE state <> 'ready'")

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Rows of this tenant, as the application's own role sees them."""
        async with self.resources.db.hot(self.id) as tx:
            return list(await tx.sql.fetch(statement, *values))

    async def conversation(self, number: str = "4915550001") -> Any:
        """The newest conversation with a contact, as the API shows it."""
        admin = await self.admin()
        page = await admin.get("/conversations", contact=number, order="recent")
        return page["items"][0]

    async def events(self) -> list[tuple[str, Any]]:
        """All feed events so far."""
        rows = await self.sql("SELECT kind, payload FROM feed_event ORDER BY seq")
        return [(row["kind"], json.loads(row["payload"])) for row in rows]


async def connected(resources: Resources, tenant_id: UUID, channel_id: UUID) -> None:
    """Connect a channel here, or wait while another worker does."""

    async def is_connected() -> bool:
        await LIVE.handle(resources, tenant_id, channel_id)
        async with resources.db.hot(tenant_id) as tx:
            row = await tx.sql.fetchrow(
                "SELECT status, status_reason FROM channel WHERE id = $1", channel_id
            )
        assert row["status"] in ("CONNECTING", "CONNECTED"), row
        return bool(row["status"] == "CONNECTED")

    await eventually(is_connected)


async def eventually(check: Any, seconds: float = 30) -> Any:
    """Wait until `check()` (sync or async) gives something true, and give that.

    For as long as it takes on a machine that is busy with other things.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = check()
        if asyncio.iscoroutine(value):
            value = await value
        if value or asyncio.get_running_loop().time() > deadline:
            assert value, "it did not come about in time"
            return value
        await asyncio.sleep(0.01)


async def wait_for_somebody_held_up(connection: Any) -> None:
    """Wait until somebody waits for what this connection's transaction has locked."""
    # Of locks, as Postgres shows a transaction only the sessions that were there when it first asked.
    held_up = "SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    await eventually(lambda: connection.fetch(held_up))


async def held_up_here(connection: Any) -> int:
    """How many sessions of this database wait for a lock."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    return count


def texts(messages: Sequence[Any]) -> list[str]:
    """The texts of a page of messages, oldest first."""
    return [message["text"] for message in reversed(messages)]
