"""What orchestrators and Prometheus ask."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from tests.conftest import LateApp, app_on
from tests.desk import Desk

from frontdesk.core import migrate
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings, with_database
from frontdesk.observability import health, overdue
from frontdesk.observability.overdue import OVERDUE
from frontdesk.simulator import Simulator
from frontdesk.subscriptions import SUBSCRIPTIONS
from frontdesk.worker import working

NOWHERE = "127.0.0.1:9"  # The discard port: nothing listens, connections are refused.


@asynccontextmanager
async def asking(app: FastAPI, host: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=(host, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_resources(settings, SUBSCRIPTIONS) as opened,
        asking(app_on(opened)) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes too long tells nothing, and this machine may be busy."""
    monkeypatch.setattr(health, "_CHECK_SECONDS", 50)
    monkeypatch.setattr(overdue, "_LOOK_SECONDS", 50)


@pytest.fixture
async def beating(admin_sql: asyncpg.Connection) -> AsyncIterator[None]:
    """A worker that was seen just now."""
    await admin_sql.execute("INSERT INTO worker_heartbeat (worker, busy) VALUES ('test-health', 0)")
    yield
    await admin_sql.execute("DELETE FROM worker_heartbeat WHERE worker = 'test-health'")


async def test_ready_means_every_required_check_passes(settings: Settings, beating: None) -> None:
    async with started(settings) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200, answer.text
    checks = answer.json()["checks"]
    assert set(checks) == {
        "database", "migrations", "redis", "workers", "overdue", "oldest_unfinished", "storage",
        "models", "drills",
    }  # fmt: skip
    well = ("database", "migrations", "redis", "workers", "storage")
    assert all(checks[name]["ok"] for name in well)


@pytest.fixture
async def lone_desk(
    settings: Settings, world: tuple[Simulator, LateApp], admin_sql: asyncpg.Connection
) -> AsyncIterator[Desk]:
    """A desk in a database of its own, where other tests have left no work."""
    url = settings.database.url.get_secret_value()
    name = f"{url.rpartition('/')[2]}_alone"
    database = type(settings.database)(
        url=SecretStr(with_database(url, name)), admin_url=settings.database.admin_url
    )
    alone = settings.model_copy(update={"database": database})
    await asyncio.to_thread(migrate.migrate, database)
    simulator, way_in = world
    await simulator.reset()
    async with (
        open_resources(alone, SUBSCRIPTIONS) as opened,
        working(opened, sweeps=False) as dispatcher,
    ):
        app = app_on(opened)
        before, way_in.inner = way_in.inner, httpx.ASGITransport(app)
        made = await Desk.make(app, opened, dispatcher, simulator)
        yield made
        await made.work_until_idle()
        await made.aclose()
        way_in.inner = before
    await admin_sql.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_readyz_tells_how_late_the_work_of_every_kind_is_and_how_old(
    lone_desk: Desk,
) -> None:
    desk, settings = lone_desk, lone_desk.resources.settings
    await desk.say("When does it ship?")
    await desk.sql(
        "INSERT INTO timer (id, conversation_id, kind, epoch, due_at) SELECT gen_random_uuid(), id, "
        "'follow_up', 0, now() - interval '5 minutes' FROM conversation "
        "ON CONFLICT (tenant_id, conversation_id, kind) DO UPDATE SET due_at = excluded.due_at"
    )
    # Tried again and again for three days, and put off just now.
    await desk.sql(
        "UPDATE outbound SET state = 'pending', due_at = now() + interval '1 minute', "
        "created_at = now() - interval '3 days'"
    )
    async with started(settings) as client:
        checks = (await client.get("/readyz")).json()["checks"]
        metrics = (await client.get("/metrics")).text
    await desk.sql("UPDATE channel SET status = 'PAUSED'")
    async with started(settings) as client:  # Each process looks once in some seconds.
        paused = (await client.get("/metrics")).text
    late, old = checks["overdue"], checks["oldest_unfinished"]
    assert (late["ok"], old["ok"]) == (False, False)
    assert 300 <= late["value"] < 400
    assert late["detail"].endswith("in timer")
    assert 259_200 <= old["value"] < 259_300
    assert old["detail"].endswith("in outbound")
    assert re.search(r'frontdesk_overdue_seconds\{table="timer"\} 3\d\d\.', metrics)
    assert re.search(r'frontdesk_overdue_seconds\{table="outbound"\} 0\.', metrics)
    assert re.search(r'frontdesk_oldest_unfinished_seconds\{table="outbound"\} 2592\d\d\.', metrics)
    assert re.search(r'frontdesk_oldest_unfinished_seconds\{table="outbound"\} 0\.', paused)
    for table in OVERDUE:
        assert f'frontdesk_oldest_unfinished_seconds{{table="{table.table}"}}' in metrics
    for name in ("frontdesk_dead_webhooks", "frontdesk_uncertain_sends"):
        assert re.search(rf"^{name} \d+\.0$", metrics, re.MULTILINE)


