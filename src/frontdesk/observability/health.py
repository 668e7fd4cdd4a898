"""Whether this process should get requests: named checks, looked at once a second at most."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import asyncpg

from frontdesk.core.errors import FrontdeskError, Unavailable
from frontdesk.core.ids import NIL
from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources
from frontdesk.core.storage import storage_of, try_out
from frontdesk.observability.overdue import look_at_late, look_at_old
from frontdesk.observability.schemas import CheckPublic, ReadinessPublic

_CHECK_SECONDS = 3
_KEEP_SECONDS = 1
# Each look at the store writes a file, which is not worth doing at every question.
_KEEP_STORAGE_SECONDS = 30
# Three beats of a worker.
_WORKER_SILENT_SECONDS = 15
# Longer than a lease: what is overdue by more than this was due and nobody could do it.
_OVERDUE_SECONDS = 120
# Longer than a send of unknown outcome waits before a person is asked: what is older is tried in vain.
_OLD_SECONDS = 20 * 60

_WORKERS = """
SELECT count(*) FROM worker_heartbeat WHERE seen_at > now() - make_interval(secs => $1)
"""


@dataclass(frozen=True)
class Finding:
    """What a check saw. The page is public, so `detail` must not tell secrets."""

    ok: bool
    detail: str
    value: float | None = None


# A check of a context above, by the name it has on the page: never required, and never slow.
Check: TypeAlias = Callable[[Resources], Awaitable[Finding]]


class Readiness:
    """Makes the checks of one process and keeps the answer for a second, so asking is cheap."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._looking = asyncio.Lock()
        self._answer: ReadinessPublic | None = None
        self._answered_at = 0.0
        self._head: str | None = None
        self._storage_seen: tuple[float, Finding] | None = None

    async def look(self, more: Mapping[str, Check]) -> ReadinessPublic:
        """What the checks say now, or said within the last second. Never raises."""
        async with self._looking:
            if self._answer is None or time.monotonic() - self._answered_at > _KEEP_SECONDS:
                self._answer = await self._check_all(more)
                self._answered_at = time.monotonic()
            return self._answer

    async def _check_all(self, more: Mapping[str, Check]) -> ReadinessPublic:
        # A web process that can store webhooks is ready: Redis, workers and a backlog delay
        # answers, and taking the process out of service would only lose the webhooks as well.
        checks: dict[str, tuple[bool, Callable[[], Awaitable[Finding]]]] = {
            "database": (True, self._database),
            "migrations": (True, self._migrations),
            "redis": (False, self._redis),
            "workers": (False, self._workers),
            "overdue": (False, self._overdue),
            "oldest_unfinished": (False, self._oldest_unfinished),
            "storage": (False, self._storage),
            **{name: (False, partial(check, self._resources)) for name, check in more.items()},
        }
        findings = await asyncio.gather(*(_bounded(check) for _, check in checks.values()))
        results = {
            name: CheckPublic(
                ok=finding.ok, required=required, detail=finding.detail, value=finding.value
            )
            for (name, (required, _)), finding in zip(checks.items(), findings, strict=True)
        }
        return ReadinessPublic(
            ok=all(check.ok for check in results.values() if check.required), checks=results
        )

    async def _database(self) -> Finding:
        started = time.perf_counter()
        async with self._resources.db.hot(NIL) as tx:
            await tx.sql.fetchval("SELECT 1")
        return Finding(True, f"answers in {(time.perf_counter() - started) * 1000:.0f} ms")

    async def _migrations(self) -> Finding:
        if self._head is None:
            self._head = await asyncio.to_thread(self._head_revision)
        async with self._resources.db.system() as connection:
            present = await connection.fetchval("SELECT version_num FROM alembic_version")
        if present == self._head:
            return Finding(True, f"at {present}")
        return Finding(False, f"at {present}, this code needs {self._head}: `frontdesk migrate`")

    def _head_revision(self) -> str:
        # Alembic is imported here: nothing else in a web process needs it.
        from alembic.script import ScriptDirectory

        from frontdesk.core.migrate import alembic_config

        config = alembic_config(self._resources.settings.database)
        return ScriptDirectory.from_config(config).get_current_head() or "none"

    async def _redis(self) -> Finding:
        try:
            await self._resources.redis.ping()
        except REDIS_DOWN:
            return Finding(False, "down: work is found by the sweep, a second or two later")
        return Finding(True, "answers")

    async def _workers(self) -> Finding:
        async with self._resources.db.system() as connection:
            alive = await connection.fetchval(_WORKERS, _WORKER_SILENT_SECONDS)
        detail = f"{alive} seen in the last {_WORKER_SILENT_SECONDS} seconds"
        return Finding(alive > 0, detail, value=alive)

    async def _overdue(self) -> Finding:
        async with self._resources.db.system() as connection:
            late = await look_at_late(connection)
        seconds = late.most_seconds
        if seconds is None:
            return Finding(True, "nothing is due", value=0)
        detail = f"due {seconds:.0f} seconds ago, in {late.most_table}"
        return Finding(seconds <= _OVERDUE_SECONDS, detail, value=round(seconds, 3))

    async def _oldest_unfinished(self) -> Finding:
        async with self._resources.db.system() as connection:
            old = await look_at_old(connection)
        seconds = old.most_seconds
        if seconds is None:
            return Finding(True, "everything is done", value=0)
        detail = f"unfinished for {seconds:.0f} seconds, in {old.most_table}"
        return Finding(seconds <= _OLD_SECONDS, detail, value=round(seconds, 3))

    async def _storage(self) -> Finding:
        now = time.monotonic()
        if self._storage_seen is None or now - self._storage_seen[0] > _KEEP_STORAGE_SECONDS:
            self._storage_seen = (now, await self._try_storage())
        return self._storage_seen[1]

    async def _try_storage(self) -> Finding:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await try_out(storage_of(self._resources))
        except TimeoutError:
            return Finding(False, f"no answer in {_CHECK_SECONDS} seconds: files are not kept")
        except Unavailable as error:
            return Finding(False, str(error))
        return Finding(True, f"kept a file in {(time.perf_counter() - started) * 1000:.0f} ms")


async def is_ready(
    resources: Resources, more: Mapping[str, Check] = MappingProxyType({})
) -> ReadinessPublic:
    """Whether this process should get requests, and why.

    Args:
        more: checks of contexts above, besides those that are made here.
    """
    return await resources.keep(Readiness).look(more)


async def _bounded(check: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        # A little longer than a check waits that says itself what did not answer.
        async with asyncio.timeout(_CHECK_SECONDS + 0.5):
            return await check()
    except TimeoutError:
        return Finding(False, f"no answer in {_CHECK_SECONDS} seconds")
    except FrontdeskError as error:
        return Finding(False, str(error))
    except (asyncpg.PostgresError, OSError) as error:
        # The page is public: the kind of error says enough, its message may say too much.
        return Finding(False, type(error).__name__)
