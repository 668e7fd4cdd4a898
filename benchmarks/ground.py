"""The ground both contenders stand on: one durable Postgres, a Valkey, and processes in turn."""

import asyncio
import base64
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg

from benchmarks import meter
from benchmarks.processes import Failed, Process
from frontdesk.core.embedded import EmbeddedPostgres, EmbeddedRedis
from frontdesk.core.migrate import migrate
from frontdesk.core.settings import Settings, load_settings, with_database, with_user

APP_SECRET = "benchmark-app-secret"
_START_SECONDS = 60.0
_QUIET_SECONDS = 30.0


class Sql:
    """A superuser's connection to one database, for looking and for clearing up between turns."""

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(dsn))

    def fetch(self, statement: str) -> list[Any]:
        """The rows of a query."""
        return list(self._runner.run(self._connection.fetch(statement)))

    def execute(self, statement: str) -> None:
        """Run statements."""
        self._runner.run(self._connection.execute(statement))

    def close(self) -> None:
        """Close it."""
        self._runner.run(self._connection.close())
        self._runner.close()


@dataclass(frozen=True)
class Contender:
    """Frontdesk or a floor: its processes, where webhooks go, and its database."""

    name: str
    processes: Sequence[Process]
    webhook_url: str
    sql: Sql

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Its processes run inside and rest outside, so that each has the machine to itself."""
        for process in self.processes:
            process.go_on()
        try:
            yield
        finally:
            for process in self.processes:
                process.check()
                process.rest()
            # Writing out what this turn changed is not to happen in the next one's.
            self.sql.execute("CHECKPOINT")

    def cpu_seconds(self) -> float:
        """User and system time of its processes so far."""
        return sum(meter.cpu_seconds(process.pid) for process in self.processes)

    def describe(self) -> str:
        """How far its messages have come and what its processes last said, for a failure."""
        lines = [f"{self.name}:"]
        for table, column in (
            ("webhook_event", "state"),
            ("conversation", "status"),
            ("turn", "outcome"),
            ("outbound", "state"),
        ):
            query = f"SELECT {column}, count(*) FROM {table} GROUP BY 1"
            lines.append(f"  {table}: {dict(self.sql.fetch(query))}")
        for process in self.processes:
            lines += [f"  {process.name}: {said}" for said in process.last_words()]
        return "\n".join(lines)

    def wait_until_quiet(self) -> None:
        """Wait until no raw webhook waits, the last status included.

        Raises:
            Failed: some are left after half a minute.
        """
        give_up_at = time.monotonic() + _QUIET_SECONDS
        while self.sql.fetch("SELECT 1 FROM webhook_event WHERE state = 'pending' LIMIT 1"):
            if time.monotonic() > give_up_at:
                raise Failed(f"{self.name} left webhooks undone.")
            time.sleep(0.02)


class Ground:
    """Databases, ports, and every process of a run; all end with `close`."""

    def __init__(self) -> None:
        # Not /tmp, which may be memory: there a commit would cost nothing.
        self.folder = Path(tempfile.mkdtemp(prefix="frontdesk-benchmark-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.postgres = EmbeddedPostgres(self.folder / "postgres", durable=True)
        self.redis = EmbeddedRedis(self.folder / "redis")
        self._processes: list[Process] = []
        self._sqls: list[Sql] = []

    def __enter__(self) -> "Ground":
        self.postgres.start()
        self.redis.start()
        migrate(self.settings().database)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.end()
        for sql in self._sqls:
            sql.close()
        self.redis.stop()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(
        self,
        name: str,
        module: str,
        *arguments: str,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Process:
        """Start a process that answers questions; it ends with this ground."""
        process = Process(
            name, module, *arguments, folder=self.folder, variables=variables, answers=True
        )
        self._processes.append(process)
        return process

    def end(self, process: Process) -> None:
        """End a process before the rest."""
        process.end()
        self._processes.remove(process)

    def serve(
        self, name: str, module: str, *arguments: str, port: int, variables: Mapping[str, str]
    ) -> Process:
        """Start a process and wait until it takes connections on its port."""
        process = Process(
            name, module, *arguments, folder=self.folder, variables=variables, answers=False
        )
        self._processes.append(process)
        give_up_at = time.monotonic() + _START_SECONDS
        while not _answers(port):
            process.check()
            if time.monotonic() > give_up_at:
                raise Failed(f"{name} did not open its port.")
            time.sleep(0.02)
        return process

    def sql(self, database: str) -> Sql:
        """A connection to one of the databases."""
        sql = Sql(with_database(self.postgres.url, database))
        self._sqls.append(sql)
        return sql

    def make_floor_database(self, name: str, schema: str) -> Sql:
        """A fresh database for a floor."""
        self.sql("postgres").execute(f"CREATE DATABASE {name}")
        sql = self.sql(name)
        sql.execute(schema)
        return sql

    def floor_variables(self, database: str, port: int, **more: str) -> dict[str, str]:
        """What every floor reads from its environment, and what this one reads besides."""
        return {
            "FLOOR_DSN": with_database(self.postgres.url, database),
            "FLOOR_PORT": str(port),
            "FLOOR_SECRET": APP_SECRET,
            "FLOOR_CONNECTIONS": "32",
            **more,
        }

    def product_variables(self, **more: str) -> dict[str, str]:
        """Frontdesk's settings: its defaults, but for what this run sets."""
        app = with_database(with_user(self.postgres.url, "frontdesk_app"), "frontdesk")
        return {
            "DATABASE__URL": app,
            "DATABASE__ADMIN_URL": self.postgres.url,
            "REDIS__URL": self.redis.url,
            "SECURITY__SESSION_SECRET": "a-secret-of-benchmarks-and-nothing-else",
            "SECURITY__ENCRYPTION_KEYS": f"k1:{base64.b64encode(bytes(range(32))).decode()}",
            "WHATSAPP__APP_SECRETS": APP_SECRET,
            "WHATSAPP__VERIFY_TOKEN": "benchmark",
            # One number may not send more than WhatsApp lets it; a benchmark's few must.
            "WHATSAPP__MAX_PER_SECOND": "100000",
            "LIMITS__CHANNEL_MESSAGES_PER_SECOND": "100000",
            # The same few questions all the time: each is to cost what a new one does.
            "LLM__CACHE_SECONDS": "0",
            "LOG__LEVEL": "ERROR",
            "GROQ_API_KEY": "benchmark",
            "OPENAI_API_KEY": "benchmark",
            **more,
        }

    def settings(self, **more: str) -> Settings:
        """The same settings for this process."""
        nested: dict[str, Any] = {}
        for name, value in self.product_variables(**more).items():
            section, _, field = name.lower().partition("__")
            if field:
                nested.setdefault(section, {})[field] = value
            else:
                nested[section] = value
        return load_settings(None, **nested)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
