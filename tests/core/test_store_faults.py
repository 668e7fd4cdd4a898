"""The web application while Redis or Postgres is down, frozen, full or out of connections."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import redis
from pydantic import SecretStr
from tests.conftest import APP_SECRET, KEYS, LateApp, setting_values
from tests.desk import ORIGIN, Desk
from tests.identity.people import hold_brake

from frontdesk.core.embedded import EmbeddedRedis
from frontdesk.core.errors import Unavailable
from frontdesk.core.limits import Bucket, RateLimiter
from frontdesk.core.redis import connect
from frontdesk.core.resources import open_resources
from frontdesk.core.settings import RedisSettings, Settings, load_settings
from frontdesk.main import create_app
from frontdesk.messaging import signature
from frontdesk.simulator import Simulator
from frontdesk.subscriptions import SUBSCRIPTIONS

NOBODY = "redis://127.0.0.1:9/0"  # The discard port: nothing listens, connections are refused.
World = tuple[Simulator, LateApp]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[EmbeddedRedis]:
    """A Redis that a test may break."""
    folder = Path(tempfile.mkdtemp(prefix="frontdesk-redis-"))
    folder.chmod(0o755)
    with EmbeddedRedis(folder) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def opened(
    urls: dict[str, str], world: World, **changes: dict[str, Any]
) -> AsyncIterator[Desk]:
    """A web application of its own with these settings changed, and a tenant."""
    values = setting_values(urls, world[0])
    for section, fields in changes.items():
        values[section] = values[section] | fields
    settings = load_settings(None, **values, **KEYS)
    async with open_resources(settings, SUBSCRIPTIONS) as resources:
        desk = await Desk.make(create_app(settings, resources), resources, None, world[0])
        try:
            yield desk
        finally:
            await desk.aclose()


async def post_webhook(desk: Desk) -> httpx.Response:
    body = json.dumps({"object": "store faults", "entry": []}).encode()
    transport = httpx.ASGITransport(app=desk.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.post(
            "/webhooks/whatsapp",
            content=body,
            headers={"x-hub-signature-256": signature(body, APP_SECRET.encode())},
        )


async def test_without_redis_at_the_start_webhooks_are_taken_and_people_work(
    settings: Settings, database_urls: dict[str, str], world: World
) -> None:
    async with opened(database_urls, world, redis={"url": NOBODY}) as desk:
        assert (await post_webhook(desk)).status_code == 200
        admin = await desk.admin()
        assert (await admin.http.get("/api/v1/conversations")).status_code == 200


async def test_sign_ins_are_throttled_without_redis(
    settings: Settings, database_urls: dict[str, str], world: World, admin_sql: asyncpg.Connection
) -> None:
    async with opened(database_urls, world, redis={"url": NOBODY}) as desk:
        body = {"email": desk.people[0].email, "password": "a wrong guess"}

        async def guess() -> httpx.Response:
            return await desk.people[0].http.post("/api/v1/auth/sign-in", json=body)

        assert [(await guess()).status_code for _ in range(5)] == [401] * 5
        assert await hold_brake(admin_sql) == 1
        sixth = await guess()
        assert sixth.status_code == 429
        assert int(sixth.headers["retry-after"]) >= 1


async def test_a_frozen_redis_holds_up_an_answer_by_less_than_a_second(
    settings: Settings, database_urls: dict[str, str], world: World, own_redis: EmbeddedRedis
) -> None:
    # A socket would wait so long: whoever relies on that is far over a second.
    changed = {"url": own_redis.url, "socket_timeout_seconds": 20}
    async with opened(database_urls, world, redis=changed) as desk:
        admin = await desk.admin()
        paths = ("/api/v1/conversations", f"/api/v1/agents/{desk.agent_id}", "/api/v1/usage")
        for path in paths:
            await _waits(admin.http.get(path))  # What is slow only once is not measured.
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            webhook, *calls = await asyncio.gather(
                _waits(post_webhook(desk)), *(_waits(admin.http.get(path)) for path in paths)
            )
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        assert webhook < 1.5
        assert max(calls) < 1.5


async def _waits(request: Any) -> float:
    """For how many seconds an answer waits while this process could go on with it.

    What the machine does meanwhile beside this process, or this process beside the request, is left
    out: a short sleep takes longer by it.
    """
    asking, seconds, nap = asyncio.ensure_future(request), 0.0, 0.005
    while not asking.done():
        await asyncio.wait([asking], timeout=nap)
        seconds += nap
    answer = await asking
    assert answer.status_code == 200, answer.text
    return seconds


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        pytest.param(
            ("REPLICAOF", "127.0.0.1", "9"), ("REPLICAOF", "NO", "ONE"), id="it is read-only"
        ),
        pytest.param(
            ("CONFIG", "SET", "maxmemory", "1"),
            ("CONFIG", "SET", "maxmemory", "0"),
            id="it is out of memory",
        ),
    ],
)
async def test_a_redis_that_takes_no_writes_fails_nobody(
    settings: Settings,
    database_urls: dict[str, str],
    world: World,
    own_redis: EmbeddedRedis,
    break_it: tuple[str, ...],
    mend_it: tuple[str, ...],
) -> None:
    console = redis.Redis.from_url(own_redis.url)
    console.execute_command(*break_it)  # type: ignore[no-untyped-call]
    try:
        async with opened(database_urls, world, redis={"url": own_redis.url}) as desk:
            assert (await post_webhook(desk)).status_code == 200
            admin = await desk.admin()
            assert (await admin.http.get("/api/v1/conversations")).status_code == 200
            await desk.configure(persona="You are Fern.")
    finally:
        console.execute_command(*mend_it)  # type: ignore[no-untyped-call]
        console.close()


async def test_a_limit_that_is_used_up_stays_so_when_redis_goes_away(
    settings: Settings, own_redis: EmbeddedRedis
) -> None:
    client = connect(RedisSettings(url=SecretStr(own_redis.url)))
    limiter, bucket = RateLimiter(client), Bucket("nobody:test", per_second=0.01, burst=3)
    console = redis.Redis.from_url(own_redis.url)
    assert [await limiter.wait_seconds(bucket) for _ in range(3)] == [0, 0, 0]
    console.execute_command("REPLICAOF", "127.0.0.1", "9")  # type: ignore[no-untyped-call]
    try:
        assert await limiter.wait_seconds(bucket) > 0
        other = Bucket("nobody:other", per_second=0.01, burst=1)
        assert [bool(await limiter.wait_seconds(other)) for _ in range(2)] == [False, True]
    finally:
        console.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
        console.close()
        await client.aclose(close_connection_pool=True)


async def test_without_a_free_connection_the_answer_is_503_and_soon_all_is_well(
    settings: Settings, database_urls: dict[str, str], world: World
) -> None:
    few = {"pool_size": 1, "pool_timeout_seconds": 2}
    async with opened(database_urls, world, database=few) as desk:
        admin = await desk.admin()
        async with desk.resources.db.transaction(desk.id):
            began = time.perf_counter()
            refused = await admin.http.get("/api/v1/conversations")
            assert refused.status_code == 503
            assert refused.json()["code"] == "unavailable"
            assert int(refused.headers["retry-after"]) >= 1
            assert time.perf_counter() - began < 5
            assert (await post_webhook(desk)).status_code == 200, (
                "webhooks have a pool of their own"
            )
        assert (await admin.http.get("/api/v1/conversations")).status_code == 200


async def test_a_report_that_takes_too_long_is_503_and_nothing_else_is(
    settings: Settings, database_urls: dict[str, str], world: World, admin_sql: asyncpg.Connection
) -> None:
    quick = {"statement_timeout_seconds": 2}
    async with opened(database_urls, world, database=quick) as desk:
        admin = await desk.admin()
        async with admin_sql.transaction():
            await admin_sql.execute("LOCK TABLE usage_entry IN ACCESS EXCLUSIVE MODE")
            report, inbox = await asyncio.gather(
                admin.http.get("/api/v1/usage"), admin.http.get("/api/v1/conversations")
            )
        assert (report.status_code, inbox.status_code) == (503, 200)
        assert int(report.headers["retry-after"]) >= 1
        assert (await admin.http.get("/api/v1/usage")).status_code == 200


async def test_a_process_frozen_in_the_middle_of_a_statement_gives_its_locks_back(
    settings: Settings, database_urls: dict[str, str], world: World, admin_sql: asyncpg.Connection
) -> None:
    lock = "SELECT id FROM channel WHERE id = $1 FOR UPDATE"
    quick = {"statement_timeout_seconds": 2}
    others: list[UUID] = []
    async with opened(database_urls, world, database=quick) as desk:

        async def frozen() -> None:
            async with desk.resources.db.hot(desk.id) as tx:
                await tx.sql.execute(lock, desk.channel_id)
                # Parsed and not run: within the statement Postgres waits for the driver's next word.
                await tx.sql.prepare("SELECT name FROM agent WHERE id = $1")
                await admin_sql.execute("SET lock_timeout = '10s'")
                others.append(await admin_sql.fetchval(lock, desk.channel_id))
                await tx.sql.execute("SELECT 1")

        with pytest.raises(Unavailable):
            await frozen()
        assert others == [desk.channel_id]


def _is_postgres(pid: int) -> bool:
    """Whether a process of this machine is; one of another machine's may have any number."""
    return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_what_is_given_up_while_postgres_is_frozen_ends_all_the_same(
    settings: Settings, database_urls: dict[str, str], world: World
) -> None:
    async with opened(database_urls, world, database={"pool_timeout_seconds": 2}) as desk:

        async def look(seconds: float = 20) -> int:
            async with asyncio.timeout(seconds), desk.resources.db.hot(desk.id) as tx:
                backend: int = await tx.sql.fetchval("SELECT pg_backend_pid()")
                return backend

        backend = await look()
        if not _is_postgres(backend):
            pytest.skip("Postgres runs on another machine.")
        os.kill(backend, signal.SIGSTOP)
        try:
            given_up = asyncio.create_task(look(0.3))
            ended, _ = await asyncio.wait([given_up], timeout=30)
            assert ended
            with pytest.raises((TimeoutError, Unavailable)):
                await given_up
        finally:
            os.kill(backend, signal.SIGCONT)
        assert await look()


