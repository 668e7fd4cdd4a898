"""Dashboards with open streams while the web process or Redis goes away: nothing missed, none twice."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from faults.scenario import Broken, Scenario
from faults.site import Site
from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.identity import add_member
from frontdesk.identity.tokens import cookie_name, issue_token

STREAMS = 2_000
BACK_SECONDS = 30.0
GRACE_SECONDS = 10.0  # WEB__GRACEFUL_SHUTDOWN_SECONDS by default.
_STREAMS_PER_USER = 10
_NEVER_TOLD_MILLISECONDS = 3_000
_HTTP_OK = b"200"


@dataclass
class Viewer:
    """A dashboard's `EventSource`: reconnects after the time it was told, from where it was."""

    host: str
    port: int
    cookie: str
    tenant_id: UUID
    seen: list[int] = field(default_factory=list)
    """Numbers of the events that came, in the order in which they came."""
    start: int | None = None
    """The number it was told to go on from at first."""
    resets: int = 0
    refused: bytes | None = None
    """An answer that is no stream: a browser would not come back."""
    is_open: bool = False
    reconnect_seconds: float = _NEVER_TOLD_MILLISECONDS / 1_000
    _last_id: str = ""

    async def watch(self) -> None:
        """Read for ever, or until refused."""
        while self.refused is None:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._read()
            self.is_open = False
            await asyncio.sleep(self.reconnect_seconds)

    async def _read(self) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            after = f"Last-Event-ID: {self._last_id}\r\n" if self._last_id else ""
            writer.write(
                f"GET /api/v1/feed HTTP/1.1\r\nHost: x\r\nCookie: {self.cookie}\r\n"
                f"{after}\r\n".encode()
            )
            status = (await reader.readuntil(b"\r\n")).split()[1]
            if status != _HTTP_OK:
                self.refused = status
                return
            kind = b""
            while line := await reader.readline():
                # Sizes of chunks and empty lines between them have no colon.
                name, _, value = line.strip().partition(b": ")
                if name == b"event":
                    kind = value
                elif name == b"id":
                    self._last_id = value.decode()
                elif name == b"retry":
                    self.reconnect_seconds = int(value) / 1_000
                    self.is_open = True
                elif name == b"data":
                    self._take(kind)
        finally:
            writer.close()

    def _take(self, kind: bytes) -> None:
        if kind == b"hello":
            self.start = int(self._last_id)
        elif kind == b"reset":
            self.resets += 1
        else:
            self.seen.append(int(self._last_id))

    def missed_or_doubled(self, last: int) -> bool:
        """Whether it saw anything but each event from its start to `last`, once and in order."""
        if self.start is None or self.resets:
            return True
        return self.seen != list(range(self.start + 1, last + 1))


async def cookies(resources: Resources, tenant_id: UUID, users: int) -> list[str]:
    """Signed-in users of a tenant; passwords, which take a tenth of a second each, are left out."""
    now = datetime.now(UTC)
    made = []
    async with resources.db.system_transaction() as tx:
        for _ in range(users):
            user_id, session_id = ids.new(), ids.new()
            await tx.sql.execute(
                "INSERT INTO app_user (id, email, name, password_hash) VALUES ($1, $2, 'V', '-')",
                user_id,
                f"{user_id}@faults.example",
            )
            await add_member(tx, tenant_id, user_id, Role.ADMIN)
            await tx.sql.execute(
                "INSERT INTO user_session (id, user_id, tenant_id, user_agent, expires_at) "
                "VALUES ($1, $2, $3, '', $4)",
                session_id,
                user_id,
                tenant_id,
                now + timedelta(days=1),
            )
            token = issue_token(
                resources.settings,
                session_id=session_id,
                user_id=user_id,
                tenant_id=tenant_id,
                now=now,
            )
            made.append(f"{cookie_name(resources.settings)}={token}")
    return made


