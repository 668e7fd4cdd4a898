"""Only Meta's own signature opens the webhook."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.messaging.signature import challenge_answer, is_signed, signature

SECRET = b"app-secret-of-a-test"
BODY = b'{"object":"whatsapp_business_account","entry":[],"text":"na\\u00efve \\/ <b>"}'
GOOD = signature(BODY, SECRET)


def test_the_signature_is_an_hmac_of_the_raw_bytes() -> None:
    assert "sha256=" + hmac.new(SECRET, BODY, hashlib.sha256).hexdigest() == GOOD


def test_a_signature_known_from_elsewhere_is_accepted() -> None:
    # Computed with `openssl dgst -sha256 -hmac key`.
    header = "sha256=88aab3ede8d3adf94d26ab90d3bafd4a2083070c3bcce9c014ee04a443847c0b"
    assert is_signed(b"hello", header, [b"secret"])


@pytest.mark.parametrize("header", [GOOD, GOOD.encode()])
def test_text_and_bytes_are_both_read(header: str | bytes) -> None:
    assert is_signed(BODY, header, [SECRET])


@pytest.mark.parametrize(
    "secrets", [[SECRET, b"other"], [b"other", SECRET], [b"", b"other", SECRET]]
)
def test_any_of_several_secrets_will_do_while_one_is_rotated(secrets: list[bytes]) -> None:
    assert is_signed(BODY, GOOD, secrets)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        GOOD.removeprefix("sha256="),
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        "sha256=" + GOOD.removeprefix("sha256=").upper(),
        "SHA256=" + GOOD.removeprefix("sha256="),
        f"{GOOD},{GOOD}",
        f"{GOOD}, {GOOD}",
        "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest(),
        "sha256=" + "ｆ" * 64,
        "sha256=" + "é" * 64,
        ("sha256=" + "é" * 64).encode(),
        "sha256=\ud83d" + "0" * 63,
        signature(BODY, b"secret of another app"),
        signature(BODY + b"\n", SECRET),
    ],
)
def test_anything_but_the_exact_header_is_refused(header: str | bytes | None) -> None:
    assert not is_signed(BODY, header, [SECRET])


def test_no_secret_and_an_empty_secret_sign_nothing() -> None:
    assert not is_signed(BODY, GOOD, [])
    assert not is_signed(BODY, signature(BODY, b""), [b""])


def test_a_body_that_was_written_again_is_refused() -> None:
    assert not is_signed(BODY.replace(b"\\/", b"/"), GOOD, [SECRET])


@given(st.binary(), st.one_of(st.none(), st.text(), st.binary()), st.lists(st.binary()))
def test_nothing_makes_the_check_raise(
    body: bytes, header: str | bytes | None, secrets: list[bytes]
) -> None:
    assert is_signed(body, header, secrets) is False


def test_the_handshake_echoes_the_challenge() -> None:
    assert challenge_answer("subscribe", "token", "1158201444", "token") == "1158201444"


@pytest.mark.parametrize(
    ("mode", "token", "challenge", "expected"),
    [
        ("unsubscribe", "token", "1", "token"),
        (None, "token", "1", "token"),
        ("subscribe", "Token", "1", "token"),
        ("subscribe", None, "1", "token"),
        ("subscribe", "", "1", ""),
        ("subscribe", "tökén\ud83d", "1", "token"),
        ("subscribe", "token", None, "token"),
        ("subscribe", "token", "", "token"),
        ("subscribe", "token", "1" * 65, "token"),
        ("subscribe", "token", "<script>", "token"),
        ("subscribe", "token", "1\n", "token"),
    ],
)
def test_the_handshake_refuses_everything_else(
    mode: str | None, token: str | None, challenge: str | None, expected: str
) -> None:
    assert challenge_answer(mode, token, challenge, expected) is None
