"""Postgres: what the promises rest on. Asked on connections of its own, as each role the desk has."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from frontdesk.core.db import Connection
from frontdesk.core.migrate import EXTENSIONS
from frontdesk.core.settings import DatabaseSettings
from frontdesk.doctor.diagnosis import Diagnosis, Patient, broken, warning, well

_CONNECT_SECONDS = 5
_LEAST_VERSION, _GOOD_VERSION = 160000, 170000
_POOLS = 3
_ROLE = """
SELECT r.rolname AS name, r.rolsuper AS is_superuser, r.rolbypassrls AS bypasses,
    ARRAY(SELECT c.relname FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p')
        AND c.relnamespace = 'public'::regnamespace ORDER BY 1) AS owned,
    ARRAY(SELECT o.rolname FROM pg_roles o WHERE o.oid <> r.oid AND (o.rolsuper OR o.rolbypassrls)
        AND pg_has_role(r.oid, o.oid, 'MEMBER') ORDER BY 1) AS may_become
FROM pg_roles r WHERE r.rolname = current_user
"""
# Of those the application may touch; the rest are the system's alone.
_UNSEALED = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
        AND NOT a.attisdropped)
    AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity
        AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) = 1)
ORDER BY 1
"""
_LEAKS = "SELECT EXISTS (SELECT 1 FROM membership) OR EXISTS (SELECT 1 FROM conversation)"
_SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name IN ('server_version_num', 'server_version', 'fsync',
    'synchronous_commit', 'full_page_writes', 'max_connections', 'superuser_reserved_connections',
    'TimeZone', 'server_encoding')
"""
_WORKERS = "SELECT count(*) FROM worker_heartbeat WHERE seen_at > now() - interval '15 seconds'"
_LATE_SECONDS, _TOO_LATE_SECONDS = 2, 60


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection outside every pool, closed at the end."""
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    try:
        yield connection
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def look_at_postgres(patient: Patient) -> list[Diagnosis]:
    """Whether Postgres can be reached as both roles, and all that follows when it can."""
    settings = patient.resources.settings.database
    try:
        async with connected(settings.app_dsn) as app, connected(settings.system_dsn) as system:
            return [
                *await _server(app, system, settings),
                *await _extensions(app),
                *await _roles(app, system),
                *await _policies(app),
                await _clock(app),
            ]
    except (TimeoutError, asyncpg.PostgresError, OSError) as error:
        # The driver's words name the role or the host, and no password.
        return [
            broken(
                "database",
                f"can't be reached: {error or type(error).__name__}",
                "Check DATABASE__URL and DATABASE__SYSTEM_URL, and that Postgres runs; on a new "
                "server run frontdesk migrate first.",
            )
        ]


async def _server(
    app: Connection, system: Connection, settings: DatabaseSettings
) -> list[Diagnosis]:
    told = {row["name"]: row["setting"] for row in await app.fetch(_SETTINGS)}
    number, version = int(told["server_version_num"]), told["server_version"]
    found = [well("database", f"Postgres {version} answers")]
    if number < _LEAST_VERSION:
        found = [broken("database", f"Postgres {version} is too old", "Move to Postgres 17.")]
    elif number < _GOOD_VERSION:
        found = [
            warning(
                "database",
                f"Postgres {version} knows no transaction_timeout: a frozen process keeps its locks",
                "Move to Postgres 17.",
            )
        ]
    return [
        *found,
        _durability(told),
        await _connections(system, settings, told),
        _encoding(told),
        _time_zone(told["TimeZone"]),
    ]


def _durability(told: dict[str, str]) -> Diagnosis:
    off = [
        name for name in ("fsync", "synchronous_commit", "full_page_writes") if told[name] == "off"
    ]
    if off:
        return broken(
            "durability",
            f"{', '.join(off)} {'is' if len(off) == 1 else 'are'} off: a crash loses messages that "
            "WhatsApp was told we have",
            f"Set {', '.join(f'{name} = on' for name in off)} in postgresql.conf and reload.",
        )
    return well("durability", "what is committed survives a crash")


async def _connections(
    system: Connection, settings: DatabaseSettings, told: dict[str, str]
) -> Diagnosis:
    workers = await system.fetchval(_WORKERS)
    # One web process at least; how many there are, nobody writes down.
    processes = workers + 1
    wanted = processes * _POOLS * settings.pool_size
    there = int(told["max_connections"]) - int(told["superuser_reserved_connections"])
    words = (
        f"{processes} processes seen may open {wanted} connections of {there} "
        f"(DATABASE__POOL_SIZE {settings.pool_size} times {_POOLS} pools each)"
    )
    if wanted > there:
        return warning(
            "connections",
            words,
            "Raise max_connections, lower DATABASE__POOL_SIZE, or put PgBouncer in session mode "
            "between.",
        )
    return well("connections", words)


