"""Backups: a dump is looked at and not believed; a restored database is held to the promises."""

import base64
from pathlib import Path

from tests.desk import Desk
from tests.doctor.test_doctor import by_check, with_section

from frontdesk.core.settings import Settings, load_settings
from frontdesk.doctor import Level, look_at_dump, look_at_restored
from frontdesk.doctor.backups import COUNTED


async def test_a_dump_is_looked_at_and_only_a_restore_is_believed(tmp_path: Path) -> None:
    plain = tmp_path / "plain.sql"
    plain.write_text("--\n-- PostgreSQL database dump\n--\n")
    found = by_check(await look_at_dump(plain))
    assert (found["dump"].level, found["restored"].level) == (Level.OK, Level.WARNING)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear operator")
    for file in (letter, tmp_path / "missing.dump", tmp_path):
        (told,) = await look_at_dump(file)
        assert (told.check, told.level) == ("dump", Level.BROKEN)


async def test_a_restored_database_is_counted_proven_and_opened(
    desk: Desk, settings: Settings
) -> None:
    await desk.say("How long does delivery take?")
    found = by_check(await look_at_restored(settings, settings.database.system_dsn))
    for check in ("version", "newest", "keys", "counts"):
        assert found[check].level is Level.OK, found[check]
    assert all(f"{table} " in found["counts"].detail for table in COUNTED)
    assert "promises" in found

    (blind,) = await look_at_restored(settings, settings.database.app_dsn)
    assert (blind.level, blind.detail) == (Level.BROKEN, "this role sees no rows of tenants")
    key = base64.b64encode(bytes(range(1, 33))).decode()
    others = load_settings(
        None,
        database={"url": settings.database.app_dsn},
        redis={"url": settings.redis.url},
        security={
            "session_secret": settings.security.session_secret,
            "encryption_keys": f"k9:{key}",
        },
        whatsapp={"app_secrets": "an-app-secret", "verify_token": "verify"},
    )
    shut = by_check(await look_at_restored(others, settings.database.system_dsn))
    assert shut["keys"].level is Level.BROKEN
    assert "k1" in shut["keys"].detail


async def test_a_database_that_cannot_be_read_is_told(settings: Settings) -> None:
    (told,) = await look_at_restored(
        with_section(settings, "web"), "postgresql://frontdesk_system@127.0.0.1:9/x"
    )
    assert (told.check, told.level) == ("restored", Level.BROKEN)