async def test_what_fails_while_postgres_is_frozen_ends_all_the_same(
    settings: Settings, database_urls: dict[str, str], world: World
) -> None:
    async with opened(database_urls, world, database={"pool_timeout_seconds": 2}) as desk:
        backend = 0

        async def fail() -> None:
            nonlocal backend
            async with desk.resources.db.hot(desk.id) as tx:
                backend = await tx.sql.fetchval("SELECT pg_backend_pid()")
                if not _is_postgres(backend):
                    pytest.skip("Postgres runs on another machine.")
                os.kill(backend, signal.SIGSTOP)
                raise LookupError

        failing = asyncio.create_task(fail())
        try:
            ended, _ = await asyncio.wait([failing], timeout=30)
        finally:
            if backend:
                os.kill(backend, signal.SIGCONT)
        assert ended, "its rollback waits for no frozen database"
        with pytest.raises(Unavailable):
            await failing
        async with desk.resources.db.hot(desk.id) as tx:
            assert await tx.sql.fetchval("SELECT pg_backend_pid()") != backend


async def test_the_answer_to_a_command_given_up_is_nobody_elses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(settings.redis, max_connections=1)
    await client.mset({"given-up": "its answer", "asked": "mine"})
    # The answer comes late, so that nobody sees by then that the connection holds one.
    await client.client_pause(200)
    write = asyncio.StreamWriter.writelines

    def given_up(self: asyncio.StreamWriter, data: Iterable[bytes]) -> None:
        write(self, data)
        # Whoever asks, whichever task sends for it.
        asking.cancel()

    monkeypatch.setattr(asyncio.StreamWriter, "writelines", given_up)
    asking = asyncio.create_task(client.get("given-up"))
    await asyncio.wait([asking])
    monkeypatch.setattr(asyncio.StreamWriter, "writelines", write)
    assert asking.cancelled()
    assert await client.get("asked") == b"mine"
    await client.aclose(close_connection_pool=True)


