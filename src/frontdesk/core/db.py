"""Postgres: the two doors to a tenant's data, and the one that sees all tenants.

`transaction(tenant_id)` opens an ORM session for the REST API; `hot(tenant_id)` opens the same
unit of work on a bare asyncpg connection, for the message path, where the ORM would be most of the
CPU. Both bind the tenant for row-level security, commit on success, roll back on error, and ring
what became due after the commit. `system()` bypasses row-level security and is only for routing
and sweeps (`tests/test_architecture.py` lists who may use it).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as SqlAlchemySession
from sqlmodel.ext.asyncio.session import AsyncSession

from frontdesk.core import ids
from frontdesk.core.errors import Invalid, Unavailable
from frontdesk.core.events import Subscriptions
from frontdesk.core.pool import IDLE_SECONDS, Pool
from frontdesk.core.settings import DatabaseSettings

# A string, because asyncpg's classes take their parameter only in its stubs.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# Statements of the message path reach a few rows by an index, and a connection plans each once. A
# plan made while a table was small reads all of it, and would be kept while the table grows.
_SHORT_PLANS = MappingProxyType(
    {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
    }
)

_BIND_TENANT = "SELECT set_config('app.tenant_id', $1, true)"
# As one simple query, which takes no parameters; a UUID needs no quoting.
_BEGIN = "BEGIN; SET LOCAL app.tenant_id = '{}'"
# Ends the transaction of a process that was frozen between the parts of a statement: Postgres then
# waits for the rest with every lock held, and no timeout but this one counts. Before Postgres 17
# there is none, and no row of that name.
_END_AFTER = (
    "SELECT set_config(name, '{}', false) FROM pg_settings WHERE name = 'transaction_timeout'"
)
_TAKE_TIME = """
SELECT set_config(name, CASE name WHEN 'statement_timeout' THEN '600s' ELSE '0' END, true)
FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')
"""
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OutOfMemoryError,
    asyncpg.DiskFullError,
    asyncpg.InterfaceError,
    # A connection that Postgres ended while we paused: the driver stumbles over its own state.
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
_BUSY = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
# What the client sent holds characters that text in Postgres can't hold.
_UNSTORABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
_CLASHED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


async def take_time(connection: Connection) -> None:
    """Let each statement of the open transaction run for ten minutes, and all of them for any time."""
    await connection.execute(_TAKE_TIME)


class Bell(Protocol):
    """Tells workers that a row is due. Losing a ring loses nothing: the sweep finds the row."""

    def ring(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float = 0) -> None:
        """Wake a worker for this row, now or after a while; returns at once and never raises."""


class Transaction:
    """One unit of work of one tenant. `sql` is its connection; statements on it are part of it."""

    db: "Database"
    tenant_id: UUID
    sql: Connection

    def _open(self, db: "Database", tenant_id: UUID) -> None:
        self.db = db
        self.tenant_id = tenant_id
        self._before_commit: dict[str, Callable[[], Awaitable[None]]] = {}
        self._after_commit: list[Callable[[], None]] = []

    def before_commit(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        """Run `act` once, last in this transaction; the first `act` given under a name is kept."""
        self._before_commit.setdefault(name, act)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Run `act` once the commit has succeeded; it must be quick and not raise."""
        self._after_commit.append(act)

    def ring(self, kind: str, row_id: UUID, after_seconds: float = 0) -> None:
        """After the commit, tell the workers that this row is due."""
        tenant_id = self.tenant_id
        self.after_commit(lambda: self.db.bell.ring(kind, tenant_id, row_id, after_seconds))

    async def _run_before_commit(self) -> None:
        for act in self._before_commit.values():
            await act()

    def _run_after_commit(self) -> None:
        for act in self._after_commit:
            act()


class Session(Transaction, AsyncSession):
    """A transaction with the ORM on top; `session.sql` is the connection beneath it."""

    # SQLModel warns against it in favour of `exec`, which takes no INSERT … RETURNING.
    execute = SqlAlchemySession.execute


class _SilentBell:
    def ring(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float = 0) -> None:
        """Nobody listens: a command that has no Redis leaves the row to the sweep."""


