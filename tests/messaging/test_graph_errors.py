"""What WhatsApp's error codes mean for the message, the channel and the platform."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.messaging.graph_errors import (
    FailureClass,
    GraphError,
    Scope,
    classify,
    classify_code,
    parse_graph_error,
)

TRANSIENT, THROTTLED = FailureClass.TRANSIENT, FailureClass.THROTTLED
RECIPIENT, REQUEST = FailureClass.RECIPIENT, FailureClass.REQUEST
ACCOUNT, OTHER = FailureClass.ACCOUNT, FailureClass.OTHER


@pytest.mark.parametrize(
    ("expected", "codes"),
    [
        (TRANSIENT, [1, 2, 131000, 131016, 131057, 133004, 133015, 2494100]),
        (THROTTLED, [4, 80007, 130429, 131056, 132069, 133016]),
        (
            RECIPIENT,
            [130403, 130472, 130497, 131026, 131047, 131049, 131050, 137000],
        ),
        (
            REQUEST,
            [
                100,
                131008,
                131009,
                131021,
                131030,
                131051,
                131053,
                131059,
                131062,
                131063,
                132000,
                132001,
                132005,
                132008,
                132012,
                132018,
                132068,
                135000,
            ],
        ),
        (
            ACCOUNT,
            [
                0,
                3,
                10,
                33,
                190,
                200,
                250,
                299,
                368,
                131005,
                131031,
                131037,
                131042,
                131044,
                131045,
                131048,
                131064,
                132007,
                132015,
                132016,
                133000,
                133005,
                133006,
                133008,
                133009,
                133010,
                134011,
                134100,
                134101,
                134102,
            ],
        ),
        (
            OTHER,
            [
                131020,
                131035,
                131036,
                131041,
                131052,
                131060,
                131215,
                138006,
                139100,
                147001,
                147005,
                2593107,
                2593108,
                2593109,
            ],
        ),
    ],
)
def test_every_known_code_has_its_class_and_words(expected: FailureClass, codes: list[int]) -> None:
    for code in codes:
        failure = classify_code(code)
        assert (code, failure.failure_class) == (code, expected)
        assert failure.words.endswith(".")
        assert "new to us" not in failure.words


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        (131056, Scope.PAIR),
        (131047, Scope.PAIR),
        (130429, Scope.CHANNEL),
        (80007, Scope.CHANNEL),
        (4, Scope.APP),
        (190, Scope.CHANNEL),
        (100, Scope.MESSAGE),
    ],
)
def test_a_failure_reaches_as_far_as_its_code_says(code: int, scope: Scope) -> None:
    assert classify_code(code).scope is scope


@pytest.mark.parametrize("code", [190, 0, 10, 200, 33, 368, 131031, 131042, 133010, 131005])
def test_a_lost_account_pauses_its_channel(code: int) -> None:
    assert classify_code(code).pauses_channel


@pytest.mark.parametrize("code", [132015, 132016, 131048, 133005, 131056, 2, 4, 100, 131047, 99999])
def test_a_fault_of_one_template_or_contact_does_not_pause_the_channel(code: int) -> None:
    assert not classify_code(code).pauses_channel


def test_throttling_is_waited_out_in_powers_of_four() -> None:
    waits = [classify_code(131056).retry_after_seconds(attempt) for attempt in range(1, 8)]
    assert waits == [1, 4, 16, 64, 256, 256, 256]
    assert classify_code(130429).retry_after_seconds(10**9) == 256
    assert classify_code(130429).retry_after_seconds(0) == 1


@pytest.mark.parametrize(
    ("code", "seconds"), [(2, 300), (133015, 300), (131057, 60), (133016, 259_200)]
)
def test_codes_that_say_how_long_they_last_are_waited_for(code: int, seconds: float) -> None:
    assert classify_code(code).retry_after_seconds(1) == seconds
    assert classify_code(code).retry_after_seconds(3) == seconds


@pytest.mark.parametrize("code", [100, 131047, 131026, 190, 131048, 131049, 131036, 4711, None])
def test_what_cannot_get_better_is_never_retried(code: int | None) -> None:
    assert classify_code(code).retry_after_seconds(1) is None


@pytest.mark.parametrize(
    ("http_status", "expected", "pauses"),
    [
        (400, OTHER, False),
        (401, ACCOUNT, True),
        (429, THROTTLED, False),
        (500, TRANSIENT, False),
        (503, TRANSIENT, False),
        (None, OTHER, False),
    ],
)
def test_only_a_code_new_to_us_is_judged_by_the_http_status(
    http_status: int | None, expected: FailureClass, pauses: bool
) -> None:
    for code in (4711, None):
        failure = classify(GraphError(code, http_status=http_status))
        assert (failure.failure_class, failure.pauses_channel) == (expected, pauses)
    # Throttling has been seen with 400, and a full server with 200.
    known = GraphError(131056, http_status=http_status)
    assert classify(known).failure_class is THROTTLED


def test_the_error_body_is_read() -> None:
    body = {
        "error": {
            "message": "(#131056) pair rate limit",
            "type": "OAuthException",
            "code": 131056,
            "error_data": {"messaging_product": "whatsapp", "details": "slow\x00 down"},
            "error_subcode": "2494055",
            "fbtrace_id": "Atrace1",
        }
    }
    assert parse_graph_error(400, json.dumps(body).encode()) == GraphError(
        code=131056,
        subcode=2494055,
        message="(#131056) pair rate limit",
        details="slow down",
        fbtrace_id="Atrace1",
        http_status=400,
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"[]",
        b"{}",
        b'{"error":null}',
        b'{"error":{}}',
        b'{"error":"no"}',
        b'{"messages":[{"id":"wamid.1"}]}',
        b"[" * 100_000,
        b"9" * 5_000,
        b"\xff",
    ],
)
def test_an_answer_without_an_error_body_leaves_the_outcome_open(body: bytes) -> None:
    assert parse_graph_error(502, body) is None


@pytest.mark.parametrize("body", [b"", b"<html>Too many requests</html>", b"{}"])
def test_a_429_was_not_taken_whatever_its_body(body: bytes) -> None:
    error = parse_graph_error(429, body)
    assert error == GraphError(None, http_status=429)
    failure = classify(error)
    assert (failure.failure_class, failure.scope) == (THROTTLED, Scope.CHANNEL)
    assert "None" not in failure.words


@pytest.mark.parametrize("code", [None, True, "x", [], 1.5, "٤"])
def test_an_error_without_a_readable_code_is_still_an_error(code: object) -> None:
    body = json.dumps({"error": {"message": "m", "code": code, "error_data": "d"}}).encode()
    error = parse_graph_error(400, body)
    assert error is not None
    assert (error.code, error.details) == (None, "d")


@given(st.integers(), st.binary())
def test_no_answer_raises(http_status: int, body: bytes) -> None:
    parse_graph_error(http_status, body)


@given(st.one_of(st.none(), st.integers()), st.integers(-5, 10**6))
def test_every_code_has_a_meaning(code: int | None, attempt: int) -> None:
    failure = classify_code(code)
    wait = failure.retry_after_seconds(attempt)
    assert (wait is not None) == (failure.failure_class in {TRANSIENT, THROTTLED})
