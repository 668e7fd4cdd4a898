"""Spans on their way to a collector: OTLP over HTTP, in batches, from a thread of their own.

Imported only when traces are on: the SDK takes a second and some tens of megabytes.
"""

import logging
import time
from collections.abc import Sequence
from urllib.parse import unquote

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from frontdesk import __name__ as package
from frontdesk.core.metrics import Metrics
from frontdesk.core.settings import TracingSettings
from frontdesk.core.tracing import WANTED_TRACE_ID

log = structlog.get_logger(__name__)

# A collector that does not answer costs a thread this long, and the end of the process as well.
EXPORT_SECONDS = 5
# Some hundred messages; what comes while the collector is away is dropped beyond it.
MOST_WAITING_SPANS = 8_192
SPANS_IN_A_BATCH = 512
BATCH_EVERY_SECONDS = 2
_COMPLAIN_EVERY_SECONDS = 60.0
# A UUIDv7 begins with the time, two fixed bits and perhaps a counter; these bits of it are random.
_RANDOM_BITS = (1 << 32) - 1


class Exporter:
    """Makes spans and sends them to the deployment's collector; never in the way of whoever made them."""

    def __init__(self, settings: TracingSettings, metrics: Metrics, *, service: str) -> None:
        assert settings.endpoint is not None
        # It says at every batch what we say once a minute.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        sender = OTLPSpanExporter(
            endpoint=traces_url(settings.endpoint),
            headers=headers_of(settings.headers.get_secret_value() if settings.headers else ""),
            timeout=EXPORT_SECONDS,
            compression=Compression.Gzip,
        )
        self._provider = TracerProvider(
            sampler=ParentBased(ShareOfTraces(settings.sample_share)),
            resource=Resource.create({"service.name": service, "service.namespace": package}),
            id_generator=_TraceIds(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                _Counted(sender, metrics),
                max_queue_size=MOST_WAITING_SPANS,
                max_export_batch_size=SPANS_IN_A_BATCH,
                schedule_delay_millis=BATCH_EVERY_SECONDS * 1000,
            )
        )
        self.tracer = self._provider.get_tracer(package)

    def shutdown(self) -> None:
        """Send what is left and stop; a collector that is away is waited for some seconds."""
        self._provider.shutdown()


def traces_url(endpoint: str) -> str:
    """Where spans go: an OTLP base address with the path that the protocol gives traces."""
    base = endpoint.rstrip("/")
    return base if base.endswith("/v1/traces") else f"{base}/v1/traces"


def headers_of(setting: str) -> dict[str, str]:
    """`Name=value,Other=value` as headers, percent-encoded where a value holds a comma."""
    pairs = (item.partition("=") for item in setting.split(",") if item.strip())
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


class ShareOfTraces(Sampler):
    """Records a share of all traces, by the random bits of their ids, so all processes agree."""

    def __init__(self, share: float) -> None:
        self._share = share

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whether a trace that begins here is recorded."""
        chosen = (trace_id & _RANDOM_BITS) < self._share * (_RANDOM_BITS + 1)
        around = get_current_span(parent_context).get_span_context()
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if chosen else Decision.DROP,
            attributes if chosen else None,
            around.trace_state,
        )

    def get_description(self) -> str:
        """What it does, for people."""
        return f"{self._share:.0%} of all traces"


class _TraceIds(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        return WANTED_TRACE_ID.get() or super().generate_trace_id()


class _Counted(SpanExporter):
    """Sends spans, counts what became of them, and says once a minute that they do not arrive."""

    def __init__(self, sender: SpanExporter, metrics: Metrics) -> None:
        self._sender = sender
        self._metrics = metrics
        self._complained_at = -_COMPLAIN_EVERY_SECONDS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._sender.export(spans)
        except Exception:  # Whatever a collector answers, the thread has to go on.
            result = SpanExportResult.FAILURE
        sent = result is SpanExportResult.SUCCESS
        self._metrics.spans.labels("sent" if sent else "lost").inc(len(spans))
        if not sent and time.monotonic() - self._complained_at >= _COMPLAIN_EVERY_SECONDS:
            self._complained_at = time.monotonic()
            log.warning("spans_lost", spans=len(spans))
        return result

    def shutdown(self) -> None:
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sender.force_flush(timeout_millis)