class Database:
    """The connection pools of one process. Open it in the process's lifespan, not lazily."""

    def __init__(self, settings: DatabaseSettings, subscriptions: Subscriptions) -> None:
        self.settings = settings
        self.subscriptions = subscriptions
        self.bell: Bell = _SilentBell()
        self._engine: AsyncEngine
        self._hot: Pool
        self._system: Pool

    async def open(self) -> None:
        """Make the pools. They connect on first use, so a database that is down delays, not fails."""
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            # The driver reads the address itself: `sslmode` means what it means to Postgres.
            async_creator=self._connect,
            pool_size=self.settings.pool_size,
            max_overflow=0,
            pool_timeout=self.settings.pool_timeout_seconds,
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
            json_deserializer=orjson.loads,
        )
        self._hot = await self._pool(self.settings.app_dsn, _SHORT_PLANS)
        self._system = await self._pool(self.settings.system_dsn)

    async def close(self) -> None:
        """Close the pools, ending what still runs on them."""
        await self._engine.dispose()
        for pool in (self._hot, self._system):
            pool.terminate()

    def connections(self) -> dict[str, tuple[int, int]]:
        """How many connections of each pool are busy, and idle."""
        engine: Any = self._engine.pool
        pools = {"orm": (engine.checkedout(), engine.checkedin())}
        for name, pool in (("hot", self._hot), ("system", self._system)):
            pools[name] = (pool.busy, pool.idle)
        return pools

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncIterator[Session]:
        """A unit of work with the ORM; the way in for everything that is not the message path.

        Raises:
            Unavailable: no connection in time, the database is down, or a statement timed out.
        """
        session = Session(self._engine, expire_on_commit=False, autoflush=True)
        session._open(self, tenant_id)
        with _translated():
            async with session:
                connection = await session.connection()
                # The first statement opens the transaction; the setting ends with it.
                await connection.exec_driver_sql(_BIND_TENANT, (str(tenant_id),))
                raw = await connection.get_raw_connection()
                driver = raw.driver_connection
                assert driver is not None
                session.sql = driver
                yield session
                await session.flush()
                await session._run_before_commit()
                await session.commit()
        session._run_after_commit()

    @asynccontextmanager
    async def hot(self, tenant_id: UUID) -> AsyncIterator[Transaction]:
        """The same unit of work without the ORM, for the message path.

        Raises:
            Unavailable: no connection in time, the database is down, or a statement timed out.
        """
        tx = Transaction()
        tx._open(self, tenant_id)
        with _translated():
            async with self._hot.one() as connection:
                # By hand, as beginning and binding the tenant take one round trip so.
                await connection.execute(_BEGIN.format(tenant_id))
                tx.sql = connection
                try:
                    yield tx
                    await tx._run_before_commit()
                finally:
                    # Who keeps this unit of work has no way into the next one, perhaps another tenant's.
                    del tx.sql
                if await connection.execute("COMMIT") != "COMMIT":
                    # A statement failed and its error was swallowed: Postgres rolls back then.
                    raise RuntimeError("the transaction was rolled back instead of committed")
        tx._run_after_commit()

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Connection]:
        """A connection that sees all tenants, outside any transaction: routing and sweeps only.

        Raises:
            Unavailable: no connection in time, the database is down, or a statement timed out.
        """
        with _translated():
            async with self._system.one() as connection:
                yield connection

    @asynccontextmanager
    async def system_transaction(self) -> AsyncIterator[Transaction]:
        """A unit of work that sees all tenants, for what has none (users, sign-in, new tenants).

        Raises:
            Unavailable: no connection in time, the database is down, or a statement timed out.
        """
        tx = Transaction()
        tx._open(self, ids.NIL)
        async with self.system() as connection, connection.transaction():
            tx.sql = connection
            try:
                yield tx
                await tx._run_before_commit()
            finally:
                del tx.sql
        tx._run_after_commit()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection = await asyncpg.connect(
            self.settings.app_dsn,
            server_settings=self._server_settings(),
            timeout=self.settings.pool_timeout_seconds,
        )
        await self._limit_transactions(connection)
        return connection

    async def _pool(self, dsn: str, planning: Mapping[str, str] = MappingProxyType({})) -> Pool:
        size, patience_seconds = self.settings.pool_size, self.settings.pool_timeout_seconds
        connections: asyncpg.Pool[asyncpg.Record] = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            # The default reset is a query on every release; here only what a failure or a
            # cancellation has left open needs ending, and no longer than a release may take.
            reset=_end_open_transaction,
            server_settings={**self._server_settings(), **planning},
            timeout=patience_seconds,
            init=self._limit_transactions,
        )
        await connections
        return Pool(connections, size=size, patience_seconds=patience_seconds)

    async def _limit_transactions(self, connection: Connection) -> None:
        await connection.execute(_END_AFTER.format(2 * self._statement_ms))

    @property
    def _statement_ms(self) -> int:
        return int(self.settings.statement_timeout_seconds * 1000)

    def _server_settings(self) -> dict[str, str]:
        return {
            "application_name": "frontdesk",
            "statement_timeout": f"{self._statement_ms}",
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "10000",
            # All our statements are short; compiling one takes longer than running it.
            "jit": "off",
        }


async def _end_open_transaction(connection: Connection) -> None:
    if not connection.is_closed() and connection.is_in_transaction():
        await connection.execute("ROLLBACK")


class _translated:  # noqa: N801  # Reads as a word at its use: `with _translated():`.
    """Turns what the driver says into errors of ours: mostly "not now", which is `Unavailable`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        cause: Any = error
        if isinstance(error, DBAPIError):
            # SQLAlchemy's adapter wraps the driver's error twice.
            cause = getattr(error.orig, "__cause__", None) or error.orig
        if isinstance(error, PoolTimeout | InterfaceError) or isinstance(cause, _GONE):
            raise Unavailable("The database can't be reached.", retry_after_seconds=2) from error
        if isinstance(cause, _BUSY):
            raise Unavailable("The database took too long.", retry_after_seconds=5) from error
        if isinstance(cause, _UNSTORABLE):
            raise Invalid("There are characters in it that can't be stored.") from error
        if isinstance(cause, _CLASHED):
            raise Unavailable("Another change got in the way.", retry_after_seconds=0) from error
