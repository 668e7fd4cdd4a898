"""Whether this process should get requests: named checks, looked at once a second at most."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from frontdesk.core.errors import FrontdeskError
from frontdesk.core.ids import NIL
from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources
from frontdesk.observability.overdue import look_at_late, look_at_old
from frontdesk.observability.schemas import CheckPublic, ReadinessPublic

_CHECK_SECONDS = 3
_KEEP_SECONDS = 1
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
class _Finding:
    ok: bool
    detail: str
    value: float | None = None


class Readiness:
    """Makes the checks of one process and keeps the answer for a second, so asking is cheap."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._looking = asyncio.Lock()
        self._answer: ReadinessPublic | None = None
        self._answered_at = 0.0
        self._head: str | None = None

    async def look(self) -> ReadinessPublic:
        """What the checks say now, or said within the last second. Never raises."""
        async with self._looking:
            if self._answer is None or time.monotonic() - self._answered_at > _KEEP_SECONDS:
                self._answer = await self._check_all()
                self._answered_at = time.monotonic()
            return self._answer

    async def _check_all(self) -> ReadinessPublic:
        # A web process that can store webhooks is ready: Redis, workers and a backlog delay
        # answers, and taking the process out of service would only lose the webhooks as well.
        checks = {
            "database": (True, self._database),
            "migrations": (True, self._migrations),
            "redis": (False, self._redis),
            "workers": (False, self._workers),
            "overdue": (False, self._overdue),
            "oldest_unfinished": (False, self._oldest_unfinished),
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

    async def _database(self) -> _Finding:
        started = time.perf_counter()
        async with self._resources.db.hot(NIL) as tx:
            await tx.sql.fetchval("SELECT 1")
        return _Finding(True, f"answers in {(time.perf_counter() - started) * 1000:.0f} ms")

    async def _migrations(self) -> _Finding:
        if self._head is None:
            self._head = await asyncio.to_thread(self._head_revision)
        async with self._resources.db.system() as connection:
            present = await connection.fetchval("SELECT version_num FROM alembic_version")
        if present == self._head:
            return _Finding(True, f"at {present}")
        return _Finding(False, f"at {present}, this code needs {self._head}: `frontdesk migrate`")

    def _head_revision(self) -> str:
        # Alembic is imported here: nothing else in a web process needs it.
        from alembic.script import ScriptDirectory

        from frontdesk.core.migrate import alembic_config

        config = alembic_config(self._resources.settings.database)
        return ScriptDirectory.from_config(config).get_current_head() or "none"

    async def _redis(self) -> _Finding:
        try:
            await self._resources.redis.ping()
        except REDIS_DOWN:
            return _Finding(False, "down: work is found by the sweep, a second or two later")
        return _Finding(True, "answers")

    async def _workers(self) -> _Finding:
        async with self._resources.db.system() as connection:
            alive = await connection.fetchval(_WORKERS, _WORKER_SILENT_SECONDS)
        detail = f"{alive} seen in the last {_WORKER_SILENT_SECONDS} seconds"
        return _Finding(alive > 0, detail, value=alive)

    async def _overdue(self) -> _Finding:
        async with self._resources.db.system() as connection:
            late = await look_at_late(connection)
        seconds = late.most_seconds
        if seconds is None:
            return _Finding(True, "nothing is due", value=0)
        detail = f"due {seconds:.0f} seconds ago, in {late.most_table}"
        return _Finding(seconds <= _OVERDUE_SECONDS, detail, value=round(seconds, 3))

    async def _oldest_unfinished(self) -> _Finding:
        async with self._resources.db.system() as connection:
            old = await look_at_old(connection)
        seconds = old.most_seconds
        if seconds is None:
            return _Finding(True, "everything is done", value=0)
        detail = f"unfinished for {seconds:.0f} seconds, in {old.most_table}"
        return _Finding(seconds <= _OLD_SECONDS, detail, value=round(seconds, 3))


async def is_ready(resources: Resources) -> ReadinessPublic:
    """Whether this process should get requests, and why."""
    return await resources.keep(Readiness).look()


async def _bounded(check: Callable[[], Awaitable[_Finding]]) -> _Finding:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return _Finding(False, f"no answer in {_CHECK_SECONDS} seconds")
    except FrontdeskError as error:
        return _Finding(False, str(error))
    except (asyncpg.PostgresError, OSError) as error:
        # The page is public: the kind of error says enough, its message may say too much.
        return _Finding(False, type(error).__name__)