@asynccontextmanager
async def failing(sql: asyncpg.Connection, table: str, when: str, error: str, times: int) -> Any:
    """So many statements on a table end with this error of Postgres, as far as `when` is true."""
    name = f"fault_{os.getpid()}"
    # A sequence counts on although each of the failing transactions is undone.
    await sql.execute(
        f"CREATE SEQUENCE {name}; GRANT USAGE ON SEQUENCE {name} TO PUBLIC;"
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('{name}') <= {times} THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{error}';"
        f"END IF; RETURN NEW; END $$;"
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW "
        f"WHEN ({when}) EXECUTE FUNCTION {name}()"
    )
    try:
        yield
    finally:
        await sql.execute(f"DROP FUNCTION {name} CASCADE; DROP SEQUENCE {name}")


async def test_work_ended_by_a_deadlock_is_done_again_and_not_put_off(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    put_off = desk.resources.metrics.work.labels("messaging.outbound", "put_off")
    before = put_off._value.get()
    marking = f"NEW.tenant_id = '{desk.id}' AND NEW.state = 'sending'"
    async with failing(admin_sql, "outbound", marking, "40P01", times=2):
        assert len(await desk.say("How long does delivery take?")) == 1
    assert put_off._value.get() == before


async def test_a_request_ended_by_a_deadlock_is_run_again_and_refused_at_the_third(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    admin = await desk.admin()
    mine = f"NEW.tenant_id = '{desk.id}' AND NEW.title = "
    source = {"agent_id": str(desk.agent_id), "title": "Gift wrap", "body": "Two days."}
    async with failing(admin_sql, "knowledge_source", mine + "'Gift wrap'", "40P01", times=2):
        await admin.post("/knowledge/sources", source, status=201)
    async with failing(admin_sql, "knowledge_source", mine + "'Repairs'", "40P01", times=3):
        await admin.post("/knowledge/sources", source | {"title": "Repairs"}, status=503)
    rows = await desk.sql(
        "SELECT title FROM knowledge_source WHERE title IN ('Gift wrap', 'Repairs')"
    )
    assert [row["title"] for row in rows] == ["Gift wrap"]


async def test_with_the_disk_full_webhooks_are_503_and_taken_again_without_repair(
    desk: Desk, admin_sql: asyncpg.Connection
) -> None:
    async with failing(admin_sql, "webhook_event", "true", "53100", times=1):
        refused = await post_webhook(desk)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert (await post_webhook(desk)).status_code == 200
