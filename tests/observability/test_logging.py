"""What a log line may hold, and what it may not."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
import structlog

from frontdesk.core.errors import Unavailable
from frontdesk.core.logging import configure_logging
from frontdesk.core.settings import LogSettings

Lines = Callable[[], list[dict[str, Any]]]
Start = Callable[[], Lines]


@pytest.fixture
def start(capsys: pytest.CaptureFixture[str]) -> Iterator[Start]:
    """Starts logging and gives what tells the lines logged since the last look."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    told = structlog.get_config()

    def started() -> Lines:
        # What a request of an earlier test bound is no part of these lines.
        structlog.contextvars.clear_contextvars()
        # In the test itself: pytest swaps stdout once more between its fixtures and the test.
        configure_logging(LogSettings(level="INFO", json_lines=True), hash_key="k" * 32)
        return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield started
    root.handlers, root.level = before
    structlog.configure(**told)
    structlog.contextvars.clear_contextvars()


def test_a_line_says_what_where_and_when(start: Start) -> None:
    lines = start()
    structlog.contextvars.bind_contextvars(request_id="request-1")
    structlog.get_logger().info("channel_paused", channel_id="c-1", attempts=3)
    structlog.get_logger().debug("too_quiet")
    [line] = lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "channel_paused",
        "level": "info",
        "request_id": "request-1",
        "channel_id": "c-1",
        "attempts": 3,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("access_token", "EAAG-secret"),
        ("app_secret", "hunter2"),
        ("password", "hunter2"),
        ("Authorization", "Bearer abc"),
        ("set_cookie", "frontdesk=abc"),
        ("groq_api_key", "gsk_abc"),
        ("x_hub_signature", "sha256=abc"),
        ("headers", {"authorization": "Bearer abc", "cookie": "frontdesk=abc"}),
        ("text", "my address is 5 Elm Street"),
        ("body", b"my address is 5 Elm Street"),
        ("messages", [{"role": "user", "content": "5 Elm Street"}]),
        ("request", {"prompt": "5 Elm Street", "response": "noted: 5 Elm Street"}),
    ],
)
def test_secrets_and_what_people_wrote_are_left_out(start: Start, key: str, value: Any) -> None:
    lines = start()
    structlog.get_logger().warning("something", **{key: value})
    [line] = lines()
    assert key in line
    for kept_back in ("secret", "hunter2", "abc", "Elm"):
        assert kept_back not in json.dumps(line[key])


def test_counts_and_ids_are_kept(start: Start) -> None:
    lines = start()
    kept = {
        "input_tokens": 812,
        "messages": 3,
        "phone_number_id": "106540352242922",
        "conversation_id": "01920000-7c0e-7c31-b6a1-123456789012",
        "wamid": "wamid.HBgLMTY1MDUwNzY1MjAVAgARGBI",
        "due_at": "2026-03-02T09:15:04.123456Z",
        "seconds": "0.123456789",
    }
    structlog.get_logger().info("something", **kept)
    [line] = lines()
    assert {key: line[key] for key in kept} == kept


def test_a_phone_number_is_the_same_hash_wherever_it_stands(start: Start) -> None:
    lines = start()
    structlog.get_logger().info("one", wa_id="491512345678")
    structlog.get_logger().info("two", error="no answer from +491512345678 today")
    logging.getLogger("somebody.else").warning("calling %s now", "491512345678")
    one, two, three = lines()
    hashed = one["wa_id"]
    assert hashed.startswith("phone:")
    assert two["error"] == f"no answer from {hashed} today"
    assert three["event"] == f"calling {hashed} now"


def test_nothing_can_forge_a_second_line(start: Start) -> None:
    lines = start()
    structlog.get_logger().info("something", name='x"}\n{"event": "forged"}')
    logging.getLogger("somebody.else").warning("odd\r\n%s", "line")
    assert len(lines()) == 2


def test_the_console_writes_a_line_a_time_as_well(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start()
    configure_logging(LogSettings(level="INFO", json_lines=False))
    structlog.get_logger().info("something", name="x\n2026 forged", password="hunter2")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "hunter2" not in out


def test_an_exception_is_told_by_kind_and_place_without_what_it_quotes(start: Start) -> None:
    lines = start()

    def read() -> None:
        raise ValueError("could not read: my address is 5 Elm Street")

    def answer() -> None:
        try:
            read()
        except ValueError as error:
            raise Unavailable("The database can't be reached.") from error

    try:
        answer()
    except Unavailable:
        structlog.get_logger().exception("work_failed")
    try:
        raise asyncpg.UniqueViolationError("Key (email)=(mira@example.com) already exists.")
    except asyncpg.PostgresError:
        logging.getLogger("somebody.else").exception("it failed")
    first, second = lines()
    assert first["exceptions"][0].startswith(
        "frontdesk.core.errors.Unavailable (The database can't be reached.) ["
    )
    assert "test_logging.py" in first["exceptions"][0]
    assert first["exceptions"][1].startswith("ValueError [")
    assert "Elm" not in json.dumps(first)
    assert "23505" in second["exceptions"][0]
    assert "mira" not in json.dumps(second)


def test_libraries_that_log_content_are_kept_quiet(start: Start) -> None:
    lines = start()
    for name in ("httpx", "LiteLLM", "sse_starlette.sse", "arq.worker"):
        logging.getLogger(name).info("chunk: what somebody wrote")
    assert lines() == []


def test_what_has_no_json_form_is_logged_all_the_same(start: Start) -> None:
    lines = start()
    structlog.get_logger().info("something", thing=object(), half="\ud83d", nested={"a": {1, 2}})
    [line] = lines()
    assert line["event"] == "something"
