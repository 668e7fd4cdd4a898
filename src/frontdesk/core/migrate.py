"""Bring a database up: its roles and extensions where we may, then the migrations."""

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
from alembic import command
from alembic.config import Config

from frontdesk.core.settings import (
    APP_ROLE,
    MIGRATOR_ROLE,
    SYSTEM_ROLE,
    DatabaseSettings,
    with_database,
)

EXTENSIONS = ("vector", "pg_trgm", "unaccent")
_ROOT = Path(__file__).resolve().parents[3]


class NotPrepared(Exception):
    """The roles, the database or the extensions are missing and we may not make them.

    The message is the SQL that an administrator of the server has to run.
    """


def migrate(settings: DatabaseSettings, *, revision: str = "head") -> None:
    """Create what is missing and migrate to `revision`. Safe to run again and by many at once.

    Raises:
        NotPrepared: an administrator has to prepare the server first.
    """
    asyncio.run(prepare(settings))
    upgrade(settings, revision)


def upgrade(settings: DatabaseSettings, revision: str = "head") -> None:
    """Run the migrations as the role that owns the tables, on a prepared database."""
    command.upgrade(alembic_config(settings), revision)


def alembic_config(settings: DatabaseSettings) -> Config:
    """Alembic's configuration for this database."""
    config = Config(_ROOT / "alembic.ini")
    config.attributes["dsn"] = settings.migrator_dsn
    return config


async def prepare(settings: DatabaseSettings) -> None:
    """Make roles, database and extensions with `DATABASE__ADMIN_URL`, or see that they are there.

    Raises:
        NotPrepared: they are not there, and no admin URL is set.
    """
    if settings.admin_url is None:
        if missing := await _missing(settings):
            raise NotPrepared(f"-- {missing}\n" + preparation_sql(settings))
        return
    admin_url = settings.admin_url.get_secret_value()
    name = _database_name(settings)
    admin = await asyncpg.connect(admin_url)
    try:
        # Roles belong to the whole server: two migrations of two databases may meet here.
        await admin.execute("SELECT pg_advisory_lock(7260)")
        for statement in _role_statements(settings):
            await admin.execute(statement)
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await admin.execute(f"CREATE DATABASE {_quoted(name)} OWNER {MIGRATOR_ROLE}")
    finally:
        await admin.close()
    inside = await asyncpg.connect(with_database(admin_url, name))
    try:
        for statement in _database_statements(name):
            await inside.execute(statement)
    finally:
        await inside.close()


def preparation_sql(settings: DatabaseSettings, *, show_passwords: bool = False) -> str:
    """What an administrator runs on a new server, as a script for psql."""
    name = _database_name(settings)
    lines = [
        *_role_statements(settings, show_passwords=show_passwords),
        f"CREATE DATABASE {_quoted(name)} OWNER {MIGRATOR_ROLE}",
    ]
    connect = f"\\connect {_quoted(name)}"
    return "\n".join(
        [*(f"{line};" for line in lines), connect, *(f"{s};" for s in _database_statements(name))]
    )


async def _missing(settings: DatabaseSettings) -> str | None:
    for dsn in (settings.migrator_dsn, settings.app_dsn, settings.system_dsn):
        try:
            connection = await asyncpg.connect(dsn)
        except (
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
        ) as error:
            return f"{urlsplit(dsn).username} can't sign in: {error}"
        try:
            found = await connection.fetch("SELECT extname FROM pg_extension")
        finally:
            await connection.close()
        if absent := set(EXTENSIONS) - {row["extname"] for row in found}:
            return f"extensions are missing: {', '.join(sorted(absent))}"
    return None


def _role_statements(settings: DatabaseSettings, *, show_passwords: bool = True) -> list[str]:
    statements = []
    for role, dsn, rights in (
        (MIGRATOR_ROLE, settings.migrator_dsn, "NOSUPERUSER BYPASSRLS"),
        (APP_ROLE, settings.app_dsn, "NOSUPERUSER NOBYPASSRLS"),
        (SYSTEM_ROLE, settings.system_dsn, "NOSUPERUSER BYPASSRLS"),
    ):
        password = urlsplit(dsn).password
        secret = ""
        if password:
            shown = unquote(password) if show_passwords else f"<the password of {role}>"
            secret = f" PASSWORD {_literal(shown)}"
        statements += [
            f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"ALTER ROLE {role} LOGIN NOCREATEDB NOCREATEROLE {rights}{secret}",
        ]
    return statements


def _database_statements(name: str) -> list[str]:
    return [
        *(f"CREATE EXTENSION IF NOT EXISTS {extension}" for extension in EXTENSIONS),
        f"GRANT CONNECT ON DATABASE {_quoted(name)} TO {APP_ROLE}, {SYSTEM_ROLE}",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {MIGRATOR_ROLE}",
        f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {SYSTEM_ROLE}",
    ]


def _database_name(settings: DatabaseSettings) -> str:
    return unquote(urlsplit(settings.app_dsn).path.strip("/")) or "frontdesk"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
