"""The migrations: one head, nothing missing, down and up again, roles where they may be made."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from frontdesk.core import migrate
from frontdesk.core.settings import DatabaseSettings, with_database, with_user


@pytest.fixture
def empty(database_urls: dict[str, str]) -> DatabaseSettings:
    """Settings of a database that is not there yet."""
    url = with_database(database_urls["app"], urlsplit(database_urls["app"]).path[1:] + "_empty")
    asyncio.run(_drop(database_urls["admin"], urlsplit(url).path[1:]))
    return DatabaseSettings(url=SecretStr(url), admin_url=SecretStr(database_urls["admin"]))


async def _drop(admin_url: str, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.close()


def test_up_down_and_up_again_leaves_what_the_models_say(empty: DatabaseSettings) -> None:
    migrate.migrate(empty)
    config = migrate.alembic_config(empty)
    command.check(config)
    command.downgrade(config, "base")
    migrate.migrate(empty)
    command.check(config)
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_without_an_administrator_the_sql_to_run_is_given(empty: DatabaseSettings) -> None:
    alone = DatabaseSettings(url=SecretStr(with_user(empty.app_dsn, "frontdesk_app", "s3cret")))
    with pytest.raises(migrate.NotPrepared) as told:
        migrate.migrate(alone)
    script = str(told.value)
    for part in ("CREATE ROLE frontdesk_app", "NOBYPASSRLS", "CREATE EXTENSION", "CREATE DATABASE"):
        assert part in script
    assert "s3cret" not in script
