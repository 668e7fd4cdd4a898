"""Logs: one JSON object a line, with who and where, and without anybody's words, numbers or secrets.

Frontdesk's own lines come through structlog, everyone else's through the standard library; both
take the same way out. Message text, prompts and bodies are replaced by their length, secrets by
stars, phone numbers by a keyed hash that is the same in every line of a deployment.
"""

import hashlib
import hmac
import logging
import re
import secrets
import sys
import traceback
from types import TracebackType
from typing import Any, TextIO

import asyncpg
import structlog
from structlog.typing import EventDict, WrappedLogger

from frontdesk.core.errors import FrontdeskError
from frontdesk.core.json import dumps
from frontdesk.core.settings import LogSettings
from frontdesk.core.tracing import current_trace_id

# These tell us nothing we do not log ourselves, or log what people wrote (sse_starlette and
# LiteLLM at DEBUG), or job arguments (arq at INFO).
_QUIET = (
    "alembic.runtime.plugins",
    "arq",
    "asyncio",
    "httpcore",
    "httpx",
    "LiteLLM",
    "litellm",
    "openai",
    "sse_starlette",
)

_SECRET_KEY = re.compile(
    r"token|secret|password|passwd|authorization|cookie|api_?key|signature", re.IGNORECASE
)
_TEXT_KEY = re.compile(
    r"^(text|body|content|messages?|prompt|response|draft|reply|transcript|summary)(_text)?$",
    re.IGNORECASE,
)
_PHONE_KEY = re.compile(r"^(wa_id|phone|phone_number|display_phone_number|msisdn|recipient)$")
# Ids of a business, which operators look for and which are as long as a phone number.
_ID_KEY = re.compile(r"^(phone_number_id|waba_id|wamid|app_id)$|(^|_)(at|id)$")
# Eight to fifteen digits (E.164) that are no part of an id, a time or a fraction.
_PHONE = re.compile(r"(?<![\w.:-])\+?\d{8,15}(?![\w-]|[.:]\d)")
_MOST_DEPTH = 4


def configure_logging(
    settings: LogSettings, *, hash_key: str | None = None, stream: TextIO | None = None
) -> None:
    """Send all logs of this process to stdout in Frontdesk's form.

    Args:
        settings: least level, and JSON lines or readable columns.
        hash_key: what the hash of a phone number is keyed with, so that it can't be reversed by
            trying all numbers; without one, a key that lasts as long as the process.
        stream: where they go instead, when stdout is a command's answer.
    """
    level = logging.getLevelNamesMapping()[settings.level]
    ours: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        describe_exception,
        Scrubber(hash_key or secrets.token_hex()),
    ]
    render: Any = (
        structlog.processors.JSONRenderer(serializer=_one_line)
        if settings.json_lines
        else structlog.dev.ConsoleRenderer(event_key="event", timestamp_key="at", colors=False)
    )
    structlog.configure(
        processors=[*ours, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *ours],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            # Our own description of the exception stands in the event already.
            keep_exc_info=False,
            keep_stack_info=False,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def add_trace_id(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A structlog processor: the trace that the line belongs to, while traces are on."""
    if (trace_id := current_trace_id()) is not None:
        event["trace_id"] = trace_id
    return event


def _one_line(event: EventDict, **_: Any) -> str:
    try:
        return dumps(event)
    except TypeError:
        # Something without a JSON form, or text that is no UTF-8.
        return dumps({key: repr(value) for key, value in event.items()})


class Scrubber:
    """A structlog processor that takes out what may not be in a log; see the module."""

    def __init__(self, hash_key: str) -> None:
        self._hash_key = hashlib.sha256(f"log:{hash_key}".encode()).digest()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event with secrets starred, text replaced by its length, phone numbers hashed."""
        return {
            # Third parties write what they like into their one sentence; ours are constants.
            key: self._flat(value) if key == "event" else self._scrub(key, value, 0)
            for key, value in event.items()
        }

    def hash_phone(self, number: str) -> str:
        """What stands for a phone number in the logs of this deployment."""
        digits = re.sub(r"\D", "", number)
        return "phone:" + hmac.new(self._hash_key, digits.encode(), "sha256").hexdigest()[:12]

    def _scrub(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if _SECRET_KEY.search(key):
            return "***"
        if _TEXT_KEY.match(key):
            return f"<{len(value)} long>" if hasattr(value, "__len__") else "<left out>"
        if depth < _MOST_DEPTH and isinstance(value, dict):
            return {
                str(name): self._scrub(str(name), item, depth + 1) for name, item in value.items()
            }
        if depth < _MOST_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._scrub(key, item, depth + 1) for item in value]
        return self._scrub_text(key, str(value))

    def _scrub_text(self, key: str, text: str) -> str:
        if _PHONE_KEY.match(key):
            return self.hash_phone(text)
        return _escaped(text) if _ID_KEY.search(key) else self._flat(text)

    def _flat(self, value: Any) -> str:
        return _escaped(_PHONE.sub(lambda match: self.hash_phone(match[0]), str(value)))


def _escaped(text: str) -> str:
    # The console writes text as it is: a line end in it would forge a line.
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def describe_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A structlog processor: `exc_info` becomes `exceptions`: types and places, outermost first.

    Only our own errors keep their message: other people's quote what they failed on, like rows,
    parameters and prompts.
    """
    error = _exception(event.pop("exc_info", None))
    if error is None:
        return event
    causes = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        causes.append(_described(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    event["exceptions"] = causes
    return event


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def _exception(given: bool | BaseException | ExcInfo | None) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1]
    return sys.exc_info()[1] if given else None


def _described(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = " > ".join(f"{_module(frame)}:{frame.lineno} {frame.name}" for frame in frames[-12:])
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return " ".join(filter(None, [kind, _own_words(error), f"[{places}]" if places else ""]))


def _module(frame: traceback.FrameSummary) -> str:
    for root in ("/src/", "/site-packages/", "/python3"):
        _, found, rest = frame.filename.rpartition(root)
        if found:
            return rest
    return frame.filename.rpartition("/")[2]


def _own_words(error: BaseException) -> str:
    if isinstance(error, FrontdeskError):
        return f"({error})"
    if isinstance(error, asyncpg.PostgresError):
        return f"({error.sqlstate} {getattr(error, 'constraint_name', None) or ''})"
    if isinstance(error, OSError) and error.strerror:
        return f"({error.strerror})"
    return ""
