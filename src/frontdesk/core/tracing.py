"""Traces: what one message went through, over all processes, as OpenTelemetry spans.

    web     POST /webhooks/whatsapp          (its trace id is the request id, unless the client named one)
    worker  └ receive                        from `webhook_event.traceparent`
    worker     └ turn                        from `conversation.traceparent`
                 └ triage, prompt, reply …, each with its model calls and tools
    worker        └ send                     from `outbound.traceparent`

A row that is a job carries the W3C `traceparent` of whoever made it due, so nothing but the database
lies between the processes. Off, which is the default, nothing is recorded, written or imported: a
span is one shared object that does nothing. No words of anybody are in a span, unless
`TRACING__CONTENT` says so.
"""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
)

from frontdesk.core.metrics import Metrics
from frontdesk.core.settings import TracingSettings

P = ParamSpec("P")
T = TypeVar("T")
Attributes = Mapping[str, str | int | float | bool | list[str]]

_NOTHING: AbstractContextManager[Span] = nullcontext(INVALID_SPAN)
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# The trace id that the next root span is to have; None for a random one.
WANTED_TRACE_ID: ContextVar[int | None] = ContextVar("wanted_trace_id", default=None)


class Exporting(Protocol):
    """What sends spans away, in threads of its own."""

    tracer: Tracer

    def shutdown(self) -> None:
        """Send what is left, for some seconds at most, and stop."""


@dataclass
class _Process:
    """Whether this process traces: one for all of it, as with logging."""

    exporting: Exporting | None = None
    content: bool = False


_process = _Process()


@asynccontextmanager
async def tracing(
    settings: TracingSettings, metrics: Metrics, *, service: str
) -> AsyncIterator[None]:
    """A block in which this process traces, as `start_tracing` says."""
    start_tracing(settings, metrics, service=service)
    try:
        yield
    finally:
        await asyncio.to_thread(stop_tracing)


def start_tracing(settings: TracingSettings, metrics: Metrics, *, service: str) -> None:
    """Record and send spans from now on, if an endpoint is set.

    Args:
        service: which process it is, as `service.name` tells it.

    Raises:
        RuntimeError: an endpoint is set, and the extra `otel` is not installed.
    """
    if settings.endpoint is None:
        return
    try:
        from frontdesk.core.trace_export import Exporter
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "TRACING__ENDPOINT is set, which needs the extra `otel`: pip install 'frontdesk[otel]'"
        ) from error
    stop_tracing()
    _process.exporting = Exporter(settings, metrics, service=service)
    _process.content = settings.content


def stop_tracing() -> None:
    """Send what is left and record no more. It may wait some seconds for a collector that is away."""
    exporting, _process.exporting, _process.content = _process.exporting, None, False
    if exporting is not None:
        exporting.shutdown()


def is_tracing() -> bool:
    """Whether spans are recorded in this process."""
    return _process.exporting is not None


def tells_content() -> bool:
    """Whether spans may hold what people and models said."""
    return _process.content


def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
) -> AbstractContextManager[Span]:
    """A span around a block. An exception that leaves the block is its error, by type only."""
    if _process.exporting is None:
        return _NOTHING
    return _recorded(_process.exporting.tracer, name, attributes, None, kind)


def root_span(
    name: str,
    attributes: Attributes | None = None,
    *,
    parent: str | None = None,
    trace_id: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> AbstractContextManager[Span]:
    """A span that belongs to no span around it: a request, or a row that is handled.

    Args:
        parent: the `traceparent` that the row carries, if any.
        trace_id: what the trace is to be called, 32 hexadecimal digits of ours; None makes one up.
    """
    if _process.exporting is None:
        return _NOTHING
    context = _context_of(parent) or Context()
    return _recorded(_process.exporting.tracer, name, attributes, context, kind, trace_id)


def traced(
    name: str,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make every call of a coroutine function a span of this name."""

    def wrap(act: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(act)
        async def act_in_span(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name):
                return await act(*args, **kwargs)

        return act_in_span

    return wrap


@contextmanager
def apart() -> Iterator[None]:
    """A block whose spans belong to no span around it, whatever started the task it runs in."""
    if _process.exporting is None:
        yield
        return
    token = attach(Context())
    try:
        yield
    finally:
        detach(token)


def begin(name: str, attributes: Attributes | None = None, *, parent: str | None = None) -> Span:
    """A span that is ended by hand, as several go on side by side; it is around nothing."""
    if _process.exporting is None:
        return INVALID_SPAN
    context = _context_of(parent) or Context()
    return _process.exporting.tracer.start_span(name, context=context, attributes=attributes)


def fail(failed: Span, error_type: str) -> None:
    """Mark a span as gone wrong, in a word of ours: other people's messages quote what they saw."""
    failed.set_attribute("error.type", error_type)
    failed.set_status(trace.Status(trace.StatusCode.ERROR))


def annotate(**attributes: str | int | float | bool | list[str] | None) -> None:
    """Add to the span around, under `frontdesk.…`; what is None is left out."""
    if _process.exporting is None:
        return
    around = trace.get_current_span()
    for name, value in attributes.items():
        if value is not None:
            around.set_attribute(f"frontdesk.{name}", value)


def traceparent(of: Span | None = None) -> str | None:
    """The W3C form of a span, or of the one around, for a row to carry; None when nothing is traced."""
    if _process.exporting is None:
        return None
    context = (of or trace.get_current_span()).get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def current_trace_id() -> str | None:
    """The trace id of the span around, as logs show it; None when nothing is traced."""
    if _process.exporting is None:
        return None
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


@contextmanager
def _recorded(
    tracer: Tracer,
    name: str,
    attributes: Attributes | None,
    context: Context | None,
    kind: SpanKind,
    trace_id: str | None = None,
) -> Iterator[Span]:
    wanted = WANTED_TRACE_ID.set(int(trace_id, 16)) if trace_id else None
    try:
        started = tracer.start_span(name, context=context, kind=kind, attributes=attributes)
    finally:
        if wanted is not None:
            WANTED_TRACE_ID.reset(wanted)
    with trace.use_span(
        started, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield started
        except BaseException as error:
            fail(started, type(error).__qualname__)
            raise


def _context_of(parent: str | None) -> Context | None:
    found = _TRACEPARENT.fullmatch(parent or "")
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(context), Context())