def _encoding(told: dict[str, str]) -> Diagnosis:
    if told["server_encoding"] != "UTF8":
        return broken(
            "encoding",
            f"the database is {told['server_encoding']}: most messages can't be stored",
            "Make a database with ENCODING 'UTF8' and migrate there.",
        )
    return well("encoding", "UTF8")


def _time_zone(zone: str) -> Diagnosis:
    if zone.upper().removeprefix("ETC/") not in ("UTC", "GMT", "UCT", "ZULU"):
        return warning(
            "time_zone",
            f"Postgres shows times in {zone}; the desk and its logs use UTC",
            "Set timezone = 'UTC' in postgresql.conf, so that what is read by hand fits.",
        )
    return well("time_zone", zone)


async def _extensions(app: Connection) -> list[Diagnosis]:
    there = {row["extname"] for row in await app.fetch("SELECT extname FROM pg_extension")}
    if missing := sorted(set(EXTENSIONS) - there):
        return [
            broken(
                "extensions",
                f"missing: {', '.join(missing)}",
                "As a superuser in this database: "
                + " ".join(f"CREATE EXTENSION {name};" for name in missing),
            )
        ]
    return [well("extensions", ", ".join(EXTENSIONS))]


async def _roles(app: Connection, system: Connection) -> list[Diagnosis]:
    """The application's role must be bound by row-level security; the system's must not be."""
    mine, all_seeing = await app.fetchrow(_ROLE), await system.fetchrow(_ROLE)
    assert mine is not None
    assert all_seeing is not None
    name = mine["name"]
    sins = [
        words
        for is_so, words in (
            (mine["is_superuser"], "is a superuser"),
            (mine["bypasses"], "has BYPASSRLS"),
            (mine["owned"], f"owns tables ({', '.join(mine['owned'][:3])})"),
            (mine["may_become"], f"may become {', '.join(mine['may_become'])}"),
            (name == all_seeing["name"], "is the system's role as well"),
        )
        if is_so
    ]
    found = [well("application_role", f"{name} sees one tenant at a time")]
    if sins:
        found = [
            broken(
                "application_role",
                f"{name} {' and '.join(sins)}: row-level security does not bind it",
                f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS; let another role own the tables, and "
                "revoke memberships; DATABASE__URL and DATABASE__SYSTEM_URL name different roles.",
            )
        ]
    name = all_seeing["name"]
    if all_seeing["is_superuser"]:
        found.append(
            warning(
                "system_role",
                f"{name} is a superuser, which it need not be",
                f"ALTER ROLE {name} NOSUPERUSER BYPASSRLS;",
            )
        )
    elif not all_seeing["bypasses"]:
        found.append(
            broken(
                "system_role",
                f"{name} has no BYPASSRLS: no work is found",
                f"ALTER ROLE {name} BYPASSRLS;",
            )
        )
    else:
        found.append(well("system_role", f"{name} routes and sweeps"))
    return found


async def _policies(app: Connection) -> list[Diagnosis]:
    unsealed = [row["relname"] for row in await app.fetch(_UNSEALED)]
    if unsealed:
        return [
            broken(
                "row_security",
                f"not forced, or without its one policy: {', '.join(unsealed)}",
                "Run frontdesk migrate; if they stay, compare with docs/security.md and put back "
                "what somebody has altered.",
            )
        ]
    if await app.fetchval(_LEAKS):
        return [
            broken(
                "row_security",
                "a connection of no tenant reads tenants' rows",
                "See application_role; nothing else should be used until that is mended.",
            )
        ]
    return [well("row_security", "every tenant table is sealed; no tenant means no rows")]


async def _clock(app: Connection) -> Diagnosis:
    began = time.monotonic()
    theirs = await app.fetchval("SELECT clock_timestamp()")
    return clock("database_clock", theirs, time.monotonic() - began)


def clock(check: str, theirs: datetime, round_trip_seconds: float) -> Diagnosis:
    """How far another server's clock is from this machine's."""
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    apart = max(0.0, apart - round_trip_seconds)
    words = f"{apart:.1f} seconds from this machine's"
    if apart < _LATE_SECONDS:
        return well(check, words)
    act = "Let both machines keep their time by NTP."
    return (broken if apart > _TOO_LATE_SECONDS else warning)(check, words, act)
