"""Sealed secrets: bound to their place, and moved to a new key by command."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from frontdesk.cli import app
from frontdesk.core import ids, migrate, resealing
from frontdesk.core.crypto import SealBroken, Sealer
from frontdesk.core.db import Database
from frontdesk.core.settings import (
    DatabaseSettings,
    SecuritySettings,
    with_database,
    with_user,
)

FIELD = "channel.access_token"
OLD = "k1:" + base64.b64encode(bytes(range(32))).decode()
NEW = "k2:" + base64.b64encode(bytes(range(100, 132))).decode()
TOKEN = "EAAG-the-token-of-a-channel"


def sealer(keys: str) -> Sealer:
    secret = SecretStr("a-secret-of-tests-and-nothing-else")
    return Sealer(SecuritySettings(session_secret=secret, encryption_keys=keys))


def test_what_is_sealed_opens_again_with_any_configured_key() -> None:
    tenant = uuid4()
    sealed = sealer(OLD).seal(TOKEN, tenant_id=tenant, field=FIELD)
    assert TOKEN not in sealed
    assert sealer(f"{NEW},{OLD}").open(sealed, tenant_id=tenant, field=FIELD) == TOKEN
    assert sealer(f"{NEW},{OLD}").seal(TOKEN, tenant_id=tenant, field=FIELD).startswith("k2.")


def test_the_same_secret_is_never_sealed_alike_twice() -> None:
    tenant = uuid4()
    assert len({sealer(OLD).seal(TOKEN, tenant_id=tenant, field=FIELD) for _ in range(20)}) == 20


@pytest.mark.parametrize("field", [FIELD, "channel.other"])
def test_a_value_copied_to_another_tenant_or_field_does_not_open(field: str) -> None:
    tenant = uuid4()
    sealed = sealer(OLD).seal(TOKEN, tenant_id=tenant, field=FIELD)
    owner = uuid4() if field == FIELD else tenant
    with pytest.raises(SealBroken, match="another place"):
        sealer(OLD).open(sealed, tenant_id=owner, field=field)


@pytest.mark.parametrize(
    "garbled", ["", "k1", "k1.", "k1.AAAA", "k1.???", "k1.é", "k9.AAAA", ".", "plain text"]
)
def test_what_is_no_sealed_value_is_told_so(garbled: str) -> None:
    with pytest.raises(SealBroken):
        sealer(OLD).open(garbled, tenant_id=uuid4(), field=FIELD)


def test_no_single_changed_byte_goes_unnoticed() -> None:
    tenant = uuid4()
    sealed = base64.b64decode(sealer(OLD).seal(TOKEN, tenant_id=tenant, field=FIELD)[3:])
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        text = f"k1.{base64.b64encode(changed).decode()}"
        with pytest.raises(SealBroken):
            sealer(OLD).open(text, tenant_id=tenant, field=FIELD)


@pytest.fixture(scope="module")
def own_database(servers: dict[str, str], worker_id: str) -> DatabaseSettings:
    """A database of these tests alone: a rotation goes over all tenants."""
    name = f"frontdesk_keys_{worker_id}_{uuid4().hex[:8]}"
    made = DatabaseSettings(
        url=SecretStr(with_database(with_user(servers["admin"], "frontdesk_app"), name)),
        admin_url=SecretStr(servers["admin"]),
    )
    migrate.migrate(made)
    return made


@pytest.fixture
def channels(own_database: DatabaseSettings, servers: dict[str, str]) -> "Channels":
    """Channels of several tenants, whose tokens the old key has sealed."""
    name = own_database.app_dsn.rpartition("/")[2]
    made = Channels(with_database(servers["admin"], name))
    asyncio.run(made.fill(5))
    return made


class Channels:
    """The rows of `channel`, seen by an administrator."""

    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def _sql(self) -> Any:
        sql = await asyncpg.connect(self.url)
        try:
            # These rows stand alone: what they refer to is not what is tested.
            await sql.execute("SET session_replication_role = replica")
            yield sql
        finally:
            await sql.close()

    async def fill(self, number: int) -> None:
        async with self._sql() as sql:
            await sql.execute("DELETE FROM channel")
            for n in range(number):
                tenant = ids.new()
                await sql.execute(
                    "INSERT INTO channel (tenant_id, id, name, agent_id, phone_number_id, waba_id, "
                    "display_phone_number, access_token_sealed, status) "
                    "VALUES ($1, $2, 'x', $2, $3, 'w', '1', $4, 'CONNECTED')",
                    tenant,
                    ids.new(),
                    str(n),
                    sealer(OLD).seal(f"{TOKEN}-{n}", tenant_id=tenant, field=FIELD),
                )

    async def rows(self) -> list[tuple[UUID, str]]:
        async with self._sql() as sql:
            found = await sql.fetch(
                "SELECT tenant_id, access_token_sealed FROM channel ORDER BY phone_number_id"
            )
        return [(row[0], row[1]) for row in found]

    async def execute(self, statement: str, *values: object) -> None:
        async with self._sql() as sql:
            await sql.execute(statement, *values)

    def opened(self, keys: str) -> list[str]:
        return [
            sealer(keys).open(sealed, tenant_id=tenant, field=FIELD)
            for tenant, sealed in asyncio.run(self.rows())
        ]


@pytest.fixture
def keys(own_database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `frontdesk keys` with the given encryption keys."""

    def run(*arguments: str, keys: str) -> Result:
        for name, value in {
            "DATABASE__URL": own_database.app_dsn,
            "REDIS__URL": "redis://127.0.0.1:1",
            "SECURITY__SESSION_SECRET": "a-secret-of-tests-and-nothing-else",
            "SECURITY__ENCRYPTION_KEYS": keys,
            "WHATSAPP__APP_SECRETS": "an-app-secret",
            "WHATSAPP__VERIFY_TOKEN": "verify",
        }.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, ["keys", *arguments])

    return run