@asynccontextmanager
async def watched(
    resources: Resources, tenant_ids: Sequence[UUID], port: int, count: int
) -> AsyncIterator[list[Viewer]]:
    """Viewers of these tenants, spread over as many users as they need; they end with the block."""
    share = -(-count // len(tenant_ids))
    viewers = []
    for tenant_id in tenant_ids:
        users = await cookies(resources, tenant_id, -(-share // _STREAMS_PER_USER))
        viewers += [
            Viewer("127.0.0.1", port, users[number // _STREAMS_PER_USER], tenant_id)
            for number in range(share)
        ]
    tasks = [asyncio.create_task(viewer.watch()) for viewer in viewers[:count]]
    try:
        yield viewers[:count]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def come_back(viewers: Sequence[Viewer], within_seconds: float = BACK_SECONDS) -> float:
    """Wait until all streams are open; the seconds it took.

    Raises:
        Broken: they are not within that time, or one was refused.
    """
    began = time.monotonic()
    while not all(viewer.is_open for viewer in viewers):
        if refused := {viewer.refused for viewer in viewers if viewer.refused}:
            raise Broken(f"streams were refused with {refused}")
        if time.monotonic() - began > within_seconds:
            closed = sum(not viewer.is_open for viewer in viewers)
            raise Broken(f"{closed} streams are not back after {within_seconds:g} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


Act = Callable[[Site, Sequence[Viewer]], Awaitable[None]]


def _watched_while(act: Act, streams: int) -> Callable[[Site], Awaitable[None]]:
    """Contacts write while so many streams are open and something is done to them."""

    async def play(site: Site) -> None:
        port = urlsplit(site.simulator.settings.webhook_url).port
        assert port is not None
        tenant_ids = [tenant.id for tenant in site.tenants]
        async with watched(site.resources, tenant_ids, port, streams) as viewers:
            await come_back(viewers)
            writing = asyncio.create_task(site.chat(over_seconds=4))
            await act(site, viewers)
            await writing
            await site.drain()
            rows = await site.sql("SELECT tenant_id, n FROM feed_counter")
            last = {row["tenant_id"]: row["n"] for row in rows}
            await site.until(
                lambda: all(viewer.seen[-1:] == [last[viewer.tenant_id]] for viewer in viewers),
                BACK_SECONDS,
                "not every stream got the last event",
            )
        if wrong := sum(viewer.missed_or_doubled(last[viewer.tenant_id]) for viewer in viewers):
            raise Broken(f"{wrong} of {streams} streams missed or doubled events")

    return play


async def _restart_web(site: Site, viewers: Sequence[Viewer]) -> None:
    """The web process is replaced, as a deployment does it: SIGTERM, then a new one."""
    web = site.web
    web.wanted = False
    os.kill(web.pid, signal.SIGTERM)
    await site.until(
        lambda: not web.process.is_alive(), GRACE_SECONDS + 2, "open streams held up the shutdown"
    )
    site.start("web")
    await come_back(viewers)


async def _kill_web(site: Site, viewers: Sequence[Viewer]) -> None:
    site.kill(site.web)
    await site.until(lambda: not all(v.is_open for v in viewers), 5, "no stream broke")
    await come_back(viewers)


async def _cut_subscriptions(site: Site, viewers: Sequence[Viewer]) -> None:
    for _ in range(8):
        await site.resources.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(0.5)


SCENARIOS = (
    Scenario(
        name="web-replaced-under-streams",
        point=f"the web process is replaced, {STREAMS:,} dashboards watch",
        left="the feed's events, numbered",
        follows=f"streams come back spread over seconds, all within {BACK_SECONDS:.0f} s, and go on",
        outcome="each event once, in order",
        play=_watched_while(_restart_web, STREAMS),
        alone=True,
    ),
    Scenario(
        name="web-killed-under-streams",
        point="kill -9 of the web process, dashboards watch",
        left="the feed's events, numbered",
        follows="the same",
        outcome="each event once, in order",
        play=_watched_while(_kill_web, 300),
    ),
    Scenario(
        name="feed-subscription-cut",
        point="the feed's Redis subscription is cut, again and again",
        left="the feed's events, numbered",
        follows="it subscribes again and looks for itself",
        outcome="each event once, in order",
        play=_watched_while(_cut_subscriptions, 300),
    ),
)
