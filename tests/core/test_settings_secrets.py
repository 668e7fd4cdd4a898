"""Settings refuse secrets that are none, all at once, and show no values."""

import base64
from pathlib import Path
from typing import Any

import pytest

from frontdesk.core.settings import SettingsError, load_database_settings, load_settings

GOOD = "k1:" + base64.b64encode(bytes(range(32))).decode()


def values(**changes: Any) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {
        "database": {"url": "postgresql://frontdesk_app:s3cret@127.0.0.1/frontdesk"},
        "redis": {"url": "redis://:an0ther@127.0.0.1"},
        "security": {
            "session_secret": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "encryption_keys": GOOD,
        },
        "whatsapp": {"app_secrets": "9f8e7d6c5b4a", "verify_token": "anything-of-ours"},
    }
    for place, value in changes.items():
        section, _, name = place.partition("__")
        made.setdefault(section, {})[name] = value
    return made


def test_secrets_of_ones_own_are_taken() -> None:
    load_settings(None, **values())
    load_settings(None, **values(whatsapp__app_secrets="simulated"))


@pytest.mark.parametrize("name", ["MAIL", "LOG", "DATABASE", "mail"])
def test_variables_that_others_set_are_not_ours(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "/var/mail/somebody")
    monkeypatch.setenv("MAIL__SMTP_TIMEOUT_SECONDS", "7")
    (tmp_path / ".env").write_text("LOG=somewhere\nLOG__LEVEL=ERROR\n")
    made = load_settings(tmp_path / ".env", **values())
    assert (made.mail.smtp_timeout_seconds, made.log.level) == (7, "ERROR")


KEY_AS = "k1:" + base64.b64encode(b"A" * 32).decode()
KEY_ZERO = "k1:" + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("place", "weak"),
    [
        ("security__session_secret", ""),
        ("security__session_secret", "short"),
        ("security__session_secret", "x" * 64),
        ("security__session_secret", "abcabc" * 10),
        ("security__session_secret", "changeme" * 8),
        ("security__encryption_keys", ""),
        ("security__encryption_keys", "k1"),
        ("security__encryption_keys", "k1:c2hvcnQ="),
        ("security__encryption_keys", KEY_AS),
        ("security__encryption_keys", KEY_ZERO),
        ("security__encryption_keys", f"{GOOD},{GOOD}"),
        ("security__encryption_keys", GOOD.replace("k1:", "k.1:")),
        ("security__encryption_keys", f"{GOOD},{KEY_ZERO.replace('k1', 'k0')}"),
        ("whatsapp__app_secrets", ""),
        ("whatsapp__app_secrets", "change-me"),
        ("whatsapp__app_secrets", "9f8e7d6c5b4a,Secret"),
        ("whatsapp__verify_token", ""),
        ("whatsapp__verify_token", "your-token"),
        ("whatsapp__verify_token", "Test123"),
        ("web__metrics_token", "password1"),
        ("database__url", "postgresql://frontdesk_app:PASSWORD_OF_APP@postgres/frontdesk"),
        ("database__admin_url", "postgresql://postgres:POSTGRES_PASSWORD@postgres/postgres"),
        ("redis__url", "redis://:REDIS_PASSWORD@redis:6379/0"),
    ],
)
def test_a_weak_secret_is_refused_by_name_and_never_shown(place: str, weak: str) -> None:
    with pytest.raises(SettingsError) as told:
        load_settings(None, **values(**{place: weak}))
    [line] = str(told.value).splitlines()
    assert line.startswith(place.upper())
    assert len(weak) < 4 or weak not in line.partition(":")[2]


def test_all_that_is_wrong_is_told_in_one_list() -> None:
    wrong = {
        "security__session_secret": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "security__encryption_keys": KEY_ZERO,
        "whatsapp__app_secrets": "changeme",
        "whatsapp__verify_token": "your-token",
        "redis__url": "redis://:REDIS_PASSWORD@redis",
    }
    given = values(**wrong)
    del given["database"]
    with pytest.raises(SettingsError) as told:
        load_settings(None, **given)
    lines = str(told.value).splitlines()
    named = {line.partition(":")[0] for line in lines}
    assert named >= {place.upper() for place in wrong} | {"DATABASE__URL"}
    for secret in (*wrong.values(), "REDIS_PASSWORD"):
        assert all(secret not in line.partition(":")[2] for line in lines)


def test_loopback_is_fetched_from_in_development_only() -> None:
    with pytest.raises(SettingsError, match=r"FETCH: .*development"):
        load_settings(None, **values(fetch__allow_loopback=True))
    load_settings(None, **values(fetch__allow_loopback=True, web__insecure_cookies=True))


def test_migrations_refuse_the_examples_passwords_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE__URL", "postgresql://frontdesk_app:PASSWORD@db/frontdesk")
    with pytest.raises(SettingsError, match="placeholder"):
        load_database_settings(None)


def test_no_way_of_printing_settings_shows_a_secret() -> None:
    settings = load_settings(None, **values())
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    for secret in ("s3cret", "an0ther", "0f1e2d3c", GOOD[3:], "9f8e7d6c", "anything-of-ours"):
        assert secret not in shown


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "null",
        "console.example.com",
        "https://a.example/",
        "https://A.example",
        "https://a.example:443",
    ],
)
def test_a_site_that_may_use_the_api_is_named_as_browsers_name_it(origins: str) -> None:
    with pytest.raises(SettingsError, match="is no origin"):
        load_settings(None, **values(web__allowed_origins=f"https://b.example:8443,{origins}"))
