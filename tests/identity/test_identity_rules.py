"""The decisions of identity, alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pwdlib import PasswordHash

from frontdesk.core.callers import Role
from frontdesk.core.errors import Unavailable
from frontdesk.identity import passwords
from frontdesk.identity.passwords import hash_new_password, verify_password
from frontdesk.identity.rules import (
    PER_ACCOUNT,
    PER_ADDRESS,
    Attempts,
    Belonging,
    after_attempt,
    chosen,
    common_passwords,
    is_slug,
    leaves_no_admin,
    password_problem,
    wait_seconds,
)
from frontdesk.identity.throttle import keys_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("password", "fine"),
    [
        ("eleven purple boats sing", True),
        ("abcdefghijk", False),
        ("tulip-harbor", True),
        ("x" * 12, False),
        ("ab" * 20, False),
        ("ключ от старого дома", True),
        ("Password1234", False),
        ("QWERTYUIOP123", False),
        ("correcthorsebatterystaple", False),
        ("Mira.Sand@example.com", False),
        ("long and boring " * 8, True),
        ("long and boring " * 8 + "!", False),
    ],
)
def test_a_password_is_long_and_not_on_a_list(password: str, fine: bool) -> None:
    assert (password_problem(password, email="mira.sand@example.com") is None) is fine


def test_the_list_holds_only_what_length_alone_would_allow() -> None:
    assert len(common_passwords()) >= 200
    assert all(len(item) >= 12 and item == item.casefold() for item in common_passwords())


def test_waits_double_up_to_the_longest_and_are_forgotten() -> None:
    attempts = Attempts(failures=0, updated_at=NOW, blocked_until=None)
    waits = []
    now = NOW
    for _ in range(14):
        attempts = after_attempt(attempts, PER_ACCOUNT, now)
        waits.append(wait_seconds(attempts, now))
        now += timedelta(seconds=waits[-1])
        assert wait_seconds(attempts, now) == 0
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    later = after_attempt(attempts, PER_ACCOUNT, now + timedelta(hours=1, seconds=1))
    assert (later.failures, later.blocked_until) == (1, None)


def test_a_flood_of_failures_does_not_overflow() -> None:
    attempts = after_attempt(Attempts(1_000_000, NOW, None), PER_ADDRESS, NOW)
    assert wait_seconds(attempts, NOW) == 900


def test_one_subscriber_of_ipv6_is_one_address() -> None:
    one, two, other = (
        keys_of("mira@example.com", address)[1][0]
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
    )
    assert one == two != other
    assert keys_of("mira@example.com", "not an address")[1][0] == "address:unknown"


def test_the_account_is_counted_without_writing_the_email_down() -> None:
    assert "mira" not in keys_of("mira@example.com", "10.0.0.1")[0][0]


def test_the_tenant_is_the_named_or_the_only_one() -> None:
    one, two = (
        Belonging(UUID(int=number), "Tenant", f"tenant-{number}", Role.ADMIN) for number in (1, 2)
    )
    assert chosen([one], None) is one
    assert chosen([one, two], None) is None
    assert chosen([one, two], "tenant-2") is two
    assert chosen([one], "tenant-2") is None
    assert chosen([], None) is None


def test_someone_stays_admin() -> None:
    ada, bob = UUID(int=1), UUID(int=2)
    assert leaves_no_admin({ada}, ada, role=Role.HUMAN_AGENT, disabled=False)
    assert leaves_no_admin({ada}, ada, role=Role.ADMIN, disabled=True)
    assert not leaves_no_admin({ada}, ada, role=Role.ADMIN, disabled=False)
    assert not leaves_no_admin({ada, bob}, ada, role=Role.HUMAN_AGENT, disabled=False)
    assert not leaves_no_admin({ada}, bob, role=Role.HUMAN_AGENT, disabled=True)


@pytest.mark.parametrize(
    ("slug", "fine"),
    [
        ("green-leaf", True),
        ("a", True),
        ("7", True),
        *((slug, False) for slug in ("", "Green", "-leaf", "leaf-", "a--b", "a" * 64, "a\n")),
    ],
)
def test_a_slug_is_plain(slug: str, fine: bool) -> None:
    assert is_slug(slug) is fine


async def test_a_hash_is_argon2id_and_the_same_letters_match_however_they_were_typed(
    monkeypatch: pytest.MonkeyPatch, honest_hasher: PasswordHash
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", honest_hasher)
    stored = await hash_new_password("une forêt très calme", email="mira@example.com")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verify_password("une fore\u0302t tre\u0300s calme", stored) == (True, None)
    assert await verify_password("une foret tres calme", stored) == (False, None)
    assert await verify_password("une forêt très calme", None) == (False, None)


async def test_hashing_leaves_the_loop_alone_and_turns_away_who_comes_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "_MOST_IN_HAND", 2)
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(go_on())
    answers = await asyncio.gather(
        *(verify_password("eleven purple boats sing", None) for _ in range(5)),
        return_exceptions=True,
    )
    others.cancel()
    assert [answer for answer in answers if not isinstance(answer, Exception)] == [
        (False, None)
    ] * 2
    assert [type(answer) for answer in answers].count(Unavailable) == 3
    assert turns > 1
    # Room again, once those are done.
    assert await verify_password("eleven purple boats sing", None) == (False, None)