async def test_every_table_whose_rows_come_due_is_looked_at(admin_sql: asyncpg.Connection) -> None:
    rows = await admin_sql.fetch(
        "SELECT table_name FROM information_schema.columns "
        "WHERE column_name = 'due_at' AND table_schema = 'public'"
    )
    assert {row["table_name"] for row in rows} == {due.table for due in OVERDUE}


async def test_metrics_are_given_without_the_backlog_while_postgres_is_down(
    settings: Settings,
) -> None:
    database = type(settings.database)(url=SecretStr(f"postgresql://frontdesk_app@{NOWHERE}/x"))
    async with started(settings.model_copy(update={"database": database})) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert "frontdesk_http_requests" in answer.text
    assert "frontdesk_overdue_seconds" not in answer.text


async def test_without_redis_it_is_slower_and_still_ready(settings: Settings) -> None:
    redis = settings.redis.model_copy(update={"url": SecretStr(f"redis://{NOWHERE}/0")})
    async with started(settings.model_copy(update={"redis": redis})) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["redis"]["ok"] is False


async def test_a_store_of_files_that_keeps_nothing_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("This is no folder.")
    storage = settings.storage.model_copy(update={"folder": str(tmp_path / "taken")})
    async with started(settings.model_copy(update={"storage": storage})) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    check = answer.json()["checks"]["storage"]
    assert (check["ok"], check["detail"]) == (False, "The folder of files can't be used.")


async def test_without_postgres_it_is_alive_and_not_ready(settings: Settings) -> None:
    database = type(settings.database)(url=SecretStr(f"postgresql://frontdesk_app@{NOWHERE}/x"))
    async with started(settings.model_copy(update={"database": database})) as client:
        answer = await client.get("/readyz")
        assert (await client.get("/livez")).json() == {"ok": True}
        sign_in = await client.post(
            "/api/v1/auth/sign-in",
            json={"email": "mira@example.com", "password": "eleven purple boats sing"},
            headers={"Origin": "http://testserver"},
        )
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == {
        "ok": False,
        "required": True,
        "detail": "The database can't be reached.",
        "value": None,
    }
    assert (sign_in.status_code, sign_in.json()["code"]) == (503, "unavailable")
    assert int(sign_in.headers["retry-after"]) >= 1


async def test_a_database_behind_the_code_is_not_ready(
    settings: Settings, admin_sql: asyncpg.Connection
) -> None:
    head = await admin_sql.fetchval("SELECT version_num FROM alembic_version")
    await admin_sql.execute("UPDATE alembic_version SET version_num = '0000'")
    try:
        async with started(settings) as client:
            answer = await client.get("/readyz")
    finally:
        await admin_sql.execute("UPDATE alembic_version SET version_num = $1", head)
    assert answer.status_code == 503
    assert "frontdesk migrate" in answer.json()["checks"]["migrations"]["detail"]


async def test_metrics_count_requests_by_route_and_not_by_path(
    settings: Settings, resources: Resources
) -> None:
    async with asking(app_on(resources)) as client:
        await client.get("/api/v1/users/0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001")
        await client.get("/nowhere/0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001")
        await client.request("BREW", "/livez")
        text = (await client.get("/metrics")).text
    assert 'frontdesk_http_requests_total{method="GET",route="/api/v1/users/{user_id}"' in text
    assert 'method="GET",route="none",status="404"' in text
    assert 'method="other"' in text
    assert "0192f0aa" not in text


@pytest.mark.parametrize(
    ("token", "asked"),
    [
        (
            None,
            [
                ("127.0.0.1", {}, 200),
                ("::1", {}, 200),
                ("203.0.113.9", {}, 403),
                ("203.0.113.9", {"Authorization": "Bearer "}, 403),
            ],
        ),
        (
            "let-me-read",
            [
                ("203.0.113.9", {"Authorization": "Bearer let-me-read"}, 200),
                ("203.0.113.9", {"Authorization": "Bearer let-me-reaD"}, 401),
                ("203.0.113.9", {"Authorization": "Bearer \xff"}, 401),
                ("203.0.113.9", {}, 401),
                ("127.0.0.1", {}, 401),
            ],
        ),
    ],
)
async def test_metrics_are_not_public(
    settings: Settings,
    resources: Resources,
    token: str | None,
    asked: list[tuple[str, dict[str, str], int]],
) -> None:
    secret = None if token is None else SecretStr(token)
    web = settings.web.model_copy(update={"metrics_token": secret})
    changed = settings.model_copy(update={"web": web})
    app = app_on(replace(resources, settings=changed))
    for host, headers, status in asked:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        async with asking(app, host) as client:
            answer = await client.get("/metrics", headers=raw)
        assert answer.status_code == status, (host, headers)