def test_a_rotation_seals_every_value_with_the_first_key_and_then_has_nothing_to_do(
    keys: Any, channels: Channels
) -> None:
    before = channels.opened(OLD)
    counted = json.loads(keys("rotate", "--dry-run", "--json", keys=f"{NEW},{OLD}").stdout)
    assert (counted["resealed"], counted["already"]) == (5, 0)
    assert channels.opened(OLD) == before
    done = keys("rotate", keys=f"{NEW},{OLD}")
    assert done.exit_code == 0, done.output
    assert "5 sealed anew with k2" in done.stdout
    assert f"{FIELD}: 5 values seen" in done.stderr
    assert channels.opened(NEW) == before
    again = json.loads(keys("rotate", "--json", keys=f"{NEW},{OLD}").stdout)
    assert (again["resealed"], again["already"], again["broken"]) == (0, 5, [])
    for secret in (TOKEN, OLD.partition(":")[2], NEW.partition(":")[2]):
        assert secret not in done.output


def test_status_says_which_key_is_needed_and_which_is_missing(
    keys: Any, channels: Channels
) -> None:
    shown = json.loads(keys("status", "--json", keys=f"{NEW},{OLD}").stdout)
    assert (shown["seals"], shown["keys"]) == ("k2", {"k2": 0, "k1": 5})
    assert shown["fields"][FIELD] == {"k1": 5}
    assert "Next: frontdesk keys rotate" in keys("status", keys=f"{NEW},{OLD}").stdout
    without = keys("status", keys=NEW)
    assert without.exit_code == 1
    assert "k1" in without.stderr
    keys("rotate", keys=f"{NEW},{OLD}")
    assert "take them out" in keys("status", keys=f"{NEW},{OLD}").stdout
    assert keys("status", keys=NEW).exit_code == 0


def test_a_value_that_does_not_open_is_named_and_left_and_the_others_are_done(
    keys: Any, channels: Channels
) -> None:
    # Copied from another tenant's row.
    asyncio.run(
        channels.execute(
            "UPDATE channel SET access_token_sealed = (SELECT access_token_sealed FROM channel "
            "WHERE phone_number_id = '0') WHERE phone_number_id = '3'"
        )
    )
    before = asyncio.run(channels.rows())[3]
    done = keys("rotate", "--json", keys=f"{NEW},{OLD}")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["resealed"], len(told["broken"])) == (4, 1)
    assert asyncio.run(channels.rows())[3] == before


def test_a_rotation_that_is_interrupted_keeps_what_it_did_and_goes_on_when_run_again(
    own_database: DatabaseSettings, channels: Channels
) -> None:
    def die(field: str, so_far: resealing.Rotation) -> None:
        if so_far.resealed == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(rotate(own_database, tell=die))
    ids_after = [sealed.partition(".")[0] for _, sealed in asyncio.run(channels.rows())]
    assert sorted(ids_after) == ["k1", "k2", "k2", "k2", "k2"]
    done = asyncio.run(rotate(own_database))
    assert (done.resealed, done.current) == (1, 4)
    assert len(channels.opened(NEW)) == 5


async def rotate(settings: DatabaseSettings, **more: Any) -> resealing.Rotation:
    database = Database(settings, {})
    await database.open()
    try:
        return await resealing.rotate(database, sealer(f"{NEW},{OLD}"), batch=2, **more)
    finally:
        await database.close()


def test_a_new_key_is_one_that_the_settings_take(keys: Any) -> None:
    made = CliRunner().invoke(app, ["keys", "generate"])
    line = made.stdout.strip()
    assert line != CliRunner().invoke(app, ["keys", "generate"]).stdout.strip()
    assert sealer(f"{line},{OLD}").key_ids == [line.partition(":")[0], "k1"]
    shown = json.loads(CliRunner().invoke(app, ["keys", "generate", "--json"]).stdout)
    assert shown["setting"].startswith(f"{shown['id']}:")


def test_every_sealed_column_is_found_with_its_owner(
    own_database: DatabaseSettings, channels: Channels
) -> None:
    async def found() -> dict[str, dict[str, int]]:
        database = Database(own_database, {})
        await database.open()
        try:
            return await resealing.count_by_key(database)
        finally:
            await database.close()

    assert asyncio.run(found())[FIELD] == {"k1": 5}
